"""models.toml -> what is planned of each model."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

COMPARED = "compared"
"""The key of a comparison, among the names of runs."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Exhibit:
    """One model, and the runs of it that are reported on."""

    model: str
    """Its id in the catalog."""
    runs: Mapping[str, Mapping[str, Any]]
    """Name of a run, and of its file -> settings of the recipe that are chosen, by name."""
    compared: Mapping[str, tuple[str, ...]] | None
    """Axes of a comparison, by the names that `anatomy.api.compare` has for them; None for no comparison."""

    @property
    def folder(self) -> str:
        """Of its reports: the id without its owner, in small letters."""
        return self.model.rpartition("/")[2].lower()


@cache
def exhibits() -> tuple[Exhibit, ...]:
    """Every model of the table, in its order."""
    table = tomllib.loads((files(__package__) / "models.toml").read_text(encoding="utf-8"))
    return tuple(
        Exhibit(
            model=model,
            runs={name: settings for name, settings in runs.items() if name != COMPARED},
            compared=None
            if COMPARED not in runs
            else {axis: tuple(values) for axis, values in runs[COMPARED].items()},
        )
        for model, runs in table.items()
    )
