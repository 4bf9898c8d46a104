"""What only a process of its own can show: pipes, encodings, `python -m anatomy`."""

import os
import subprocess
import sys

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
