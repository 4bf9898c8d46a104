"""What only a process of its own can show: pipes, encodings, `python -m anatomy`."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = [sys.executable, "-m", "anatomy"]


def test_ascii_where_nothing_else_can_be_printed():
    environment = os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    done = subprocess.run([*COMMAND, "models"], capture_output=True, env=environment, timeout=60, check=True)
    assert done.stdout.isascii()
    assert done.stderr == b""


def test_a_reader_that_stops_is_no_error():
    process = subprocess.Popen(
        [*COMMAND, "gpus", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0
    )
    assert process.stdout is not None
    process.stdout.close()
    _, error = process.communicate(timeout=60)
    assert (process.returncode, error) == (0, b"")


def run_with_stderr_on_a_terminal(args, environment=None):
    """(stdout, what a terminal on stderr was sent)."""
    import pty

    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, *args],
        stdout=subprocess.PIPE,
        stderr=theirs,
        env=os.environ | {"TERM": "xterm"} | (environment or {}),
    )
    os.close(theirs)
    out, _ = process.communicate(timeout=60)
    shown = b""
    try:
        while chunk := os.read(ours, 4096):
            shown += chunk
    except OSError:  # Linux: the other end is closed
        pass
    os.close(ours)
    assert process.returncode == 0
    return out, shown


def test_progress_goes_to_a_terminal_on_stderr_alone(tmp_path):
    header = b'{"w.weight": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}'
    file = tmp_path / "model.safetensors"
    file.write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))
    out, shown = run_with_stderr_on_a_terminal(["show", str(file)])
    assert b"\x1b" not in out
    assert b"model.safetensors" in out
    assert b"reading" in shown
    silent, nothing = run_with_stderr_on_a_terminal(["show", str(file), "--no-progress"])
    assert (silent, nothing) == (out, b"")


FULL = Path("/dev/full")


@pytest.mark.skipif(not FULL.exists(), reason="the system has no device that is always full")
@pytest.mark.parametrize("args", [["gpus", "--json"], ["gpus"], ["--help"], ["gpus", "-o", str(FULL)]])
def test_a_full_disk_is_a_sentence(args):
    with FULL.open("wb") as full:
        done = subprocess.run([*COMMAND, *args], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert "cannot be written: No space left on device.\n\nhint: " in done.stderr
    assert len(done.stderr.splitlines()) == 3


@pytest.mark.parametrize("args", [["gpus", "--json"], ["plan", "gpt3/125m"]])
def test_without_stdout_nothing_is_begun(args):
    done = subprocess.run(
        ["sh", "-c", '"$@" >&-', "sh", *COMMAND, *args], stderr=subprocess.PIPE, text=True, timeout=60
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: There is no standard output to write the answer to.\n\nhint: ")


def test_an_answer_in_a_file_needs_neither_stdout_nor_stderr(tmp_path):
    file = tmp_path / "gpus.json"
    done = subprocess.run(["sh", "-c", '"$@" >&- 2>&-', "sh", *COMMAND, "gpus", "-o", str(file)], timeout=60)
    assert done.returncode == 0
    assert file.read_text().startswith("{")
