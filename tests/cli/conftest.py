"""The command line, run in this process."""

import pytest

from anatomy.cli import main


@pytest.fixture
def run(capfd, monkeypatch):
    """Run `anatomy` in this process; returns (exit code, stdout, stderr)."""
    for name in ("NO_COLOR", "FORCE_COLOR", "ANATOMY_DEBUG", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)

    def call(*args):
        with pytest.raises(SystemExit) as done:
            main([str(arg) for arg in args])
        out, err = capfd.readouterr()
        return done.value.code, out, err

    return call
