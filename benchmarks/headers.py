"""What reading a large model's headers costs: `anatomy show` beside two commands that read less.

The floor is huggingface_hub's `get_safetensors_metadata`, which reads the same headers and counts elements by dtype;
`accelerate estimate-memory` builds the model from its config alone. All are run as whole processes with a cold Hugging
Face cache, alternating, on a hub on the loopback interface that serves a checkpoint of the shape of Llama-3.1-405B in
169 shards: real headers, and data that takes no room on disk. Ratios are of medians, because machines differ.

    python benchmarks/headers.py [--runs 5] [--hub http://127.0.0.1:8123 --model org/name]
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

from anatomy.source.catalog import lookup

CONFIG = {**(lookup("meta-llama/Llama-3.1-405B") or {}), "tie_word_embeddings": False}
MODEL = "example/llama-405b"
COMMIT = "a" * 40
TENSORS_IN_A_SHARD = 7
FLOOR = """
import sys
from huggingface_hub import get_safetensors_metadata
print(sum(get_safetensors_metadata(sys.argv[1]).parameter_count.values()))
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """What one process took."""

    wall_seconds: float
    """From start to end."""
    cpu_seconds: float
    """User and system time."""
    peak_mib: float
    """Largest resident set."""
    said: str
    """What it printed."""


def tensors() -> Iterator[tuple[str, tuple[int, ...]]]:
    """A dense decoder's parameters by its config, as (name, shape)."""
    width, inner, vocabulary = (CONFIG[key] for key in ("hidden_size", "intermediate_size", "vocab_size"))
    narrow = width // CONFIG["num_attention_heads"] * CONFIG["num_key_value_heads"]
    shapes = {
        **{f"self_attn.{name}_proj": (width, width) for name in "qo"},
        **{f"self_attn.{name}_proj": (narrow, width) for name in "kv"},
        **{f"mlp.{name}_proj": (inner, width) for name in ("gate", "up")},
        "mlp.down_proj": (width, inner),
        **{f"{name}_layernorm": (width,) for name in ("input", "post_attention")},
    }
    yield "model.embed_tokens.weight", (vocabulary, width)
    for layer in range(CONFIG["num_hidden_layers"]):
        yield from ((f"model.layers.{layer}.{name}.weight", shape) for name, shape in shapes.items())
    yield "model.norm.weight", (width,)
    yield "lm_head.weight", (vocabulary, width)


def write_checkpoint(folder: Path) -> int:
    """The config, the index and the shards as sparse files; returns the elements that they store."""
    folder.mkdir(parents=True)
    every = list(tensors())
    shards = [every[at : at + TENSORS_IN_A_SHARD] for at in range(0, len(every), TENSORS_IN_A_SHARD)]
    weight_map, elements = {}, 0
    for number, shard in enumerate(shards, 1):
        file = f"model-{number:05}-of-{len(shards):05}.safetensors"
        header, end = {}, 0
        for name, shape in shard:
            count = shape[0] * (shape[1] if len(shape) > 1 else 1)
            header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [end, end + 2 * count]}
            weight_map[name], end, elements = file, end + 2 * count, elements + count
        raw = json.dumps({"__metadata__": {"format": "pt"}, **header}).encode()
        with (folder / file).open("wb") as opened:
            opened.write(len(raw).to_bytes(8, "little") + raw)
            opened.truncate(8 + len(raw) + end)
    (folder / "config.json").write_text(json.dumps(dict(CONFIG)))
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    return elements


class Hub(BaseHTTPRequestHandler):
    """Files by HEAD and ranged GET, and what a repository is; counts what it is asked."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    root = Path()
    asked: ClassVar[Counter[str]] = Counter()

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        file = self.path.rpartition("/")[2]
        path = self.root / file
        self.asked["shards" if file.startswith("model-") else "other"] += 1
        if self.path.startswith("/api/models/"):
            config = {key: CONFIG[key] for key in ("architectures", "model_type")}
            about = {"id": MODEL, "modelId": MODEL, "sha": COMMIT, "private": False, "gated": False}
            about |= {"tags": [], "library_name": "transformers", "siblings": [], "config": config}
            self._send(200, json.dumps(about).encode(), {"Content-Type": "application/json"})
        elif not path.is_file():
            self._send(404, b"", {"X-Error-Code": "EntryNotFound"})
        elif wanted := re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range") or ""):
            first, last = int(wanted[1]), min(int(wanted[2]), path.stat().st_size - 1)
            with path.open("rb") as opened:
                opened.seek(first)
                part = opened.read(last - first + 1)
            self._send(206, part, {"Content-Range": f"bytes {first}-{last}/{path.stat().st_size}"})
        elif self.command == "HEAD":
            self._send(200, b"", {"Content-Length": str(path.stat().st_size)})
        else:
            self._send(200, path.read_bytes(), {})

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        common = {"ETag": '"1"', "X-Repo-Commit": COMMIT, "Content-Length": str(len(body))}
        for name, value in {**common, **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of a hub that serves the folder, while it is up."""
    Hub.root = folder
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def run(command: list[str], endpoint: str) -> Run:
    """One process with an empty Hugging Face cache. Raises RuntimeError when it fails."""
    with tempfile.TemporaryDirectory() as home, tempfile.TemporaryFile() as out:
        settings = {"HF_ENDPOINT": endpoint, "HF_HOME": home, "HF_HUB_DISABLE_TELEMETRY": "1"}
        began = os.times().elapsed
        process = subprocess.Popen(command, env=os.environ | settings, stdout=out, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        wall = os.times().elapsed - began
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        said = out.read().decode()
        if process.returncode:
            raise RuntimeError(f"{command} failed: {said[-500:]}")
    return Run(
        wall_seconds=wall,
        cpu_seconds=usage.ru_utime + usage.ru_stime,
        peak_mib=usage.ru_maxrss / 1024,
        said=said,
    )


def measure(commands: dict[str, list[str]], endpoint: str, runs: int) -> dict[str, list[Run]]:
    """Every command `runs` times, in turns, after one turn that warms the file cache; says what each asked for."""
    for name, command in commands.items():
        Hub.asked.clear()
        run(command, endpoint)
        asked = ", ".join(f"{count} for {what}" for what, count in Hub.asked.items())
        print(f"{name}: requests {asked or 'not counted'}")
    found: dict[str, list[Run]] = {name: [] for name in commands}
    for _ in range(runs):
        for name, command in commands.items():
            found[name].append(run(command, endpoint))
    return found


def report(found: dict[str, list[Run]], show: str) -> None:
    """Medians, and `show` over each of the others."""
    for name, runs in found.items():
        wall, cpu = (
            statistics.median(getattr(one, f"{kind}_seconds") for one in runs) for kind in ("wall", "cpu")
        )
        peak = max(one.peak_mib for one in runs)
        print(f"{name:28} wall {wall:5.2f} s, CPU {cpu:5.2f} s, at most {peak:4.0f} MiB")
    for name in found.keys() - {show}:
        ratios = {
            kind: statistics.median(getattr(one, f"{kind}_seconds") for one in found[show])
            / statistics.median(getattr(one, f"{kind}_seconds") for one in found[name])
            for kind in ("wall", "cpu")
        }
        print(
            f"{show} takes {ratios['wall']:.2f} of the time of {name} ({ratios['cpu']:.2f} of its CPU time)"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--hub", help="a hub that is up already, with its --model")
    parser.add_argument("--model", default=MODEL)
    options = parser.parse_args()
    show, floor = "anatomy show", "get_safetensors_metadata"
    commands = {
        floor: [sys.executable, "-c", FLOOR, options.model],
        show: [sys.executable, "-m", "anatomy", "show", options.model],
        "accelerate estimate-memory": [
            str(Path(sys.executable).parent / "accelerate"), "estimate-memory", options.model
        ],
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        elements = write_checkpoint(Path(folder) / "model")
        with served(Path(folder) / "model") as own:
            endpoint = options.hub or own
            found = measure(commands, endpoint, options.runs)
            counted = json.loads(run([*commands[show], "--json"], endpoint).said)["parameters"]
    report(found, show)
    print(f"elements: {elements:,} written" if options.hub is None else "elements:")
    print(f"  {floor}: {int(found[floor][0].said.split()[-1]):,}")
    print(f"  {show}: {counted['total']:,} held, {counted['stored']:,} stored")
    print(found["accelerate estimate-memory"][0].said.strip())


if __name__ == "__main__":
    main()
