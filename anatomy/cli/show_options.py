"""The questions that `anatomy show` answers beside what a model is made of, as flags."""

from collections.abc import Mapping
from typing import Any

import click

from anatomy.cli.options import Function, stack

_ONLY_WITH = {
    "add_tokens": "tokenizer",
    "context": "kv_cache",
    "batch": "kv_cache",
    "cache_dtype": "kv_cache",
}
"""Option -> the question that it belongs to."""


def question_options(function: Function) -> Function:
    """--filter, --sort, --diff, --formats, --tokenizer, --kv-cache with their options."""
    return stack(
        click.option(
            "--filter",
            metavar="GLOB",
            help="The tensors and modules of this name as a list; * stands for anything, e.g. '*.mlp.*'.",
        ),
        click.option(
            "--sort",
            type=click.Choice(("bytes", "parameters", "name")),
            help="All tensors, or those of --filter, as a list: the largest first, or by name.",
        ),
        click.option(
            "--diff",
            is_flag=True,
            help="What differs between MODEL and OTHER. Two revisions: NAME@REVISION for either.",
        ),
        click.option(
            "--formats",
            is_flag=True,
            help="The model's size in each format: fp32 to int8, nf4, GPTQ, AWQ, FP8, MXFP4 and GGUF.",
        ),
        click.option(
            "--tokenizer",
            is_flag=True,
            help="The tokenizer: size, special tokens, chat template, rows of the embedding beyond its ids.",
        ),
        click.option(
            "--add-tokens",
            type=click.IntRange(min=1),
            metavar="N",
            help="With --tokenizer: what so many more tokens cost.",
        ),
        click.option(
            "--kv-cache",
            is_flag=True,
            help="What the model keeps while it writes: bytes a token and of a context, and which GPUs hold it.",
        ),
        click.option(
            "--context",
            type=click.IntRange(min=1),
            metavar="N",
            help="With --kv-cache: tokens of each sequence.  [default: the config's]",
        ),
        click.option(
            "--batch",
            type=click.IntRange(min=1),
            metavar="N",
            help="With --kv-cache: sequences at once.  [default: 1]",
        ),
        click.option(
            "--cache-dtype",
            metavar="FORMAT",
            help="With --kv-cache: fp32, bf16, fp8, int8 or int4.  [default: bf16]",
        ),
    )(function)


QUESTIONS = ("filter", "sort", "formats", "tokenizer", "kv_cache", *_ONLY_WITH)


def questions_of(options: dict[str, Any]) -> Mapping[str, Any]:
    """Take the questions out of a command's options: those that were asked. Raises UsageError for what belongs to none."""
    given = {name: options.pop(name) for name in QUESTIONS}
    asked = {name: value for name, value in given.items() if value not in (None, False)}
    for name, question in _ONLY_WITH.items():
        if name in asked and question not in asked:
            ctx = click.get_current_context()
            raise click.UsageError(f"{_flag(ctx, name)} belongs to {_flag(ctx, question)}.", ctx=ctx)
    return asked


def _flag(ctx: click.Context, name: str) -> str:
    """How a parameter is written."""
    return next(param.opts[0] for param in ctx.command.params if param.name == name)


def check_diff(diff: bool, other: str | None, questions: Mapping[str, Any]) -> None:
    """--diff takes two models and no other question. Raises UsageError."""
    wrong = ""
    if diff != (other is not None):
        wrong = (
            "--diff compares two models: MODEL and OTHER." if diff else "A second model belongs to --diff."
        )
    elif diff and questions:
        wrong = f"--diff goes alone, without --{next(iter(questions)).replace('_', '-')}."
    if wrong:
        raise click.UsageError(wrong, ctx=click.get_current_context())
