"""docs/reference/library.md: the library's names with their docstrings, signatures and fields."""

import dataclasses
import inspect
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import anatomy
from anatomy import errors
from anatomy.api import configured, description, lengths
from anatomy.blueprint import Blueprint
from anatomy.hardware.catalog import Gpu
from anatomy.memory.footprint import Footprint, Instant
from anatomy.planning.compare import Row
from anatomy.planning.fit import Fit
from anatomy.profiling.measurement import Measurement
from anatomy.profiling.record import Prediction
from anatomy.result import Result
from generator.markdown import NOTICE, anchor, code, joined, plain, prose, table
from generator.source_text import alias_of, fields_of, is_property, public_members, signature_of

PARTS: tuple[type, ...] = (Blueprint, Footprint, Instant, Fit, Gpu, Row, Measurement, Prediction)
"""What the stable values are made of, as far as people ask for it."""
ALIASES = ((description, "Reference"), (configured, "Config"), (lengths, "Given"), (description, "Progress"))
"""Names of types in signatures, and the modules that say what they stand for."""
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
    kinds = values()
    return joined(
        NOTICE,
        "# The library",
        plain(prose((anatomy.__doc__ or "").partition("\n\n")[0])),
        EXAMPLE,
        "Keyword arguments are named as the flags of the [command line](commands.md); settings of a [recipe](recipe.md) are "
        "keyword arguments too. Sizes are integers of bytes (`_bytes`), counts are integers of parameters or tokens. "
        "`import anatomy` imports neither torch nor transformers; each verb imports what it needs.",
        f"Functions: {_links(verbs)}.",
        f"Values: {_links({kind.__name__: kind for kind in kinds})}.",
        f"Errors: {_links({kind.__name__: kind for kind in ERRORS})}.",
        "## Functions",
        "Words of the signatures:",
        table(("type", "stands for", "meaning"), (_alias(*alias) for alias in ALIASES)),
        *(_function(name, found) for name, found in verbs.items()),
        "## Results",
        plain(prose(inspect.getdoc(Result) or "")),
        _members(Result),
        "## Values",
        *(part for kind in kinds for part in _kind(kind)),
        "## Errors",
        *(part for kind in ERRORS for part in _kind(kind)),
    )


EXAMPLE = """```python
import anatomy

plan = anatomy.plan("HuggingFaceTB/SmolLM2-135M", method="qlora", r=64)
plan.smallest_fit, plan.device_bytes, plan.to_dict(), plan.to_frame(), plan.to_markdown()
```"""


def values() -> tuple[type, ...]:
    """The classes of the page, errors aside: the stable ones, and what these are made of."""
    stable = [found for name in _names() if isinstance(found := _get(name), type)]
    return tuple(kind for kind in dict.fromkeys((*stable, *PARTS)) if kind not in ERRORS)


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


def _alias(module: ModuleType, name: str) -> tuple[str, str, str]:
    found = alias_of(module, name)
    return code(found.name), code(found.annotation), plain(prose(found.text))


def _kind(kind: type) -> Iterator[str]:
    yield f"### {kind.__name__}"
    said = inspect.getdoc(kind) or ""
    yield plain(prose(said)) + (" A [result](#results)." if issubclass(kind, Result) else "")
    if dataclasses.is_dataclass(kind):
        rows = (
            (code(f.name), code(f.annotation), code(_default(kind, f.default, f.name)), plain(f.text))
            for f in fields_of(kind)
        )
        yield table(("field", "type", "default", "meaning"), rows)
    yield _members(kind)


def _members(kind: type) -> str:
    names = public_members(kind)
    return table(("member", "meaning"), (_member(kind, name) for name in names)) if names else ""


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
