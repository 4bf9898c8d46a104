"""Options that several commands share, each declared once."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from anatomy.render import FORMATS

Function = TypeVar("Function", bound=Callable[..., Any])


def _stack(*options: Callable[[Function], Function]) -> Callable[[Function], Function]:
    """Several decorators as one; the first stands first in the help."""

    def decorate(function: Function) -> Function:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def output_options(function: Function) -> Function:
    """--format, --json, -o."""
    return _stack(
        click.option(
            "--format", "format_", type=click.Choice(FORMATS), help="How to answer.  [default: table]"
        ),
        click.option("--json", "as_json", is_flag=True, help="The same as --format json."),
        click.option(
            "-o", "--output", metavar="FILE", help="Write the answer to a file instead of the screen."
        ),
    )(function)


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
