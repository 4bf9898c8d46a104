"""`anatomy` itself: its commands by name, each imported only when it is called."""

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import click

from anatomy import __version__

_COMMANDS: dict[str, str] = {
    "show": "What a model is made of: components, modules, parameters.",
    "browse": "Walk through a model and change its recipe, in the terminal.",
    "plan": "What a training run needs, where its peak is, which GPUs it fits.",
    "compare": "Methods, optimizers, precisions side by side: what each needs.",
    "profile": "Real training steps on this machine, beside what was predicted.",
    "validate": "A grid of runs, predicted and measured; the accuracy.",
    "report": "All of it in one file to send: Markdown, or a page that needs no network.",
    "models": "The models that are known without a network.",
    "optimizers": "What every optimizer takes for a parameter, beside the textbooks.",
    "gpus": "The GPUs that runs are fitted onto.",
    "env": "Versions and hardware, for a bug report.",
    "schema": "What --json answers look like, as JSON Schemas.",
    "completion": "What makes a shell complete commands, flags, models and GPUs.",
}


class LazyCommands(click.Group):
    """A group that knows its commands' names and help, and imports `anatomy.cli.NAME` when NAME is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands, in the order in which people meet them."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, imported; None when there is none of that name."""
        if cmd_name not in _COMMANDS:
            return None
        found: click.Command = import_module(f"anatomy.cli.{cmd_name}").command
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click's, with close names where there is no such command."""
        from difflib import get_close_matches

        if args and args[0] not in _COMMANDS and not args[0].startswith("-"):
            close = get_close_matches(args[0], _COMMANDS, n=2)
            meant = (
                f" Did you mean {' or '.join(close)}?" if close else f" There are: {', '.join(_COMMANDS)}."
            )
            raise click.UsageError(f"There is no command {args[0]!r}.{meant}", ctx=ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


def _print_version(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    if not value or ctx.resilient_parsing:
        return
    try:
        click.echo(f"anatomy {version('anatomy')}")
    except PackageNotFoundError:  # run from a source tree that is not installed
        click.echo(f"anatomy {__version__}")
    ctx.exit()


@click.group(
    cls=LazyCommands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    invoke_without_command=True,
)
@click.option(
    "-V", "--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version,
    help="Show the version and exit.",
)  # fmt: skip
@click.pass_context
def anatomy(ctx: click.Context) -> None:
    """\b
      anatomy show meta-llama/Llama-3.1-8B
      anatomy plan meta-llama/Llama-3.1-8B --method qlora --r 64

    A dress rehearsal for fine-tuning: what a model is made of, what a run needs, whether it fits.

    MODEL is a model hub's id, a folder, a config.json, a *.safetensors or a *.gguf file (on the hub
    organisation/name:FILE.gguf), or for show and plan FILE.py:NAME, a file of your own that is run: NAME() returns the
    torch.nn.Module. Weights are never downloaded.
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())
