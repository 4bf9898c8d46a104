"""Where the commands of the pages are run: a folder with what they name, without a network."""

import contextlib
import io
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
MODEL = """{
  "architectures": ["LlamaForCausalLM"], "model_type": "llama", "torch_dtype": "bfloat16",
  "vocab_size": 512, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
  "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 8192
}
"""
"""The config of ./my-model: a Llama of two small layers."""
TOKENIZER = {
    "model": {"type": "BPE", "vocab": {f"t{number}": number for number in range(500)}, "merges": []},
    "added_tokens": [{"id": 500, "content": "<|end|>", "special": True}],
}
"""Its tokenizer: 501 tokens, for an embedding of 512 rows."""
_SHELL = frozenset("|>&;$`")


@dataclass(frozen=True, kw_only=True, slots=True)
class Said:
    """What a command said."""

    code: int = 0
    """Its exit code."""
    out: str = ""
    err: str = ""


def set_up(folder: Path) -> None:
    """Put what the pages call 'your own' into a folder."""
    (folder / "my-model").mkdir()
    (folder / "my-model" / "config.json").write_text(MODEL)
    (folder / "my-model" / "tokenizer.json").write_text(json.dumps(TOKENIZER))
    for name in ("examples", "reports"):
        (folder / name).symlink_to(ROOT / name)
    shutil.copy(ROOT / "examples" / "axolotl_qlora.yml", folder / "axolotl.yml")
    shutil.copy(ROOT / "examples" / "lstm_lm.py", folder / "my_model.py")
    (folder / "lengths.txt").write_text("\n".join(map(str, (512, 1024, 1536, 2048))))


@contextlib.contextmanager
def on_stage(folder: Path) -> Iterator[None]:
    """In that folder, as a page was written: 100 columns, no colour, no network."""
    from anatomy.source.access import without_network

    said = {"COLUMNS": "100", "NO_COLOR": "1", "FORCE_COLOR": "", "ANATOMY_DEBUG": ""}
    with variables(said), contextlib.chdir(folder), without_network():
        yield


@contextlib.contextmanager
def variables(said: Mapping[str, str]) -> Iterator[None]:
    """With these environment variables."""
    before = {name: os.environ.get(name) for name in said}
    os.environ.update(said)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def run(command: str) -> Said:
    """Run a line of a page: `anatomy` in this process, anything else in a shell."""
    if command.startswith("anatomy ") and not _SHELL & set(command):
        return _in_process(shlex.split(command)[1:])
    with _programs() as path:
        environment = os.environ | {
            "PATH": f"{path}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
        }
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command],
            env=environment,
            capture_output=True,
            text=True,
            timeout=600,
        )
    return Said(code=done.returncode, out=done.stdout, err=done.stderr)


def _in_process(arguments: list[str]) -> Said:
    from anatomy.cli import main

    out, err = io.StringIO(), io.StringIO()
    code: object = 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main(arguments)
        except SystemExit as done:
            code = done.code
    return Said(code=int(str(code or 0)), out=out.getvalue(), err=err.getvalue())


@contextlib.contextmanager
def _programs() -> Iterator[str]:
    """A folder in which `anatomy` and `python` are this interpreter's."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        for name, words in {"anatomy": f"{sys.executable} -m anatomy", "python": sys.executable}.items():
            program = Path(folder) / name
            program.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
            program.chmod(0o755)
        yield folder
