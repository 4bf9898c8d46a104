"""`anatomy show`."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from anatomy.cli.completion import complete_model
from anatomy.cli.files import check_files
from anatomy.cli.options import GroupedCommand, model_options, output_options, parse_overrides, plot_option
from anatomy.cli.output import answer, chosen_format
from anatomy.cli.progress import working
from anatomy.cli.show_options import check_diff, question_options, questions_of
from anatomy.documents.document import Document
from anatomy.errors import SourceError
from anatomy.garbage import without_garbage_collection
from anatomy.render import Format

if TYPE_CHECKING:
    from anatomy.architecture.anatomy import Anatomy


@click.command(
    "show",
    cls=GroupedCommand,
    epilog="MODEL: a model hub's id, a folder, a config.json, a *.safetensors or a *.gguf file. Of a "
    "repository of GGUF files name one: organisation/name:FILE.gguf, or by a word in its name, organisation/name:Q4_K_M. "
    "FILE.py:NAME runs that file of your own, and shows the torch.nn.Module that NAME() returns.",
)
@click.argument("model", shell_complete=complete_model)
@click.argument("other", required=False)
@click.option("--depth", type=click.IntRange(min=0), metavar="N", help="Levels of the module tree to show.")
@click.option(
    "--build", is_flag=True, help="Build the model's class even where the checkpoint's headers say enough."
)
@question_options
@model_options
@plot_option("where the model's parameters are")
@output_options
@without_garbage_collection()
def command(
    model: str,
    other: str | None,
    diff: bool,
    depth: int | None,
    overrides: tuple[str, ...],
    no_progress: bool,
    plot: str | None,
    format_: Format | None,
    as_json: bool,
    output: str | None,
    **options: Any,
) -> None:
    """\b
      anatomy show meta-llama/Llama-3.1-8B
      anatomy show openai-community/gpt2 --depth 2
      anatomy show ./model.safetensors --json
      anatomy show Qwen/Qwen3-30B-A3B --plot parameters.svg
      anatomy show my_model.py:build
      anatomy show Qwen/Qwen3-8B --formats
      anatomy show Qwen/Qwen3-8B --filter '*.layers.0.*' --sort bytes
      anatomy show Qwen/Qwen2-7B Qwen/Qwen2.5-7B --diff
      anatomy show Qwen/Qwen3-8B --kv-cache --context 32768 --batch 4

    What a model is made of: facts, components, modules, and what its checkpoint stores.
    """
    form = chosen_format(format_, as_json, output)
    questions = questions_of(options)
    check_diff(diff, other, questions)
    if other is not None and plot is not None:
        raise click.UsageError("--plot draws one model: leave OTHER out.", ctx=click.get_current_context())
    check_files(click.get_current_context(), {"-o": output, "--plot": plot})
    changed = parse_overrides(overrides)
    with working(show=not no_progress) as progress:
        options |= {"overrides": changed, "progress": progress}
        if other is not None:
            document = _differing(model, other, **options)
        elif questions:
            anatomy, document = _answered(model, questions, **options)
        else:
            anatomy, document = _shown(model, depth, **options)
        if plot is not None:
            from anatomy import api

            progress(f"drawing {plot}")
            api.plot(anatomy, plot)
    answer(document, form, output)


def _shown(model: str, depth: int | None, **options: Any) -> "tuple[Anatomy, Document]":
    """The model itself, and the tokenizer where its files lie in the same folder."""
    from anatomy import api
    from anatomy.documents.show.asked import beside, noted
    from anatomy.documents.show.model import show_document
    from anatomy.documents.show.tokenizer import tokenizer_answer

    anatomy = api.show(model, **options)
    document = show_document(anatomy, depth=depth)
    try:
        tokenizer, rows = api.tokenizer_beside(model, anatomy)
    except SourceError as error:  # the model is what was asked for
        return anatomy, noted(document, f"Its tokenizer could not be read: {error.message}")
    return anatomy, document if tokenizer is None else beside(document, tokenizer_answer(tokenizer, rows))


def _answered(
    model: str, questions: Mapping[str, Any], *, build: bool, **options: Any
) -> "tuple[Anatomy, Document]":
    """What was asked of it. Its class is built in any case, whatever `build` says."""
    from anatomy import api
    from anatomy.api.presented import examined_document

    found = api.examine(model, **questions, **options)
    return found.anatomy, examined_document(found)


def _differing(model: str, other: str, **options: Any) -> Document:
    """What differs between two."""
    from anatomy import api
    from anatomy.documents.show.diff import diff_document

    return diff_document(api.diff(model, other, **options))
