"""A small Hugging Face hub on the loopback interface, which counts what it sends.

It speaks the part of the protocol that reading a model's description needs: HEAD and GET of
/{repo}/resolve/{revision}/{file}, with ranges, and the error codes of the real hub
(https://github.com/huggingface/huggingface_hub, `hf_raise_for_status`).
"""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import anatomy

PACKAGE_ROOT = Path(anatomy.__file__).parents[1]
"""Where a fresh interpreter finds the package, installed or not."""

COMMIT = "0123456789abcdef0123456789abcdef01234567"

_CLIENT = """
import dataclasses, json, sys
from anatomy.errors import SourceError
from anatomy.source import load
answers = []
for question in json.load(sys.stdin):
    try:
        answers.append(dataclasses.asdict(load(**question)))
    except SourceError as error:
        answers.append({"error": error.message, "hint": error.hint})
print(json.dumps({"answers": answers, "modules": sorted(sys.modules)}))
"""


class LoopbackHub:
    """Repositories are folders under `root`; the attributes change how the hub answers."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "repositories"
        self.home = folder / "home"
        self.gated: set[str] = set()
        self.failing: dict[str, int] = {}
        """file name -> HTTP status that every request for it gets"""
        self.mischief: dict[str, Iterator[str]] = {}
        """file name -> how each further request for it is answered; see `_MISCHIEF`"""
        self.ignores_ranges = False
        self.stores_weights_elsewhere = False
        """as the real hub does: weights are answered by a redirect to a store"""
        self.served_bytes = 0
        self.requests: list[tuple[str, str, str | None]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def repository(self, name: str, **files: bytes) -> Path:
        """A repository with the given files; 'model__safetensors' stands for model.safetensors."""
        folder = self.root / name
        folder.mkdir(parents=True)
        for file, data in files.items():
            (folder / file.replace("__", ".")).write_bytes(data)
        return folder

    def ask(self, *questions: dict[str, Any], **environment: str) -> dict[str, Any]:
        """What `source.load` answers in a fresh process, whose huggingface_hub reads its settings anew."""
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
        settings = {"HF_ENDPOINT": self.endpoint, "HF_HOME": str(self.home), "HF_HUB_DISABLE_TELEMETRY": "1"}
        process = subprocess.run(
            [sys.executable, "-c", _CLIENT],
            input=json.dumps(questions),
            env=inherited | settings | environment,
            cwd=PACKAGE_ROOT,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert process.returncode == 0, process.stderr
        answer: dict[str, Any] = json.loads(process.stdout)
        return answer

    def load(
        self, reference: str, environment: dict[str, str] | None = None, **options: Any
    ) -> dict[str, Any]:
        """The one answer to one question."""
        answer: dict[str, Any] = self.ask({"reference": reference, **options}, **(environment or {}))[
            "answers"
        ][0]
        return answer


_MISCHIEF: dict[str, Callable[[bytes], tuple[dict[str, str], bytes, float]]] = {
    "cut": lambda data: (_whole(data), data[: len(data) // 2], 0),
    "trickle": lambda data: (_whole(data), data, 0.05),
    "short part": lambda data: ({**_whole(data), "Content-Length": "9"}, data[:9], 0),
    "long part": lambda data: ({**_whole(data), "Content-Length": str(2 * len(data))}, data + data, 0),
    "other part": lambda data: (
        {"Content-Length": "5", "Content-Range": f"bytes 3-7/{len(data)}"},
        data[3:8],
        0,
    ),
    "no part": lambda data: ({**_whole(data), "Content-Range": "none"}, data, 0),
    "wrong size": lambda data: ({**_whole(data), "Content-Range": f"bytes 0-{len(data) - 1}/9999"}, data, 0),
    "no length": lambda data: ({}, data, 0),
    "endless error": lambda data: ({"Status": "404", "X-Error-Code": "EntryNotFound"}, bytes(10_000_000), 0),
    "odd error": lambda data: ({"Status": "400", "Content-Length": "2"}, b"[]", 0),
    "no http": lambda data: ({"Content-Length": "many"}, data, 0),
    "loop": lambda data: ({"Status": "302", "Location": "config.json", "Content-Length": "0"}, b"", 0),
    "other scheme": lambda data: (
        {"Status": "302", "Location": "file:///etc/hostname", "Content-Length": "0"},
        b"",
        0,
    ),
    "login page": lambda data: ({"Content-Length": "6"}, b"<html>", 0),
}
"""How a hub may misbehave: the file's bytes -> (headers, body, seconds between its bytes)."""


def _whole(data: bytes) -> dict[str, str]:
    return {"Content-Length": str(len(data)), "Content-Range": f"bytes 0-{len(data) - 1}/{len(data)}"}


def _handler(hub: LoopbackHub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_HEAD(self) -> None:
            self.answer()

        def do_GET(self) -> None:
            self.answer()

        def answer(self) -> None:
            hub.requests.append((self.command, self.path, self.headers.get("Range")))
            if self.path.startswith("/api/models/"):
                self.list_files(hub.root / self.path.removeprefix("/api/models/").partition("/tree/")[0])
                return
            repo, _, rest = self.path.lstrip("/").partition("/resolve/")
            revision, _, file = rest.partition("/")
            path = hub.root / repo / file
            if repo.startswith("store/"):
                self.send_file(hub.root / repo.removeprefix("store/"))
            elif trick := next(hub.mischief.get(file, iter(())), ""):
                self.trick(trick, path)
            elif file in hub.failing:
                self.reply(hub.failing[file])
            elif not (hub.root / repo).is_dir():
                self.reply(404, {"X-Error-Code": "RepoNotFound"})
            elif repo in hub.gated and "Authorization" not in self.headers:
                self.reply(401, {"X-Error-Code": "GatedRepo"})
            elif revision not in ("main", "v2", COMMIT):
                self.reply(404, {"X-Error-Code": "RevisionNotFound"})
            elif not path.is_file():
                self.reply(404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT})
            elif hub.stores_weights_elsewhere and file.endswith(".safetensors"):
                self.reply(302, {"Location": f"/store/{repo}/{file}", "X-Repo-Commit": COMMIT})
            else:
                self.send_file(path)

        def list_files(self, folder: Path) -> None:
            listed = hub.home / "listed.json"
            listed.parent.mkdir(parents=True, exist_ok=True)
            entries = [{"type": "file", "path": file.name} for file in sorted(folder.iterdir())]
            listed.write_text(json.dumps(entries))
            self.send_file(listed)

        def trick(self, name: str, path: Path) -> None:
            """Answer otherwise than asked. 'status 503', 'status 429 after 7' or a key of `_MISCHIEF`."""
            self.close_connection = True
            if name.startswith("status"):
                _, status, *after = name.split()
                return self.reply(int(status), {"Retry-After": after[1]} if after else {})
            if name == "drop":
                return None
            if name == "stall":
                return time.sleep(0.5)
            data = path.read_bytes()
            headers, body, pause = _MISCHIEF[name](data)
            self.send_response(206 if "Content-Range" in headers else int(headers.pop("Status", "200")))
            for key, value in {"X-Repo-Commit": COMMIT, **headers}.items():
                self.send_header(key, value)
            self.end_headers()
            with suppress(OSError):  # the client may well have gone
                for byte in body if pause else ():
                    self.wfile.write(bytes([byte]))
                    time.sleep(pause)
                if not pause:
                    self.wfile.write(body)
            return None

        def send_file(self, path: Path) -> None:
            size = path.stat().st_size
            start, stop, status = 0, size, 200
            headers = {"ETag": f'"{path.name}-{size}"', "X-Repo-Commit": COMMIT}
            wanted = self.headers.get("Range")
            if wanted and not hub.ignores_ranges:
                first, _, last = wanted.removeprefix("bytes=").partition("-")
                start, stop, status = int(first), min(int(last) + 1 if last else size, size), 206
                headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
            self.reply(status, headers, path, start, stop)

        def reply(
            self,
            status: int,
            headers: dict[str, str] | None = None,
            path: Path | None = None,
            start: int = 0,
            stop: int = 0,
        ) -> None:
            self.send_response(status)
            for name, value in {**(headers or {}), "Content-Length": str(stop - start)}.items():
                self.send_header(name, value)
            self.end_headers()
            if path is None or self.command == "HEAD":
                return
            with path.open("rb") as file:
                file.seek(start)
                while (left := stop - file.tell()) > 0:
                    try:
                        hub.served_bytes += self.wfile.write(file.read(min(left, 65_536)))
                    except OSError:  # the client has read enough
                        self.close_connection = True
                        return

    return Handler
