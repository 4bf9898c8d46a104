"""A description of each model type: its default config, or the least that must be set for it to be valid."""

import tomllib
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.resources import files
from typing import Any

from anatomy.blueprint import Blueprint, Origin
from anatomy.coverage.pairs import Pair
from anatomy.coverage.shallow import shallow
from anatomy.source.overrides import apply_overrides


@dataclass(frozen=True, kw_only=True, slots=True)
class Correction:
    """What a model type's default config needs to be one that can be built and run."""

    config: Mapping[str, Any] = field(default_factory=dict)
    """Fact -> value; dots reach nested configs."""
    parts: Mapping[str, str] = field(default_factory=dict)
    """A part's key in the config -> the model type whose default config it gets."""
    tasks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Task -> further facts."""
    reason: str = ""
    """What fails without it."""


@cache
def corrections() -> Mapping[str, Correction]:
    """By model type: the table in `valid.toml`."""
    table = tomllib.loads(files(__package__).joinpath("valid.toml").read_text(encoding="utf-8"))
    return {model_type: Correction(**row) for model_type, row in table.items()}


def describe(pair: Pair, layers: int | None = None) -> Blueprint:
    """The pair's model as a blueprint: transformers' default config of the type, corrected where it has to be.

    `layers`: at most so many in every part; None for as many as there are.
    """
    from transformers import CONFIG_MAPPING

    correction = corrections().get(pair.model_type, Correction())
    parts = {key: CONFIG_MAPPING[kind]().to_dict() for key, kind in correction.parts.items()}
    cls = CONFIG_MAPPING[pair.model_type]
    raw = deepcopy(parts) if parts else cls().to_dict()
    raw |= {"model_type": cls.model_type, "architectures": [pair.class_name]}
    facts = {**correction.config, **correction.tasks.get(pair.task, {})}
    origin = Origin(kind="catalog", location=f"transformers' default {pair.model_type}")
    blueprint = apply_overrides(Blueprint(id=pair.model_type, origin=origin, config=raw), facts)
    config = blueprint.config or {}
    # The overrides are nobody's wish: they are not to be checked as one.
    return replace(blueprint, overrides={}, config=config if layers is None else shallow(config, layers))
