"""`anatomy browse`."""

import sys
from pathlib import Path
from typing import Any

import click

from anatomy.cli.completion import complete_gpu, complete_model
from anatomy.cli.config_options import config_from_flags
from anatomy.cli.options import GroupedCommand, model_options, parse_overrides
from anatomy.cli.recipe_options import recipe_from_flags, recipe_options
from anatomy.cli.streams import is_terminal, write
from anatomy.errors import AnatomyError
from anatomy.planning.command import as_typed, plan_arguments


@click.command(
    "browse",
    cls=GroupedCommand,
    epilog="MODEL: a model hub's id, a folder, a config.json, or a run that `anatomy profile --save` kept. "
    "Without MODEL there is a list to choose from.",
)
@click.argument("model", required=False, shell_complete=complete_model)
@recipe_options
@click.option(
    "--gpu",
    metavar="NAME",
    shell_complete=complete_gpu,
    help="Begin with this GPU; `anatomy gpus` lists them.",
)
@model_options
def command(
    model: str | None,
    gpu: str | None,
    overrides: tuple[str, ...],
    revision: str | None,
    trust_remote_code: bool,
    no_progress: bool,
    **flags: Any,
) -> None:
    """\b
      anatomy browse meta-llama/Llama-3.1-8B
      anatomy browse Qwen/Qwen3-30B-A3B --method qlora --r 64
      anatomy browse run.json.xz

    Walk through a model's modules, change the recipe and see at once what it takes, and when, and where it fits.
    """
    config = config_from_flags(flags)
    recipe, chosen = recipe_from_flags(flags, config)
    if model is None and config is not None:
        model = config.model
    changed = parse_overrides(overrides)
    if not all(map(is_terminal, (sys.stdin, sys.stdout, sys.stderr))):  # textual draws on stderr
        raise AnatomyError(
            "browse needs a terminal to draw in.",
            hint=_elsewhere(model, recipe, chosen, gpu, changed, revision, trust_remote_code),
        )
    if gpu is not None:
        from anatomy.hardware.catalog import lookup

        gpu = lookup(gpu).name
    from anatomy.tui.app import BrowseApp
    from anatomy.tui.backstage.requests import ModelAsked
    from anatomy.tui.desk import Run

    runs = [Path(model)] if model is not None and _is_run(model) else []
    asked = None
    if model is not None and not runs:
        asked = ModelAsked(
            reference=model, overrides=changed, revision=revision, trust_remote_code=trust_remote_code
        )
    app = BrowseApp(
        asked,
        Run(recipe=recipe, chosen=chosen, gpu=gpu),
        records=runs,
        view="runs" if runs else "model",
    )
    app.run()
    for text in app.left:
        write(text, None)


def _is_run(model: str) -> bool:
    from anatomy.api import is_saved_run

    return is_saved_run(Path(model))


def _elsewhere(
    model: str | None,
    recipe: Any,
    chosen: frozenset[str],
    gpu: str | None,
    overrides: dict[str, Any],
    revision: str | None,
    trust_remote_code: bool,
) -> str:
    """The command that prints the same."""
    if model is None:
        return (
            "`anatomy models` lists models, `anatomy show MODEL` and `anatomy plan MODEL` print what it shows"
        )
    if _is_run(model):
        return f"`{as_typed(('anatomy', 'profile', '--open', model))}` prints it"
    said = as_typed(
        plan_arguments(
            model,
            recipe,
            chosen,
            gpu=gpu,
            overrides=overrides,
            revision=revision,
            trust_remote_code=trust_remote_code,
        )
    )
    return f"`{said}` prints the plan, `{as_typed(('anatomy', 'show', model))}` the modules"
