"""The flags that name what a comparison varies."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from anatomy.planning.axes import DEFAULTS

Function = TypeVar("Function", bound=Callable[..., Any])

AXES: Mapping[str, tuple[str, str]] = {
    "methods": ("method", "What is trained."),
    "optimizers": ("optimizer", "Names as in TrainingArguments(optim=...)."),
    "precisions": ("precision", "As --precision."),
    "quant_types": ("quant_type", "Codes of quantized bases, as --quant-type."),
    "checkpointing_values": (
        "gradient_checkpointing",
        "Gradient checkpointing: on, off, reentrant, non-reentrant.",
    ),
}
"""Parameter -> the setting that it varies, and its help."""


def axis_options(function: Function) -> Function:
    """One option for each."""
    for name, (setting, text) in reversed([*AXES.items()]):
        usual = f"  [default: {','.join(DEFAULTS[setting])}]" if setting in DEFAULTS else ""
        option = click.option(flag_of(name), name, callback=listed, metavar="A,B", help=text + usual)
        function = option(function)
    return function


def flag_of(name: str) -> str:
    """The flag of an axis' parameter."""
    return "--" + name.removesuffix("_values").replace("_", "-")


def listed(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[str, ...] | None:
    """'a, b' -> ('a', 'b'); None where the flag is not given."""
    if value is None:
        return None
    return tuple(part.strip() for part in value.split(",") if part.strip())


def axes_from_flags(flags: dict[str, Any]) -> tuple[dict[str, Any], set[str]]:
    """(axes as `anatomy.api.compare` calls them, the settings that are varied); takes them out of `flags`."""
    named = {name: flags.pop(name) for name in AXES}
    varied = {AXES[name][0] for name, values in named.items() if values}
    return {name.removesuffix("_values"): values for name, values in named.items()}, varied
