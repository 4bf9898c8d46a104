"""Who pays for what: the command line never for textual, the interface neither for torch nor for transformers."""

import subprocess
import sys

import pytest

HEAVY = ("textual", "torch", "transformers")


def imported(program: str) -> set[str]:
    """Which heavy libraries a program has imported when it ends."""
    told = f"import sys\ntry:\n    {program}\nexcept SystemExit:\n    pass\n" + (
        f"print('|', *(name for name in {HEAVY} if name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    return set(done.stdout.rpartition("|")[2].split())


@pytest.mark.parametrize("arguments", [["--help"], ["plan", "--help"], ["browse", "--help"]])
def test_help_imports_none_of_them(arguments: list[str]):
    assert imported(f"from anatomy.cli import main; main({arguments})") == set()


def test_the_interface_imports_textual_alone():
    assert imported("import anatomy.tui.app") == {"textual"}
