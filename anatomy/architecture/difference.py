"""Two models side by side: what differs in facts, settings, components and shapes."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from anatomy.architecture.anatomy import Anatomy
from anatomy.architecture.components import COMPONENTS
from anatomy.architecture.listing import Entry, entries_of
from anatomy.blueprint import Blueprint
from anatomy.result import Result

SCHEMA_VERSION = 1
"""Of `show --diff --json`. Keys may be added without changing it."""

Held = tuple[int, tuple[int, ...], str]
"""(how many, shape, dtype)"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """One thing that differs; None on the side that lacks it."""

    name: str
    left: Any
    right: Any


@dataclass(frozen=True, kw_only=True, slots=True)
class TensorChange:
    """Tensors of one name, layers' numbers aside, that differ in number, shape or dtype."""

    path: str
    """With '*' for the numbers of layers and experts."""
    left: tuple[Held, ...]
    right: tuple[Held, ...]

    @property
    def parameters(self) -> int:
        """Numbers on the right less those on the left."""
        return _elements(self.right) - _elements(self.left)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        sides = {
            side: [{"count": count, "shape": list(shape), "dtype": dtype} for count, shape, dtype in held]
            for side, held in (("left", self.left), ("right", self.right))
        }
        return {"path": self.path, **sides, "parameters": self.parameters}


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference(Result):
    """Two models, and all that differs."""

    left: Anatomy
    """The model that stands first."""
    right: Anatomy
    """The other one."""
    facts: tuple[Change, ...]
    """Facts that are not the same."""
    config: tuple[Change, ...]
    """Keys of config.json, nested ones dotted."""
    components: tuple[Change, ...]
    """Component -> parameters: every one that either model has, whether it differs or not."""
    tensors: tuple[TensorChange, ...]
    """Tensors that are not the same in both, or that only one has."""

    def __repr__(self) -> str:
        found = {"facts": self.facts, "config": self.config, "tensors": self.tensors}
        said = ", ".join(f"{len(changes)} {name}" for name, changes in found.items())
        return f"<Difference of {self.left.id!r} and {self.right.id!r}: {said} differ>"

    @property
    def is_none(self) -> bool:
        """Whether nothing differs that a description shows. Numbers in the weights are never looked at."""
        moved = any(change.left != change.right for change in self.components)
        return not (self.facts or self.config or self.tensors or moved)

    @property
    def notes(self) -> tuple[str, ...]:
        """What the reader should know about how either was counted."""
        return tuple(f"{side.id}: {note}" for side in (self.left, self.right) for note in side.notes)

    def to_dict(self) -> dict[str, Any]:
        """The content of `show --diff --json`."""
        return {
            "schema_version": SCHEMA_VERSION,
            "left": {"id": self.left.id, "origin": self.left.origin, "parameters": self.left.total},
            "right": {"id": self.right.id, "origin": self.right.origin, "parameters": self.right.total},
            **{
                name: [{"name": c.name, "left": c.left, "right": c.right} for c in getattr(self, name)]
                for name in ("facts", "config", "components")
            },
            "tensors": [change.to_dict() for change in self.tensors],
            "notes": list(self.notes),
        }


def difference(left: tuple[Anatomy, Blueprint], right: tuple[Anatomy, Blueprint]) -> Difference:
    """What differs between two models, each with its description."""
    (one, plan), (other, changed) = left, right
    both_stored = bool(plan.tensors) and bool(changed.tensors)
    tensors = [
        entries_of(anatomy, blueprint.tensors if both_stored else None)
        for anatomy, blueprint in (left, right)
    ]
    return Difference(
        left=one,
        right=other,
        facts=_changes(_facts(one), _facts(other)),
        config=_changes(_flat(plan.config or {}), _flat(changed.config or {})),
        components=tuple(
            Change(name=name, left=one.by_component.get(name, 0), right=other.by_component.get(name, 0))
            for name in COMPONENTS
            if name in one.by_component or name in other.by_component
        ),
        tensors=_tensor_changes(*tensors),
    )


def _facts(anatomy: Anatomy) -> dict[str, Any]:
    kinds = Counter(anatomy.facts.layer_kinds)
    by_layer = ("layer_kinds", "varying")
    facts = {name: value for name, value in anatomy.facts.to_dict().items() if name not in by_layer}
    return {
        "model_type": anatomy.model_type,
        "architecture": anatomy.architecture,
        **facts,
        **{f"{kind} layers": count for kind, count in kinds.items()},
        **{
            f"{name} = {value}, layers": count
            for name, values in anatomy.facts.varying.items()
            for value, count in Counter(values).items()
        },
    }


def _flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested configs with dotted keys."""
    found: dict[str, Any] = {}
    for key, value in config.items():
        found |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return found


def _changes(left: Mapping[str, Any], right: Mapping[str, Any]) -> tuple[Change, ...]:
    return tuple(
        Change(name=name, left=left.get(name), right=right.get(name))
        for name in dict.fromkeys((*left, *right))
        if left.get(name) != right.get(name)
    )


def _tensor_changes(left: Iterable[Entry], right: Iterable[Entry]) -> tuple[TensorChange, ...]:
    one, other = _grouped(left), _grouped(right)
    return tuple(
        TensorChange(path=path, left=_held(one.get(path)), right=_held(other.get(path)))
        for path in dict.fromkeys((*one, *other))
        if one.get(path) != other.get(path)
    )


def _grouped(entries: Iterable[Entry]) -> dict[str, Counter[tuple[tuple[int, ...], str]]]:
    """Path without numbers -> how many of each shape and dtype."""
    found: dict[str, Counter[tuple[tuple[int, ...], str]]] = {}
    for entry in entries:
        path = re.sub(r"(?<![^.])\d+(?=\.)", "*", entry.path)
        found.setdefault(path, Counter())[(entry.shape or (), entry.dtype)] += 1
    return found


def _held(counts: Counter[tuple[tuple[int, ...], str]] | None) -> tuple[Held, ...]:
    return tuple((count, shape, dtype) for (shape, dtype), count in sorted((counts or Counter()).items()))


def _elements(held: Iterable[Held]) -> int:
    return sum(count * math.prod(shape) for count, shape, _ in held)
