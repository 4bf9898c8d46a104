"""Saved runs as they are found, read one after the other."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from anatomy.api import saved_runs
from anatomy.tui.backstage.requests import Failed
from anatomy.tui.runs.saved import SavedRun, UnreadRun


class FoundRuns:
    """Those that were named, and those in the current folder."""

    def __init__(self, named: Sequence[Path]) -> None:
        self._named = [str(path) for path in named]
        self._runs: dict[str, SavedRun | UnreadRun | None] = {}

    def name(self, path: Path) -> None:
        """Look for this one too."""
        self._named.append(str(path))

    def look(self) -> Iterator[str]:
        """Files that were not there before, to be read."""
        for path in (*self._named, *map(str, saved_runs(Path()))):
            if path not in self._runs:
                self._runs[path] = None
                yield path

    def learn(self, path: str, value: SavedRun | Failed) -> None:
        """A file is read, or cannot be."""
        if isinstance(value, Failed):
            self._runs[path] = UnreadRun(path=path, message=value.message, hint=value.hint or "")
        else:
            self._runs[path] = value

    def get(self, path: str) -> SavedRun | None:
        """A run that is read."""
        run = self._runs.get(path)
        return run if isinstance(run, SavedRun) else None

    @property
    def read(self) -> list[SavedRun | UnreadRun]:
        """What is to be shown."""
        return [run for run in self._runs.values() if run is not None]

    @property
    def unread(self) -> list[str]:
        """Files that are still being read."""
        return [path for path, run in self._runs.items() if run is None]
