"""The README's output is the command's output; `make readme` writes it anew."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
COMMAND = ["plan", "meta-llama/Llama-3.1-8B", "--method", "qlora", "--r", "64"]


def answer() -> str:
    environment = os.environ | {
        "COLUMNS": "100",
        "HF_HUB_OFFLINE": "1",
        "NO_COLOR": "1",
        "PYTHONIOENCODING": "utf-8",
    }
    done = subprocess.run(
        [sys.executable, "-m", "anatomy", *COMMAND],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    return done.stdout


def with_block(page: str, name: str, content: str) -> str:
    """`page` with what stands between <!-- name --> and <!-- /name --> replaced."""
    return re.sub(
        f"(<!-- {name} -->\n).*?(<!-- /{name} -->)", lambda m: m[1] + content + m[2], page, flags=re.S
    )


def accuracy() -> str:
    """The errors of reports/published.json by figure, as a table."""
    found = json.loads((ROOT / "reports" / "published.json").read_text(encoding="utf-8"))["accuracy"][
        "figure"
    ]
    lines = ["| figure | compared | median error | worst | bias |", "| :-- | --: | --: | --: | --: |"]
    for row in found:
        numbers = (
            f"{row['median_percent']:.2f} % | {row['worst_percent']:+.1f} % | {row['bias_percent']:+.1f} %"
        )
        lines.append(f"| {row['group']} | {row['comparisons']} | {numbers} |")
    return "\n".join(lines) + "\n"


def current() -> str:
    page = README.read_text(encoding="utf-8")
    page = with_block(page, "accuracy", accuracy())
    return with_block(page, "plan", f"```text\n{answer().rstrip()}\n```\n")


def test_readme_shows_what_the_command_prints() -> None:
    assert README.read_text(encoding="utf-8") == current()


if __name__ == "__main__":
    README.write_text(current(), encoding="utf-8")
