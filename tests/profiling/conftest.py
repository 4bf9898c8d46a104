"""The tiny families of tests/rehearsal serve here as well."""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "rehearsal")]
