"""The checked-in report is what the one command writes today, with the versions that it names."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from anatomy.validation.published.study import installed_versions

REPORTS = Path(__file__).parents[2] / "reports"


@pytest.mark.slow
def test_the_report_is_up_to_date(tmp_path: Path) -> None:
    stated = json.loads((REPORTS / "published.json").read_text(encoding="utf-8"))["versions"]
    if stated != installed_versions():
        pytest.skip("the report was made with other versions")
    command = [sys.executable, "-m", "anatomy.validation.published", "-o", str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True)
    for name in ("published.md", "published.csv", "published.json", "ladder.md"):
        assert (tmp_path / name).read_bytes() == (REPORTS / name).read_bytes(), f"run `make reports`: {name}"
