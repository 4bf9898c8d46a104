"""What a cold answer costs: `anatomy plan` of an 8B QLoRA beside `accelerate estimate-memory` of the same model.

Both are run as whole processes, alternating, and their CPU time (user + system) is compared as a ratio, because
machines differ and are noisy. `accelerate` wants a hub, so a small one is served on the loopback interface.

    python benchmarks/cold_start.py [--runs 5]
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from anatomy.source.catalog import lookup

MODEL = "meta-llama/Llama-3.1-8B"
BIN = Path(sys.executable).parent
PLAN = [sys.executable, "-m", "anatomy", "plan", MODEL, "--method", "qlora", "--r", "64", "--json"]
ESTIMATE = [str(BIN / "accelerate"), "estimate-memory", MODEL]
COMMIT = "a" * 40


class Hub(BaseHTTPRequestHandler):
    """Answers the two questions that accelerate asks: what is this repository, and what is in its config."""

    protocol_version = "HTTP/1.1"
    config = json.dumps(dict(lookup(MODEL) or {})).encode()

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        if self.path.startswith("/api/models/"):
            about = {
                "id": MODEL,
                "modelId": MODEL,
                "sha": COMMIT,
                "private": False,
                "gated": False,
                "tags": [],
            }
            about |= {"library_name": "transformers", "siblings": [], "config": json.loads(self.config)}
            self._send(200, json.dumps(about).encode())
        elif self.path.endswith("/config.json"):
            self._send(200, self.config)
        else:
            self._send(404, b"", "EntryNotFound")

    def _send(self, status: int, body: bytes, error: str | None = None) -> None:
        self.send_response(status)
        headers = {"Content-Type": "application/json", "ETag": '"1"', "X-Repo-Commit": COMMIT}
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        if error:
            self.send_header("X-Error-Code", error)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)


@contextmanager
def served() -> Iterator[str]:
    """The hub's address while it is up."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def cost(command: list[str], environment: dict[str, str]) -> tuple[float, float]:
    """(CPU seconds, peak resident MiB) of one run. Raises RuntimeError when it fails."""
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=said)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            raise RuntimeError(f"{command[0]} failed: {said.read().decode()[-500:]}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    plans: list[tuple[float, float]] = []
    estimates: list[tuple[float, float]] = []
    with served() as endpoint, tempfile.TemporaryDirectory() as home:
        environment = os.environ | {"HF_ENDPOINT": endpoint, "HF_HOME": home, "HF_HUB_DISABLE_TELEMETRY": "1"}
        cost(ESTIMATE, environment)  # warm the file cache
        for number in range(runs):
            plans.append(cost(PLAN, environment | {"PYTHONHASHSEED": str(number)}))
            estimates.append(cost(ESTIMATE, environment))
    for name, found in (("anatomy plan", plans), ("accelerate estimate-memory", estimates)):
        cpu, memory = zip(*found, strict=True)
        print(
            f"{name:28} CPU median {statistics.median(cpu):5.1f} s, worst {max(cpu):5.1f} s, peak {max(memory):4.0f} MiB"
        )
    ratios = [plan[0] / estimate[0] for plan, estimate in zip(plans, estimates, strict=True)]
    print(f"ratio of CPU time, run by run: median {statistics.median(ratios):.2f}, worst {max(ratios):.2f}")


if __name__ == "__main__":
    main()
