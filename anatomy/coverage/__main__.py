"""`python -m anatomy.coverage -o reports`: examine every (task, model type) and write coverage.md and coverage.csv.

Interrupted, it goes on where it was. Exit code 1 with --check where a goal is missed.
"""

import argparse
import os
import sys
import warnings
from pathlib import Path

from anatomy.coverage.pairs import all_pairs, sample
from anatomy.coverage.run import run_pairs
from anatomy.coverage.table import coverage_document, met
from anatomy.profiling.cells.runner import Progress
from anatomy.render import Format, render
from anatomy.versions import installed

_FORMS: tuple[Format, ...] = ("md", "csv")


def main() -> int:
    """Run, write, and say whether the goals are met."""
    parser = argparse.ArgumentParser(prog="python -m anatomy.coverage", description=__doc__)
    parser.add_argument(
        "-o", dest="folder", type=Path, default=Path("reports"), help="where to write the tables"
    )
    parser.add_argument(
        "--rows", type=Path, default=Path(".coverage-rows"), help="where each pair's row is kept"
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes at a time")
    parser.add_argument("--layers", type=int, help="at most so many layers of each model: a quick look")
    parser.add_argument("--sample", type=int, help="only so many pairs, spread evenly")
    parser.add_argument(
        "--only", action="append", default=[], metavar="TEXT", help="pairs whose name holds this"
    )
    parser.add_argument("--check", action="store_true", help="exit code 1 where a goal is missed")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    pairs = all_pairs() if arguments.sample is None else sample(all_pairs(), arguments.sample)
    if arguments.only:
        pairs = tuple(pair for pair in pairs if any(text in pair.name for text in arguments.only))
    rows = run_pairs(pairs, arguments.rows, jobs=arguments.jobs, layers=arguments.layers, progress=_tell)
    document = coverage_document(rows, installed(("torch", "transformers", "peft")), arguments.layers)
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for form in _FORMS:
        (arguments.folder / f"coverage.{form}").write_text(render(document, form), encoding="utf-8")
    return int(arguments.check and not met(rows))


def _tell(progress: Progress) -> None:
    print(f"{progress.done:,} of {progress.total:,}: {', '.join(progress.running)}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
