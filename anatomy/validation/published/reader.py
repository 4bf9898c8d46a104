"""The publishers' files -> rows. Each row is laid over its file's `common`, its recipe over `common.recipe`."""

import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from anatomy.training.recipe import Recipe
from anatomy.validation.published.row import Figure, Row


@cache
def rows() -> tuple[Row, ...]:
    """Every published run, publisher by publisher."""
    names = sorted(f.name for f in files(__package__).iterdir() if f.name.endswith(".toml"))
    return tuple(row for name in names for row in _publisher(_read(name)))


def _publisher(data: Mapping[str, Any]) -> Iterator[Row]:
    common = dict(data["common"])
    shared = common.pop("recipe", {})
    models = data.get("models", {})
    for own in data["row"]:
        values = common | own
        measured = tuple(_figure(metric, value) for metric, value in values.pop("measured", {}).items())
        recipe = values.pop("recipe", None)
        yield Row(
            **values,
            measured=measured,
            recipe=None if recipe is None else _recipe(values, shared | recipe),
            config=models.get(values["model"]),
        )


def _recipe(row: Mapping[str, Any], settings: Mapping[str, Any]) -> Recipe:
    """The recipe's settings; what the row says as well need not be said twice."""
    said = {name: row[name] for name in ("method", "batch_size", "seq_len") if name in row}
    adapters = {} if row["method"] == "full" else {k: v for k, v in settings.items() if k in _ADAPTERS}
    others = {k: v for k, v in settings.items() if k not in _ADAPTERS}
    return Recipe.from_dict({**said, **others, **adapters})


_ADAPTERS = ("r", "dropout", "target_modules")


def _figure(metric: str, value: int | str) -> Figure:
    """A whole number of bytes, or a number with its unit: '15116 MiB'."""
    if isinstance(value, int):
        return Figure(metric=metric, value=value, unit="B")
    number, _, unit = value.partition(" ")
    return Figure(metric=metric, value=float(number), unit=unit)


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads((files(__package__) / name).read_text(encoding="utf-8"))
