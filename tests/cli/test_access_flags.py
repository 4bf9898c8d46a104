"""--token and --offline, on a hub on the loopback interface that wants a token."""

import os
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import click
import pytest
from click.testing import CliRunner
from huggingface_hub import constants

from anatomy.cli.options import model_options
from anatomy.cli.root import anatomy


class Gated(BaseHTTPRequestHandler):
    """A repository that only one token may read; it has a config and nothing else."""

    asked: list[str | None]

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        token = self.headers.get("Authorization")
        self.asked.append(token)
        known = token == "Bearer hf_right"
        found = known and self.path.endswith("/resolve/main/config.json")
        body = b'{"model_type": "llama", "num_hidden_layers": 1}' if found else b""
        self.send_response(200 if found else 404 if known else 401)
        error = "EntryNotFound" if known else "GatedRepo"
        headers = {"X-Repo-Commit": "0" * 40, "X-Error-Code": "" if found else error}
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def asked(tmp_path, monkeypatch) -> Iterator[list[str | None]]:
    """The tokens of the requests that the hub got."""
    Gated.asked = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Gated)
    Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_ASSETS_CACHE", str(tmp_path / "assets"))
    monkeypatch.setenv("HF_TOKEN", "hf_of_the_machine")
    yield Gated.asked
    server.shutdown()
    server.server_close()


def run(*args: str):
    return CliRunner().invoke(anatomy, ["show", "test-org/gated", "--no-progress", *args])


def test_the_token_is_sent_and_forgotten(asked):
    refused = run()
    assert set(asked) == {"Bearer hf_of_the_machine"}
    assert "test-org/gated is gated" in str(refused.exception)
    asked.clear()
    assert run("--token", "hf_right").exit_code == 0
    assert set(asked) == {"Bearer hf_right"}
    assert os.environ["HF_TOKEN"] == "hf_of_the_machine"


def test_offline_asks_nobody_and_answers_what_is_kept(asked):
    unknown = run("--offline")
    assert "--offline or HF_HUB_OFFLINE forbids asking the hub" in str(unknown.exception)
    assert asked == []
    assert run("--token", "hf_right").exit_code == 0
    asked.clear()
    kept = run("--offline")
    assert (kept.exit_code, asked) == (0, [])
    assert "cache: test-org/gated" in kept.output
    assert constants.HF_HUB_OFFLINE is False


def test_both_reach_what_else_reads_them(monkeypatch):
    """transformers, and processes of a command, read the environment."""
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    seen: list[str | None] = []

    @click.command()
    @model_options
    def command(**_: object) -> None:
        seen.extend(os.environ.get(name) for name in ("HF_TOKEN", "HF_HUB_OFFLINE"))

    assert CliRunner().invoke(command, ["--token", "hf_one", "--offline"]).exit_code == 0
    assert seen == ["hf_one", "1"]
    assert "HF_HUB_OFFLINE" not in os.environ
