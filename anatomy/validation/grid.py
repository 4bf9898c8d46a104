"""A grid: TOML text -> cells. Everything that can be wrong with it is said when it is read.

    title = "..."                # one line
    device = "cuda"              # what it is meant for: "cuda" or "cpu"

    [profile]                    # how a cell is measured: steps, warmup, passes
    steps = 3

    [defaults]                   # settings of the recipe for every cell
    seq_len = 1024

    [models.tiny]                # a model under a short name: `reference = "org/name"`, or its whole config
    config = { model_type = "llama", hidden_size = 64 }
    family = "llama"             # else the short name
    set = { num_hidden_layers = 2 }
    target_modules = ["q_proj"]  # settings that hold for this model where the method knows them

    [[cells]]                    # one run, or with `sweep` the product of its lists
    name = "{model}-{method}-b{batch_size}"
    model = "tiny"               # a short name from above, else a catalog id or a folder
    method = "lora"
    hold_out = ["tiny-lora-b4"]  # true, false, or names of this entry's cells
    sweep = { batch_size = [1, 2, 4] }

A cell's own settings go over its model's, and these over the defaults.
"""

import itertools
import re
import tomllib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from difflib import get_close_matches
from importlib.resources import files
from typing import Any

from anatomy.errors import AnatomyError, RecipeError, SourceError
from anatomy.planning.settings import make_recipe
from anatomy.training.recipe import Recipe
from anatomy.validation.cell import Cell

SHIPPED = ("cpu", "gpu-24gb", "gpu-140gb")
"""The grids that come with the package."""
_SETTINGS = tuple(f.name for f in fields(Recipe))
_GRID_KEYS = ("title", "device", "profile", "defaults", "models", "cells")
_MODEL_KEYS = ("reference", "config", "family", "set")
_CELL_KINDS: Mapping[str, tuple[tuple[type, ...], str]] = {
    "name": ((str,), 'a text: name = "..."'),
    "model": ((str,), 'a text: model = "..."'),
    "family": ((str,), 'a text: family = "..."'),
    "set": ((dict,), "a table: set = { num_hidden_layers = 4 }"),
    "hold_out": ((bool, list), "true, false, or names of cells: hold_out = true"),
    "quick": ((bool,), "true or false"),
    "sweep": ((dict,), "a table of lists: sweep = { batch_size = [1, 2] }"),
}
_PROFILE: Mapping[str, type] = {"steps": int, "warmup": int, "passes": list}
PASSES = ("counters", "events", "timing", "kernels", "recorded")
"""Passes that a cell may ask for; those of `anatomy.profiling.measure`."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_PLACE = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Grid:
    """Models times recipes."""

    name: str
    """What it is called: the shipped grid's name, or the file's."""
    title: str
    device: str
    """'cuda' or 'cpu': what it is meant for."""
    cells: tuple[Cell, ...]

    def only(self, names: tuple[str, ...]) -> "Grid":
        """The grid with the named cells alone, all of them for no name. Raises SourceError for an unknown name."""
        known = {cell.name: cell for cell in self.cells}
        for name in names:
            if name not in known:
                raise SourceError(f"{name!r} is not a cell of this grid.", hint=_meant(name, known))
        picked = tuple(known[name] for name in dict.fromkeys(names))
        return replace(self, cells=picked or self.cells)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Model:
    """A short name's model."""

    reference: str
    config: Mapping[str, Any] | None = None
    family: str = ""
    overrides: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)


def shipped(name: str) -> Grid:
    """A grid that comes with the package: one of `SHIPPED`."""
    return read_grid(shipped_text(name), name)


def shipped_text(name: str) -> str:
    """The TOML of a grid that comes with the package. Raises SourceError for another name."""
    if name not in SHIPPED:
        raise SourceError(f"{name!r} is not a shipped grid.", hint=f"there are {', '.join(SHIPPED)}")
    return (files("anatomy.validation") / "grids" / f"{name}.toml").read_text(encoding="utf-8")


def read_grid(text: str, source: str = "the grid") -> Grid:
    """The grid that a TOML text describes; `source` names it in errors.

    Raises SourceError, with a sentence that says which entry is wrong and how.
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SourceError(f"{source} is not TOML: {error}.", hint="the shipped grids are examples") from error
    _check_keys(data, _GRID_KEYS, source)
    if data.get("device", "cuda") not in ("cuda", "cpu"):
        raise SourceError(
            f"{source} has the device {data['device']!r}.", hint='write device = "cuda" or "cpu"'
        )
    for name in ("profile", "defaults", "models"):
        if not isinstance(data.get(name, {}), Mapping):
            raise SourceError(
                f"{source}: {name} is no table.", hint=f"write [{name}] with a line for each setting"
            )
    reader = _Reader(source, data)
    cells = tuple(cell for entry in _entries(data, source) for cell in reader.cells(entry))
    _check_unique(cells, source)
    name = source.removesuffix(".toml")
    return Grid(name=name, title=data.get("title", name), device=data.get("device", "cuda"), cells=cells)


class _Reader:
    """What the entries of one grid share."""

    def __init__(self, source: str, data: Mapping[str, Any]) -> None:
        self.source = source
        _check_profile(data.get("profile", {}), source)
        self.profile = {"device": data.get("device", "cuda"), **data.get("profile", {})}
        self.defaults = data.get("defaults", {})
        _check_keys(self.defaults, _SETTINGS, f"[defaults] of {source}")
        self.models = {name: _model(name, entry, source) for name, entry in data.get("models", {}).items()}

    def cells(self, entry: Mapping[str, Any]) -> list[Cell]:
        """The cells of one entry: one, or one for each point of its sweep."""
        where = f"{self.source}, cell {entry.get('name', 'without a name')!r}"
        _check_keys(entry, (*_CELL_KINDS, *_SETTINGS), where)
        _check_kinds(entry, where)
        sweep = entry.get("sweep", {})
        _check_sweep(sweep, entry, where)
        points = (dict(zip(sweep, values, strict=True)) for values in itertools.product(*sweep.values()))
        found = [self._cell({**entry, **point}, where) for point in points]
        names, held = [cell.name for cell in found], entry.get("hold_out", False)
        for name in held if isinstance(held, list) else ():
            if name not in names:
                raise SourceError(
                    f"{where}: hold_out names {name!r}, which is not here.", hint=_meant(name, names)
                )
        return found

    def _cell(self, entry: Mapping[str, Any], where: str) -> Cell:
        for key in ("name", "model"):
            if key not in entry:
                raise SourceError(f"{where} has no {key}.", hint=f'write {key} = "..."')
        name, model = _filled(entry, where), self._model(entry["model"])
        given = {key: _value(value) for key, value in entry.items() if key in _SETTINGS}
        base = {key: _value(value) for key, value in (*self.defaults.items(), *model.settings.items())}
        held = entry.get("hold_out", False)
        return Cell(
            name=name,
            model=model.reference,
            config=model.config,
            overrides={**model.overrides, **entry.get("set", {})},
            family=entry.get("family", model.family),
            recipe=_recipe(base, given, f"{self.source}, cell {name!r}"),
            chosen=tuple(sorted({*base, *given})),
            hold_out=name in held if isinstance(held, list) else held,
            quick=entry.get("quick", False),
            profile=self.profile,
        )

    def _model(self, name: str) -> _Model:
        return self.models.get(name) or _Model(reference=name, family=name.rpartition("/")[2])


def _recipe(base: Mapping[str, Any], given: Mapping[str, Any], where: str) -> Recipe:
    try:
        return make_recipe(given, Recipe.from_dict({**base, **given}))
    except (AnatomyError, TypeError) as error:
        message = error.message if isinstance(error, AnatomyError) else f"{error}."
        hint = error.hint if isinstance(error, AnatomyError) else "see `anatomy plan --print-recipe`"
        raise RecipeError(f"{where}: {message}", hint=hint) from error


def _model(name: str, entry: Mapping[str, Any], source: str) -> _Model:
    where = f"{source}, model {name!r}"
    _check_keys(entry, (*_MODEL_KEYS, *_SETTINGS), where)
    if ("config" in entry) == ("reference" in entry):
        raise SourceError(
            f"{where} needs either a reference or a config.",
            hint='write reference = "org/name", or config = { model_type = "llama", ... }',
        )
    if not isinstance(entry.get("config", {}), Mapping):
        raise SourceError(
            f"{where}: config is {entry['config']!r}, and it holds the facts themselves.",
            hint='a file or folder is a reference: reference = "./my-model"',
        )
    return _Model(
        reference=entry.get("reference", name),
        config=entry.get("config"),
        family=entry.get("family", name),
        overrides=entry.get("set", {}),
        settings={key: value for key, value in entry.items() if key in _SETTINGS},
    )


def _entries(data: Mapping[str, Any], source: str) -> list[Mapping[str, Any]]:
    entries = data.get("cells", [])
    if not isinstance(entries, list) or not entries or not all(isinstance(e, Mapping) for e in entries):
        raise SourceError(f"{source} has no cells.", hint="write [[cells]] with a name and a model")
    return entries


def _filled(entry: Mapping[str, Any], where: str) -> str:
    """The name with its places filled: '{model}-b{batch_size}' -> 'tiny-b4'."""
    missing = [
        place
        for place in _PLACE.findall(entry["name"])
        if not isinstance(entry.get(place), str | int | float)
    ]
    if missing:
        raise SourceError(
            f"{where}: the name has a place for {missing[0]!r}, which the cell does not set.",
            hint="places are the cell's own settings, and those of its sweep",
        )
    name = _PLACE.sub(lambda place: str(entry[place[1]]).rpartition("/")[2], entry["name"])
    if not _NAME.fullmatch(name):
        raise SourceError(
            f"{where}: {name!r} cannot name a file.",
            hint="use letters, digits, '.', '_' and '-', a letter or digit first",
        )
    return name


def _value(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _check_keys(entry: Any, known: tuple[str, ...], where: str) -> None:
    if not isinstance(entry, Mapping):
        raise SourceError(f"{where} is not a table.", hint="the shipped grids are examples")
    for key in entry:
        if key not in known:
            raise SourceError(f"{where} has {key!r}, which means nothing there.", hint=_meant(key, known))


def _check_kinds(entry: Mapping[str, Any], where: str) -> None:
    for key, (kinds, meant) in _CELL_KINDS.items():
        if key in entry and not isinstance(entry[key], kinds):
            raise SourceError(f"{where}: {key} is {entry[key]!r}.", hint=f"write {meant}")


def _check_sweep(sweep: Any, entry: Mapping[str, Any], where: str) -> None:
    _check_keys(sweep, ("model", *_SETTINGS), f"{where}, sweep")
    for key, values in sweep.items():
        if not isinstance(values, list) or not values:
            raise SourceError(f"{where}: sweep's {key} is not a list.", hint=f"write {key} = [first, second]")
        if key in entry:
            raise SourceError(f"{where}: {key} is set, and swept as well.", hint="keep one of the two")


def _check_profile(profile: Any, source: str) -> None:
    where = f"[profile] of {source}"
    _check_keys(profile, tuple(_PROFILE), where)
    for key, value in profile.items():
        if not isinstance(value, _PROFILE[key]):
            raise SourceError(f"{where}: {key} is {value!r}.", hint='write steps = 3, or passes = ["events"]')
    for name in profile.get("passes", ()):
        if name not in PASSES:
            raise SourceError(f"{where}: there is no pass {name!r}.", hint=_meant(name, PASSES))


def _check_unique(cells: tuple[Cell, ...], source: str) -> None:
    # Without regard to case: the names are files, and some file systems have none.
    (name, count), *_ = Counter(cell.name.lower() for cell in cells).most_common(1)
    if count > 1:
        raise SourceError(
            f"{source} has {count} cells named {name!r}.",
            hint="put what differs into the name: '{method}-b{batch_size}'",
        )


def _meant(name: str, known: Any) -> str:
    close = get_close_matches(str(name), list(known), n=3)
    return f"did you mean {' or '.join(close)}?" if close else f"there are: {', '.join(known)}"
