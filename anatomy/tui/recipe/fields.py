"""The fields of the recipe's form: every setting of a Recipe, from its type, its choices and its docstring.

A new setting has a field as soon as it stands in the Recipe.
"""

import ast
import inspect
import textwrap
import types
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from anatomy.hardware.catalog import all_gpus
from anatomy.training.choices import CHOICES
from anatomy.training.optimizers.kinds import OPTIMIZERS, kind_of
from anatomy.training.optimizers.names import known_names
from anatomy.training.peft_types import ALL_LINEAR, METHODS, PEFT_DEFAULT, PEFT_TYPES
from anatomy.training.recipe import Recipe
from anatomy.training.recipe_checks import AT_LEAST
from anatomy.units import format_bytes

Kind = Literal["choice", "integer", "number", "text", "names", "size", "table"]
"""How a value is changed: picked; doubled and halved; or typed, as a number, a text, names with commas, a size in
pixels, or TOML's `key = value` pairs."""
GPU, DEVICES = "gpu", "devices"
"""Fields that are no settings of a Recipe: where it is to run, and on how many."""
_LABELS: dict[str, str] = {
    "method": "method",
    "r": "rank",
    "target_modules": "targets",
    "optimizer": "optimizer",
    "precision": "precision",
    "batch_size": "batch size",
    "seq_len": "sequence",
    "grad_accum": "accumulation",
    "gradient_checkpointing": "checkpointing",
    "attn": "attention",
    "loss": "loss",
    GPU: "GPU",
    DEVICES: "GPUs",
}
"""The fields that are always seen, in their order."""
_ABOUT: dict[str, str] = {
    GPU: "The GPU that the run is planned for, with its kernels; all of the catalog: planned once, tried on each.",
    DEVICES: "How many of them.",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Option:
    """One value that can be picked."""

    value: Any
    text: str
    note: str = ""
    """What to know before picking it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Field:
    """One line of the form."""

    name: str
    """The setting, as in Recipe; or `GPU` or `DEVICES`."""
    label: str
    about: str
    """What it is, in the words of its docstring."""
    kind: Kind
    options: tuple[Option, ...] = ()
    """Values that can be picked."""
    free: bool = False
    """Whether other values can be typed."""
    primary: bool = False
    """Whether it is always seen."""
    least: int = 0
    """The least that an integer can be."""
    optional: bool = False
    """Whether it can be left unset."""


@cache
def all_fields() -> tuple[Field, ...]:
    """Every field: those always seen first, then the other settings in the order of the Recipe."""
    types_, about = get_type_hints(Recipe), _docstrings()
    settings = {f.name: _field(f.name, types_[f.name], about.get(f.name, "")) for f in fields(Recipe)}
    gpus = tuple(Option(value=g.name, text=g.name, note=format_bytes(g.memory_bytes)) for g in all_gpus())
    own = {
        GPU: Field(
            name=GPU,
            label=_LABELS[GPU],
            about=_ABOUT[GPU],
            kind="choice",
            options=(Option(value=None, text="all of the catalog"), *gpus),
            primary=True,
            optional=True,
        ),
        DEVICES: Field(
            name=DEVICES, label=_LABELS[DEVICES], about=_ABOUT[DEVICES], kind="integer", primary=True, least=1
        ),
    }
    known = {**settings, **own}
    return (*(known[name] for name in _LABELS), *(f for name, f in settings.items() if name not in _LABELS))


def _field(name: str, type_: Any, about: str) -> Field:
    found = tuple(_options(name, type_))
    kind = _kind(name, type_, found)
    options = found if kind in ("choice", "names") else ()
    return Field(
        name=name,
        label=_LABELS.get(name, name.replace("_", " ")),
        about=about,
        kind=kind,
        options=options,
        free=kind == "names",
        primary=name in _LABELS,
        least=AT_LEAST.get(name, 0),
        optional=type(None) in get_args(type_),
    )


def _options(name: str, type_: Any) -> list[Option]:
    """The values of a setting that has a table of them."""
    optional = type(None) in get_args(type_)
    unset = [Option(value=None, text=unset_text(name))] if optional else []
    if name in ("optimizer", "peft_type", "method"):
        return unset + _from_tables(name)
    if name in ("target_modules", "optim_target_modules"):
        keywords = (ALL_LINEAR, PEFT_DEFAULT) if name == "target_modules" else (ALL_LINEAR,)
        return unset + [Option(value=word, text=word) for word in keywords]
    if bool in _parts(type_):
        return unset + [Option(value=value, text="yes" if value else "no") for value in (True, False)]
    literal = CHOICES.get(name) or next((get_args(t) for t in _parts(type_) if get_origin(t) is Literal), ())
    return unset + [Option(value=value, text=str(value)) for value in literal if value is not None]


def _from_tables(name: str) -> list[Option]:
    if name == "optimizer":
        names = known_names() or tuple(OPTIMIZERS)
        return [Option(value=n, text=n, note=_cannot(kind_of(n).refused)) for n in names]
    if name == "peft_type":
        return [Option(value=n, text=n, note=_cannot(t.refused)) for n, t in PEFT_TYPES.items()]
    return [Option(value=n, text=n, note=m.peft_type or "") for n, m in METHODS.items()]


def _cannot(refused: str) -> str:
    return "cannot be rehearsed" if refused else ""


def unset_text(name: str) -> str:
    """How a setting that is not set, or has nothing in it, reads."""
    return _UNSET.get(name, "not set")


_UNSET: dict[str, str] = {
    "dequantize": "where it must be",
    "images": "one, where it takes any",
    "image_size": "the model's own",
    "audio_seconds": "the model's own",
    "quant_skip": "as transformers",
    "peft": "none",
}


def _parts(type_: Any) -> tuple[Any, ...]:
    """The members of a union; the type itself where it is none."""
    union = get_origin(type_) in (Union, types.UnionType)
    return tuple(t for t in get_args(type_) if t is not type(None)) if union else (type_,)


def _kind(name: str, type_: Any, options: tuple[Option, ...]) -> Kind:
    first, *_ = parts = _parts(type_)
    if any(get_origin(t) is tuple and get_args(t)[-1] is Ellipsis for t in parts):
        return "names"
    if options and [option for option in options if option.value is not None]:
        return "choice"
    if get_origin(first) is tuple:
        return "size"
    if get_origin(first) is Mapping:
        return "table"
    return _SIMPLE.get(first, "text")


_SIMPLE: dict[Any, Kind] = {int: "integer", float: "number", str: "text"}


@cache
def _docstrings() -> dict[str, str]:
    """The sentences under the Recipe's fields, which only its source has."""
    try:
        body = ast.parse(textwrap.dedent(inspect.getsource(Recipe))).body
    except OSError:  # installed without sources
        return {}
    (node,) = (n for n in body if isinstance(n, ast.ClassDef))
    found = {}
    for before, after in zip(node.body, node.body[1:], strict=False):
        if isinstance(before, ast.AnnAssign) and isinstance(before.target, ast.Name) and _is_text(after):
            text = ast.literal_eval(after.value)  # type: ignore[attr-defined]
            found[before.target.id] = " ".join(text.replace("`", "").split())
    return found


def _is_text(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )
