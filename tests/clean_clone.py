"""The README on a clean clone: its commands in order, with an empty HOME, each answer held against what the page shows.

    python tests/clean_clone.py                                  # all but what LONG names
    python tests/clean_clone.py --only 'make plan|anatomy env'   # commands, as a regular expression
    python tests/clean_clone.py --all                            # an hour or two

Needs git, make, Python 3.11 or newer and what `make plan` downloads. What is not committed is not cloned.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "docs"))

from generator.snippets import LEFT_OUT, blocks  # noqa: E402 (the pages' generator lies beside the pages)

LONG = {
    r"make test": "a quarter of an hour",
    r"anatomy validate (cpu -o|--from) records": "minutes; one reads what the other writes",
}
"""Commands that are run with --all alone, or by name -> why."""
NOT_RUN = {r"anatomy browse .*": "needs a terminal: tests/tui/test_tui_terminal.py"}
SAME = {"make plan": "anatomy plan meta-llama/Llama-3.1-8B --method qlora --r 64"}
"""Command -> another one, whose answer is in its own."""
_FILE = re.compile(r"(?:-o|--plot|--export|--save|>) (?P<file>\S+)")
_HANDED_ON = re.compile(r"PATH|(PIP|SSL|UV)_\w+|REQUESTS_CA_BUNDLE|\w+_proxy", re.I)
"""Variables without which nothing could be installed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """A command of the page."""

    command: str
    shows: str = ""
    """What the page says that it prints, up to what is left out; '' where it shows nothing."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Said:
    """What it did."""

    code: int
    out: str
    err: str = ""


def steps(page: str) -> list[Step]:
    """The commands in the page's order, each with its answer: under its line, or in the block of text that comes next."""
    found: list[Step] = []
    after_console = False
    for block in blocks(page):
        if after_console and block.language == "text":
            found[-1] = replace(found[-1], shows=block.text.partition(f"{LEFT_OUT}\n")[0])
        found += [Step(command=command, shows=shown) for command, shown in block.session]
        after_console = block.language == "console"
    shown = {step.command: step.shows for step in found}
    return [
        replace(step, shows=shown[SAME[step.command]]) if step.command in SAME else step for step in found
    ]


def left_out(command: str, only: str | None, everything: bool) -> str:
    """Why a command is not run; '' where it is."""
    for pattern, why in NOT_RUN.items():
        if re.fullmatch(pattern, command):
            return why
    if only is not None:
        return "" if re.search(only, command) else "not asked for"
    return next((why for known, why in LONG.items() if re.fullmatch(known, command) and not everything), "")


def faults(step: Step, said: Said, folder: Path) -> Iterator[str]:
    """What is wrong with an answer; nothing where all is as the page says."""
    if said.code not in ((0, 1) if "--check" in step.command else (0,)):
        yield f"exit code {said.code}: {said.err.strip()[-400:]}"
        return
    if step.shows.rstrip() not in said.out:
        yield "prints something else than the page shows"
    files = [folder / file.strip("'\"") for file in _FILE.findall(step.command)]
    yield from (f"{file.name} is not written" for file in files if not _has_content(file))
    if not files and not said.out.strip() and not step.command.startswith("eval "):
        yield "prints nothing"
    if "--json" in step.command and "breakdown" not in json.loads(said.out):
        yield "prints JSON without a breakdown"


def _has_content(path: Path) -> bool:
    return any(path.iterdir()) if path.is_dir() else path.is_file() and path.stat().st_size > 0


def environment(home: Path, programs: Path) -> dict[str, str]:
    """Variables of somebody who has just come: an empty home, a terminal of 100 columns without colour, no hub."""
    handed_on = {name: value for name, value in os.environ.items() if _HANDED_ON.fullmatch(name)}
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    surroundings = {"COLUMNS": "100", "NO_COLOR": "1", "LANG": "C.UTF-8", "HF_HUB_OFFLINE": "1"}
    return {**handed_on, **surroundings, "PATH": path, "HOME": str(home), "PYTHON": sys.executable}


def walked(folder: Path, only: str | None, everything: bool) -> int:
    """Clone, and go through the README; the number of commands with a fault."""
    clone, home, stage = (folder / name for name in ("clone", "home", "stage"))
    home.mkdir()
    subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True)
    variables = environment(home, clone / ".venv" / "bin")
    failed = 0
    for step in steps((clone / "README.md").read_text(encoding="utf-8")):
        if why := left_out(step.command, only, everything):
            print(f"not run  {step.command}  ({why})", flush=True)
            continue
        made = step.command.startswith("make ")
        if not made and not stage.exists():
            _set_up(clone, stage, variables)
        where = clone if made else stage
        found = [*faults(step, _run(step.command, where, variables), where)]
        failed += bool(found)
        print(
            "FAILED  " if found else "as shown" if step.shows else "answered",
            step.command,
            *found,
            flush=True,
        )
    return failed


def _run(command: str, folder: Path, variables: dict[str, str]) -> Said:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        cwd=folder,
        env=variables,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    return Said(code=done.returncode, out=done.stdout, err=done.stderr)


def _set_up(clone: Path, stage: Path, variables: dict[str, str]) -> None:
    """The folder in which the page's reader is, with a model and files of one's own, from the clone."""
    stage.mkdir()
    code = "import sys, pathlib; from generator.stage import set_up; set_up(pathlib.Path(sys.argv[1]))"
    subprocess.run(["python", "-c", code, str(stage)], cwd=clone / "docs", env=variables, check=True)


def main() -> None:
    """The exit code is 1 where the page is not true."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", metavar="REGEX")
    parser.add_argument("--all", action="store_true", dest="everything")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        sys.exit(1 if walked(Path(folder), asked.only, asked.everything) else 0)


if __name__ == "__main__":
    main()
