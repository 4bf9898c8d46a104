"""Options that several commands share, each declared once."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from anatomy.render import FORMATS

Function = TypeVar("Function", bound=Callable[..., Any])


_GROUPS: dict[str, tuple[str, ...]] = {
    "Compared": ("methods", "optimizers", "precisions", "quant_types", "checkpointing_values"),
    "Run": ("weights", "steps", "warmup", "device", "save", "open_"),
    "Model": ("revision", "overrides", "trust_remote_code"),
    "Output": ("depth", "format_", "as_json", "output", "no_progress"),
    "GPU": ("gpu", "check"),
}
"""Heading in the help -> parameters under it; the others stand under the command's own heading."""


class GroupedCommand(click.Command):
    """A command whose help lists its options under headings."""

    own_heading = "Options"
    first_headings: tuple[str, ...] = ()
    """Headings that stand before the own one."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The options, the command's own before the shared ones."""
        heading_of = {name: heading for heading, names in _GROUPS.items() for name in names}
        records: dict[str, list[tuple[str, str]]] = {
            heading: [] for heading in (*self.first_headings, self.own_heading)
        }
        for option in self.get_params(ctx):
            if isinstance(option, click.Option) and (record := option.get_help_record(ctx)):
                heading = "Output" if "--help" in option.opts else heading_of.get(option.name or "")
                records.setdefault(heading or self.own_heading, []).append(record)
        for heading, rows in records.items():
            if rows:
                with formatter.section(heading):
                    formatter.write_dl(rows)


def _stack(*options: Callable[[Function], Function]) -> Callable[[Function], Function]:
    """Several decorators as one; the first stands first in the help."""

    def decorate(function: Function) -> Function:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def format_options(function: Function) -> Function:
    """--format, --json."""
    return _stack(
        click.option(
            "--format", "format_", type=click.Choice(FORMATS), help="How to answer.  [default: table]"
        ),
        click.option("--json", "as_json", is_flag=True, help="The same as --format json."),
    )(function)


def output_options(function: Function) -> Function:
    """--format, --json, -o."""
    return _stack(
        format_options,
        click.option(
            "-o",
            "--output",
            metavar="FILE",
            help="Write the answer to a file; .json, .csv and .md choose the format.",
        ),
    )(function)


MODEL_FLAGS = ("revision", "trust_remote_code")
"""Options of `model_options` that the library's verbs take under the same names."""


def model_options(function: Function) -> Function:
    """MODEL and how to read it."""
    return _stack(
        click.option("--revision", metavar="NAME", help="Branch, tag or commit of a hub's model."),
        click.option(
            "--set",
            "overrides",
            metavar="KEY=VALUE",
            multiple=True,
            help="Set a fact of the config, e.g. num_hidden_layers=4. Repeatable; dots reach nested configs.",
        ),
        click.option(
            "--trust-remote-code",
            is_flag=True,
            help="Run the model repository's own code. Read it first.",
        ),
        click.option("--no-progress", is_flag=True, help="No spinner."),
    )(function)


def parse_overrides(texts: tuple[str, ...]) -> dict[str, Any]:
    """('hidden_size=64', ...) -> {'hidden_size': 64, ...}. Raises SourceError for what sets nothing."""
    from anatomy.source import parse_override

    return dict(parse_override(text) for text in texts)
