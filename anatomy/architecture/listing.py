"""A model's tensors and modules as a flat list: those that a pattern matches, in the order that was asked."""

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Any, Literal

from anatomy.architecture.anatomy import Anatomy
from anatomy.architecture.places import Places, natural
from anatomy.blueprint import TensorHeader
from anatomy.dtypes import BY_NAME
from anatomy.errors import ArchitectureError

Order = Literal["bytes", "parameters", "name"]
ORDERS: tuple[Order, ...] = ("bytes", "parameters", "name")


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One tensor, or one module with all inside it."""

    path: str
    kind: str
    """Class of a module; '' where no class was built, and of a tensor."""
    component: str
    """What it is of the model; '' where that is not known or it is several things."""
    parameters: int
    """Its numbers, as the checkpoint stores them where its headers are known."""
    size: int | None
    """Bytes: as stored where headers are known, else in the config's dtype; None where that names none."""
    shape: tuple[int, ...] | None = None
    """Of a tensor; None of a module."""
    dtype: str = ""
    """Of a tensor: the stored one, else the config's."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "path": self.path,
            "module": self.shape is None,
            "kind": self.kind,
            "component": self.component,
            "shape": None if self.shape is None else list(self.shape),
            "dtype": self.dtype,
            "parameters": self.parameters,
            "bytes": self.size,
        }


def entries_of(
    anatomy: Anatomy,
    tensors: Iterable[TensorHeader] | None,
    *,
    pattern: str | None = None,
    order: Order | None = None,
) -> tuple[Entry, ...]:
    """The tensors that a checkpoint stores, or without its headers the model's parameters; with a pattern those that it
    matches (a shell's: `*` stands for anything, dots too), and the modules that it matches but those that are one matched tensor.

    `order`: the largest first, or by name; None for the model's own, which also decides among what is as large: a module
    before what is in it, layers by their numbers. Raises ArchitectureError where nothing matches.
    """
    own = tuple(_parameters(anatomy))
    leaves = tuple(_stored(tensors, own)) if tensors else own
    found = list(leaves)
    if pattern is not None:
        modules = _modules(anatomy, leaves)
        tensors_found = [entry for entry in leaves if fnmatchcase(entry.path, pattern)]
        alone = {entry.path.rpartition(".")[0]: entry.parameters for entry in tensors_found}
        found = [
            entry
            for entry in modules
            if fnmatchcase(entry.path, pattern) and alone.get(entry.path) != entry.parameters
        ] + tensors_found
        if not found:
            raise _nothing(pattern, [entry.path for entry in (*modules, *leaves)])
    places = Places(anatomy.tree)
    in_order = sorted(found, key=lambda entry: places.of(entry.path))
    return tuple(sorted(in_order, key=_KEYS[order]) if order else in_order)


_KEYS: Mapping[str, Callable[[Entry], Any]] = {
    "bytes": lambda entry: (-(entry.size or 0), -entry.parameters),
    "parameters": lambda entry: -entry.parameters,
    "name": lambda entry: natural(entry.path),
}


def _parameters(anatomy: Anatomy) -> Iterable[Entry]:
    dtype = BY_NAME.get(anatomy.dtype or "")
    for node in anatomy.tree.walk():
        for own in node.own:
            count = math.prod(own.shape)
            yield Entry(
                path=f"{node.path}.{own.name}".lstrip("."),
                kind="",
                component=", ".join(dict.fromkeys(name for name, _ in own.parts)),
                parameters=count,
                size=dtype.bytes_for(count) if dtype else None,
                shape=own.shape,
                dtype=dtype.name if dtype else "",
            )


def _stored(tensors: Iterable[TensorHeader], own: Iterable[Entry]) -> Iterable[Entry]:
    """What is stored, with the component of the parameter of the same name, a base model's prefix aside."""
    components = {entry.path: entry.component for entry in own}
    components |= {entry.path.partition(".")[2]: entry.component for entry in own}
    for tensor in tensors:
        yield Entry(
            path=tensor.name,
            kind="",
            component=components.get(tensor.name, ""),
            parameters=tensor.elements,
            size=tensor.stored_bytes,
            shape=tensor.shape,
            dtype=tensor.dtype,
        )


def _modules(anatomy: Anatomy, leaves: Iterable[Entry]) -> tuple[Entry, ...]:
    """Every module that the tensors' paths imply, with sums of what is inside."""
    nodes = {node.path: node for node in anatomy.tree.walk()}
    inside: dict[str, list[Entry]] = {}
    for leaf in leaves:
        owner = leaf.path.rpartition(".")[0]
        while owner:
            inside.setdefault(owner, []).append(leaf)
            owner = owner.rpartition(".")[0]
    return tuple(
        Entry(
            path=path,
            kind=nodes[path].kind if path in nodes else "",
            component=nodes[path].component if path in nodes else "",
            parameters=sum(leaf.parameters for leaf in held),
            size=None if any(leaf.size is None for leaf in held) else sum(leaf.size or 0 for leaf in held),
        )
        for path, held in inside.items()
    )


def _nothing(pattern: str, paths: list[str]) -> ArchitectureError:
    known = {segment for path in paths for segment in path.split(".")}
    unknown = [segment for segment in re.split(r"[.*?]+", pattern) if segment not in known]
    close = [match for segment in unknown for match in get_close_matches(segment, known, 2)]
    hint = f"did you mean {' or '.join(close)}?" if close else "`anatomy show` lists the modules"
    return ArchitectureError(
        f"No module or tensor is called {pattern!r}.", hint=f"{hint} (* stands for anything, dots too)"
    )


def covered(entries: Iterable[Entry]) -> int:
    """Numbers in all entries, those of a tensor once, whatever modules it is listed with."""
    found = tuple(entries)
    modules = {entry.path for entry in found if entry.shape is None}
    return sum(entry.parameters for entry in found if not _above(entry.path) & modules)


def _above(path: str) -> set[str]:
    """The paths of all modules around one."""
    segments = path.split(".")
    return {".".join(segments[:end]) for end in range(1, len(segments))}
