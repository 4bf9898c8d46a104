"""A vocabulary that grows: rows added to the embedding and to the head."""

from typing import Any

from anatomy.errors import RecipeError


def add_tokens(model: Any, count: int) -> None:
    """Let `model` resize its own embeddings by `count` rows, as `resize_token_embeddings` does before a training.

    Raises RecipeError where it cannot.
    """
    try:
        rows = model.get_input_embeddings().num_embeddings
        # The mean that new rows start from is a matter of values; its scratch is gone before the training begins.
        model.resize_token_embeddings(rows + count, mean_resizing=False)
    except (AttributeError, NotImplementedError, ValueError, TypeError) as error:
        raise RecipeError(
            f"{type(model).__name__} cannot resize its embeddings, so no tokens can be added.",
            hint="leave --add-tokens out",
        ) from error
