"""The README's output is the command's output; `make readme` writes it anew."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
LLAMA = "meta-llama/Llama-3.1-8B"
COMMANDS: dict[str, tuple[str, int | None]] = {
    "plan": (f"plan {LLAMA} --method qlora --r 64", None),
    "compare": (
        f"compare {LLAMA} --methods lora,qlora --optimizers adamw_torch_fused,adamw_bnb_8bit --precisions bf16",
        17,
    ),
    "optimizers": ("optimizers --only adamw_torch,adamw_8bit,paged_adamw_8bit,adafactor,lomo", 11),
    "config": ('plan --config examples/axolotl_qlora.yml --gpu "RTX 4090"', 10),
}
"""Block -> the command whose output it is, and how many of its lines, where not all."""


def answer(name: str) -> str:
    command, lines = COMMANDS[name]
    environment = os.environ | {
        "COLUMNS": "100",
        "HF_HUB_OFFLINE": "1",
        "NO_COLOR": "1",
        "PYTHONIOENCODING": "utf-8",
    }
    done = subprocess.run(
        [sys.executable, "-m", "anatomy", *shlex.split(command)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    shown = done.stdout.rstrip().splitlines()
    cut = [] if lines is None or len(shown) <= lines else ["..."]
    console = "" if name == "plan" else f"```console\n$ anatomy {command}\n```\n\n"
    return console + "\n".join(("```text", *shown[:lines], *cut, "```")) + "\n"


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
    for name in COMMANDS:
        page = with_block(page, name, answer(name))
    return page


@pytest.mark.parametrize(
    "name",
    ["plan", *(pytest.param(name, marks=pytest.mark.slow) for name in ("optimizers", "compare", "config"))],
)
def test_readme_shows_what_the_command_prints(name: str) -> None:
    page = README.read_text(encoding="utf-8")
    assert f"<!-- {name} -->" in page
    assert page == with_block(page, name, answer(name))


def test_readme_shows_the_accuracy_of_the_report() -> None:
    page = README.read_text(encoding="utf-8")
    assert page == with_block(page, "accuracy", accuracy())


if __name__ == "__main__":
    README.write_text(current(), encoding="utf-8")
