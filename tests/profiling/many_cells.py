"""`python many_cells.py FOLDER JOURNAL COUNT SECONDS JOBS [LIMIT]`: run stand-in cells; what became of them, as JSON."""

import json
import sys
from dataclasses import asdict
from pathlib import Path

from anatomy.profiling.cells.results import Task
from anatomy.profiling.cells.runner import run_cells


def main() -> None:
    folder, journal, count, seconds, jobs, *limit = sys.argv[1:]
    tasks = [
        Task(
            name=f"cell-{n}", definition={"name": f"cell-{n}", "journal": journal, "seconds": float(seconds)}
        )
        for n in range(int(count))
    ]
    outcome = run_cells(
        tasks,
        Path(folder),
        worker="stand_ins:work",
        jobs=int(jobs),
        preload=("stand_ins",),
        time_limit=float(limit[0]) if limit else None,
    )
    print(json.dumps(asdict(outcome)))


if __name__ == "__main__":
    main()
