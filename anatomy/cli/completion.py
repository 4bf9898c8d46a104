"""`anatomy completion`, and what is completed beside commands and flags: models of the catalog, files, GPUs, optimizers."""

import os
from pathlib import Path

import click
from click.shell_completion import CompletionItem, get_completion_class

from anatomy.cli.options import GroupedCommand
from anatomy.cli.streams import write
from anatomy.errors import AnatomyError

SHELLS = {
    "bash": 'eval "$(anatomy completion bash)"  in ~/.bashrc',
    "zsh": 'eval "$(anatomy completion zsh)"  in ~/.zshrc',
    "fish": "anatomy completion fish > ~/.config/fish/completions/anatomy.fish",
}
"""Shell -> how its completion is switched on."""
VARIABLE = "_ANATOMY_COMPLETE"
"""Where a shell says that it wants a completion; click's rule for a program called anatomy."""


def complete_model(ctx: click.Context, param: click.Parameter, typed: str) -> list[CompletionItem]:
    """Models of the catalog by any part of their name; the shell adds files where what is typed may be one."""
    from anatomy.source import catalog

    words = typed.lower()
    found = [CompletionItem(name) for name in catalog.names() if words in name.lower()]
    begun = [item for item in found if item.value.lower().startswith(words)]
    files = [] if begun and not Path(typed).exists() else [CompletionItem(typed, type="file")]
    return [*(begun or found), *files]


def complete_gpu(ctx: click.Context, param: click.Parameter, typed: str) -> list[CompletionItem]:
    """GPUs of the catalog, as one word: hyphens are understood as spaces, and need no quotes."""
    from anatomy.hardware.catalog import all_gpus

    names = [gpu.name.replace(" ", "-") for gpu in all_gpus()]
    return [CompletionItem(name) for name in names if name.lower().startswith(typed.lower())]


def complete_optimizer(ctx: click.Context, param: click.Parameter, typed: str) -> list[CompletionItem]:
    """The Trainer's names, read without importing it."""
    from anatomy.training.optimizers.names import known_names

    return [CompletionItem(name) for name in sorted(known_names() or ()) if name.startswith(typed)]


@click.command(
    "completion",
    cls=GroupedCommand,
    epilog="\b\n" + "\n".join(f"{shell}: {how}" for shell, how in SHELLS.items()),
)
@click.argument("shell", type=click.Choice(tuple(SHELLS)), required=False)
def command(shell: str | None) -> None:
    """\b
      eval "$(anatomy completion bash)"

    The script with which a shell completes commands, flags, models, GPUs and optimizers.
    """
    named = shell or Path(os.environ.get("SHELL", "")).name
    found = get_completion_class(named)
    if found is None or named not in SHELLS:
        raise AnatomyError(
            f"There is no completion for the shell {named or 'that you use'!r}.",
            hint=f"name one: anatomy completion {'|'.join(SHELLS)}",
        )
    root = click.get_current_context().find_root().command
    write(found(root, {}, "anatomy", VARIABLE).source() + "\n", None)
