"""A stand-in for torch in a process that has started CUDA, to be imported by the fork server alone."""

import sys
from types import SimpleNamespace

sys.modules["torch"] = SimpleNamespace(cuda=SimpleNamespace(_is_in_bad_fork=lambda: True))  # type: ignore[assignment]
