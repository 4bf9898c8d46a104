"""A picture of a model: where its parameters are."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from anatomy.units import format_count


@dataclass(frozen=True, kw_only=True, slots=True)
class Tile:
    """A module, or identical ones taken together, with what is inside."""

    label: str
    """Own name within what contains it: 'self_attn', 'layers.0-31'."""
    path: str
    """Dotted path from the model, of the first one; '' for the model itself."""
    kind: str
    """Class name; '' where it is not known, or for a single parameter."""
    component: str
    """The component of what it holds, e.g. 'attention.query'; '' for a container of several."""
    parameters: int
    """Elements in all that it stands for, in every repetition of what contains it."""
    times: int = 1
    """How many alike within what contains it are drawn as this one."""
    children: tuple["Tile", ...] = ()
    """They add up to `parameters`; none for a leaf."""

    def walk(self) -> Iterator["Tile"]:
        """This one and all inside, the outer ones first."""
        yield self
        for child in self.children:
            yield from child.walk()

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "label": self.label,
            "path": self.path,
            "kind": self.kind,
            "component": self.component,
            "parameters": self.parameters,
            "times": self.times,
            "children": [child.to_dict() for child in self.children],
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Treemap:
    """Where a model's parameters are, module by module; repeated layers are taken together."""

    title: str
    root: Tile
    by_component: tuple[tuple[str, int], ...]
    """(component, parameters) in the order of tables; adds up to the root's."""

    @property
    def total(self) -> int:
        """Parameters, tied ones once."""
        return self.root.parameters

    @property
    def words(self) -> str:
        """The picture in a sentence."""
        name, most = max(self.by_component, key=lambda part: part[1], default=("", 0))
        share = f"; the largest part, {100 * most / self.total:.0f} %, is {name}" if self.total else ""
        return f"{format_count(self.total)} parameters by module{share}."

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "title": self.title,
            "parameters": self.total,
            "by_component": dict(self.by_component),
            "tree": self.root.to_dict(),
        }
