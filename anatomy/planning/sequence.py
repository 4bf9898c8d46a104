"""Whether a model can read sequences of a given length: a table of positions ends, rotary frequencies do not."""

from collections.abc import Mapping
from typing import Any

from anatomy.errors import RecipeError


def longest_sequence(model: Any, components: Mapping[str, str]) -> int | None:
    """Tokens that fit the learned tables of positions of `model`, a built transformers model; None without any.

    `components` maps its modules to components.
    """
    limits = [
        _positions(module)
        for path, module in model.named_modules()
        if components.get(path) == "position" and _is_absolute(path, module, model)
    ]
    return min(limits, default=None)


def check_sequence(name: str, seq_len: int, longest: int | None, stated: int | None) -> tuple[str, ...]:
    """Warnings for sequences of `seq_len` tokens on a model of the class `name`.

    `longest` is what `longest_sequence` found, `stated` the context that the config states. Raises RecipeError
    when a learned table of positions has fewer rows than the sequence needs.
    """
    if longest is not None:
        if seq_len > longest:
            raise RecipeError(
                f"Sequences of {seq_len:,} tokens are longer than the {longest:,} positions that "
                f"{name} has learned.",
                hint=f"use --seq-len {longest} or less",
            )
        return ()
    if stated is not None and seq_len > stated:
        return (
            f"sequences of {seq_len:,} tokens are longer than the {stated:,} that the config states: "
            "memory is right, but the model has not been trained that far",
        )
    return ()


def _is_absolute(path: str, module: Any, model: Any) -> bool:
    """Whether a module is a table with one row for each position, as wide as the model.

    Relative positions have a column for each head (T5), or say so in their name (DeBERTa).
    """
    rows, width = getattr(module, "num_embeddings", None), getattr(module, "embedding_dim", None)
    if rows is None or path.rpartition(".")[2].startswith("rel"):
        return False
    text = model.config.get_text_config()
    return width in (getattr(text, "hidden_size", None), _embedding_width(model))


def _embedding_width(model: Any) -> int | None:
    """None for a model of two towers (CLIP), which has no one table of tokens."""
    try:
        table = model.get_input_embeddings()
    except NotImplementedError:
        return None
    return getattr(table, "embedding_dim", None)


def _positions(module: Any) -> int:
    """Positions that fit the table: some models leave the first rows unused.

    OPT and BART count from their `offset`, RoBERTa and its relatives from the row after `padding_idx`.
    """
    padding = getattr(module, "padding_idx", None)
    unused = getattr(module, "offset", None)
    if unused is None:
        unused = 0 if padding is None else padding + 1
    return int(module.num_embeddings - unused)
