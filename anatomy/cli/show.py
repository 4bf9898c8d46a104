"""`anatomy show`."""

from typing import Any

import click

from anatomy.cli.options import GroupedCommand, model_options, output_options, parse_overrides
from anatomy.cli.output import answer, chosen_format
from anatomy.cli.progress import working
from anatomy.render import Format


@click.command(
    "show",
    cls=GroupedCommand,
    epilog="MODEL: a model hub's id, a folder, a config.json, a *.safetensors or a *.gguf file. Of a "
    "repository of GGUF files name one: organisation/name:FILE.gguf, or by a word in its name, organisation/name:Q4_K_M.",
)
@click.argument("model")
@click.option("--depth", type=click.IntRange(min=0), metavar="N", help="Levels of the module tree to show.")
@click.option(
    "--build", is_flag=True, help="Build the model's class even where the checkpoint's headers say enough."
)
@model_options
@output_options
def command(
    model: str,
    depth: int | None,
    overrides: tuple[str, ...],
    no_progress: bool,
    format_: Format | None,
    as_json: bool,
    output: str | None,
    **options: Any,
) -> None:
    """\b
      anatomy show meta-llama/Llama-3.1-8B
      anatomy show openai-community/gpt2 --depth 2
      anatomy show ./model.safetensors --json

    What a model is made of: facts, components, modules, and what its checkpoint stores.
    """
    form = chosen_format(format_, as_json, output)
    changed = parse_overrides(overrides)
    from anatomy import api
    from anatomy.report.show import show_document

    with working(show=not no_progress) as progress:
        anatomy = api.show(model, overrides=changed, progress=progress, **options)
    answer(show_document(anatomy, depth=depth, overrides=changed), form, output)
