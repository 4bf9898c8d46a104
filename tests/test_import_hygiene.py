"""What answers at once imports nothing heavy: each command in a process of its own, then `sys.modules`."""

import json
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from made_records import make_record

from anatomy.profiling.record import save

HEAVY = (
    "torch",
    "transformers",
    "peft",
    "bitsandbytes",
    "accelerate",
    "pandas",
    "numpy",
    "textual",
    "matplotlib",
)

SCRIPT = """
import sys
from anatomy.cli import main
try:
    main(sys.argv[1:])
except SystemExit as done:
    code = done.code
sys.stderr.write("\\nLOADED " + " ".join(m for m in {heavy} if m in sys.modules) + f"\\nCODE {{code}}")
"""


def heavy_imports(*args: str, heavy: tuple[str, ...] = HEAVY) -> tuple[set[str], int, str]:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(heavy=heavy), *args],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    *_, loaded, code = done.stderr.splitlines()
    return set(loaded.split()[1:]), int(code.split()[1]), done.stdout


@pytest.fixture
def headers_only(tmp_path: Path) -> Path:
    """A safetensors file of one small tensor, without a config beside it."""
    header = json.dumps(
        {"lm_head.weight": {"dtype": "BF16", "shape": [4, 8], "data_offsets": [0, 64]}}
    ).encode()
    file = tmp_path / "model.safetensors"
    file.write_bytes(struct.pack("<Q", len(header)) + header + bytes(64))
    return file


@pytest.mark.parametrize(
    "args",
    [
        ["--help"],
        ["--version"],
        ["validate", "--help"],
        ["plan", "--help"],
        ["compare", "--help"],
        ["profile", "--help"],
        ["report", "--help"],
        ["plan", "--print-recipe"],
    ],
)
def test_help_imports_no_rich_either(args):
    loaded, code, out = heavy_imports(*args, heavy=(*HEAVY, "rich", "huggingface_hub"))
    assert (loaded, code) == (set(), 0)
    assert out


@pytest.mark.parametrize("args", [["gpus"], ["models"], ["gpus", "--json"], ["env"]])
def test_catalogs_import_nothing_heavy(args, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")  # without the drivers' tools `env` looks no further
    loaded, code, out = heavy_imports(*args)
    if args == ["env"] and Path("/dev/nvidia0").exists():
        pytest.skip("there is a GPU here, and torch is asked about it")
    assert (loaded, code) == (set(), 0)
    assert out


def test_show_of_headers_imports_nothing_heavy(headers_only):
    loaded, code, out = heavy_imports("show", str(headers_only), "--json")
    assert (loaded, code) == (set(), 0)
    assert json.loads(out)["parameters"]["total"] == 32


@pytest.mark.parametrize("format_", ["table", "json"])
def test_a_saved_run_opens_without_anything_heavy(format_, tmp_path):
    """A run that was measured on a GPU can be read where there is neither a GPU nor torch."""
    file = tmp_path / "run.json.xz"
    save(make_record("cuda"), file)
    loaded, code, out = heavy_imports("profile", "--open", str(file), "--format", format_)
    assert (loaded, code) == (set(), 0)
    assert "Example GPU" in out


@pytest.mark.parametrize("format_", ["md", "html"])
def test_a_saved_run_is_reported_without_anything_heavy(format_, tmp_path):
    file = tmp_path / "run.json.xz"
    save(make_record("cuda"), file)
    loaded, code, out = heavy_imports("report", str(file), "--format", format_, heavy=(*HEAVY, "matplotlib"))
    assert (loaded, code) == (set(), 0)
    assert "Example GPU" in out


@pytest.mark.parametrize(
    "args",
    [
        ["report", "MODEL", "--sections", "gpu"],
        ["report", "MODEL", "--methods", "lora"],
        ["report", "MODEL", "--r", "0"],
        ["profile", "--open", "MODEL"],
        ["profile", "MODEL", "--save", "/missing/folder/run.json"],
        ["profile", "MODEL", "--r", "0"],
        ["plan", "MODEL", "--set", "num_hidden_layers=1000000000"],
        ["show", "MODEL", "--set", "hidden_size=1000000000000"],
        ["plan", "MODEL", "--r", "0"],
        ["plan", "MODEL", "--optimizer", "adam"],
        ["plan", "MODEL", "--batch-size", "2000000000", "--seq-len", "2000000000"],
        ["plan", "MODEL", "-o", "/missing/folder/plan.json"],
        ["plan", "MODEL", "--gpu", "Voodoo 2"],
        ["plan", "MODEL", "--method", "full", "--r", "4"],
    ],
)
def test_nonsense_is_refused_before_torch(args, tiny_llama):
    loaded, code, out = heavy_imports(*(str(tiny_llama) if arg == "MODEL" else arg for arg in args))
    assert (loaded, code, out) == (set(), 2, "")
