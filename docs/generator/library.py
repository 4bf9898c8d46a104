"""docs/reference/library.md: the library's names with their docstrings, signatures and fields."""

import dataclasses
import inspect
from collections.abc import Iterator
from typing import Any

import anatomy
from anatomy import errors
from anatomy.architecture.anatomy import Anatomy
from anatomy.blueprint import Blueprint
from anatomy.memory.footprint import Footprint
from anatomy.planning.compare import Comparison
from anatomy.planning.fit import Fit
from anatomy.planning.plan import Plan
from anatomy.training.recipe import Recipe
from generator.markdown import NOTICE, anchor, code, joined, plain, prose, table
from generator.source_text import fields_of, is_property, public_members, signature_of

VALUES: tuple[type, ...] = (Anatomy, Blueprint, Plan, Footprint, Fit, Comparison, Recipe)
"""What the verbs give and take."""
ERRORS: tuple[type, ...] = (
    errors.AnatomyError,
    errors.SourceError,
    errors.ArchitectureError,
    errors.RecipeError,
    errors.RehearsalError,
)


def page() -> str:
    """The whole page."""
    verbs = {
        name: found for name in _names() if callable(found := _get(name)) and not isinstance(found, type)
    }
    kinds = dict.fromkeys((*(found for name in _names() if isinstance(found := _get(name), type)), *VALUES))
    kinds = {kind.__name__: kind for kind in kinds if kind not in ERRORS}
    return joined(
        NOTICE,
        "# The library",
        "`import anatomy` imports neither torch nor transformers; a verb imports what it needs once it is asked for. Keyword "
        "arguments are named as the flags of the [command line](commands.md); settings of a [recipe](recipe.md) are keyword "
        "arguments too. Sizes are integers of bytes (`_bytes`), counts are integers of parameters or tokens.",
        f"Functions: {_links(verbs)}.",
        f"Values: {_links(kinds)}.",
        "Errors: " + _links({kind.__name__: kind for kind in ERRORS}) + ".",
        "## Functions",
        *(_function(name, found) for name, found in verbs.items()),
        "## Values",
        *(part for kind in kinds.values() for part in _kind(kind)),
        "## Errors",
        *(part for kind in ERRORS for part in _kind(kind)),
    )


def _names() -> list[str]:
    return [name for name in anatomy.__all__ if not name.startswith("_")]


def _get(name: str) -> Any:
    return getattr(anatomy, name)


def _links(found: dict[str, Any]) -> str:
    return ", ".join(f"[`{name}`](#{anchor(name)})" for name in found)


def _function(name: str, function: Any) -> str:
    return joined(
        f"### {name}",
        f"```python\n{signature_of(function)}\n```",
        plain(prose(inspect.getdoc(function) or "")),
    )


def _kind(kind: type) -> Iterator[str]:
    yield f"### {kind.__name__}"
    yield plain(prose(inspect.getdoc(kind) or ""))
    if dataclasses.is_dataclass(kind):
        rows = (
            (code(f.name), code(f.annotation), code(_default(kind, f.default, f.name)), plain(f.text))
            for f in fields_of(kind)
        )
        yield table(("field", "type", "default", "meaning"), rows)
    members = public_members(kind)
    if members:
        yield table(("member", "meaning"), (_member(kind, name) for name in members))


def _default(kind: type, written: str, name: str) -> str:
    """A default as its source has it; what a call to `field` gives, where that is written."""
    if not written.startswith("field("):
        return written
    found = next(field for field in dataclasses.fields(kind) if field.name == name)
    if found.default_factory is not dataclasses.MISSING:
        return repr(found.default_factory())
    return "" if found.default is dataclasses.MISSING else repr(found.default)


def _member(kind: type, name: str) -> tuple[str, str]:
    found = inspect.getattr_static(kind, name)
    function = found.fget if isinstance(found, property) else getattr(found, "__func__", found)
    said = plain(prose(inspect.getdoc(function) or ""))
    if is_property(kind, name):
        returns = signature_of(function).partition(" -> ")[2]
        return code(f"{name}: {returns}"), said
    return code(" ".join(signature_of(function).split())), said
