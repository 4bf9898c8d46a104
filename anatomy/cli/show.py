"""`anatomy show`."""

from collections.abc import Mapping
from typing import Any

import click

from anatomy.cli.options import GroupedCommand, model_options, output_options, parse_overrides
from anatomy.cli.output import answer, chosen_format
from anatomy.cli.progress import working
from anatomy.render import Format
from anatomy.report.document import Document


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
@click.option(
    "--formats",
    is_flag=True,
    help="The model's size in each format: fp32 to int8, nf4, GPTQ, AWQ, FP8, MXFP4 and GGUF.",
)
@model_options
@output_options
def command(
    model: str,
    depth: int | None,
    formats: bool,
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
      anatomy show Qwen/Qwen3-8B --formats

    What a model is made of: facts, components, modules, and what its checkpoint stores.
    """
    form = chosen_format(format_, as_json, output)
    changed = parse_overrides(overrides)
    questions = {"formats": formats}
    with working(show=not no_progress) as progress:
        document = (_answered if any(questions.values()) else _shown)(
            model, questions=questions, depth=depth, overrides=changed, progress=progress, **options
        )
    answer(document, form, output)


def _shown(
    model: str, *, questions: Mapping[str, Any], depth: int | None, overrides: dict[str, Any], **options: Any
) -> Document:
    """The model itself."""
    from anatomy import api
    from anatomy.report.show import show_document

    return show_document(api.show(model, overrides=overrides, **options), depth=depth, overrides=overrides)


def _answered(
    model: str,
    *,
    questions: Mapping[str, Any],
    depth: int | None,
    overrides: dict[str, Any],
    build: bool,
    **options: Any,
) -> Document:
    """What was asked of it."""
    from anatomy import api
    from anatomy.report.show_asked import asked_document
    from anatomy.report.show_formats import formats_answer

    found = api.examine(model, overrides=overrides, **questions, **options)
    asked = [formats_answer(found.formats)] if found.formats is not None else []
    return asked_document(found.anatomy, asked, overrides)
