"""Labels where they are not tokens: classes, and targets that are numbers."""

from collections.abc import Callable, Mapping
from typing import Any


def class_labels(model: Any) -> Callable[[tuple[int, int]], Any] | None:
    """What makes labels for a batch of (sequences, tokens) where they are classes; None where they are token ids."""
    from transformers.models.auto import modeling_auto as auto

    name = type(model).__name__
    if name in auto.MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING_NAMES.values():
        return zeros
    per_sequence = (
        auto.MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES,
        auto.MODEL_FOR_MULTIPLE_CHOICE_MAPPING_NAMES,
        auto.MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES,
        auto.MODEL_FOR_AUDIO_CLASSIFICATION_MAPPING_NAMES,
    )
    if not any(name in _classes(names) for names in per_sequence):
        return None
    many, problem = model.config.num_labels, getattr(model.config, "problem_type", None)
    if problem == "multi_label_classification" or (problem == "regression" and many > 1):
        return lambda size: zeros((size[0], many)).float()
    if problem == "regression" or (
        problem is None and many == 1
    ):  # a target is a number, as transformers takes it
        return lambda size: zeros(size[:1]).float()
    return lambda size: zeros(size[:1])


def _classes(names: Mapping[str, Any]) -> set[str]:
    """Every class of a mapping, some of whose values are several."""
    return {cls for value in names.values() for cls in ((value,) if isinstance(value, str) else value)}


def zeros(size: tuple[int, ...]) -> Any:
    """Classes, all the first one."""
    import torch

    return torch.zeros(size, dtype=torch.int64)


def class_with_a_loss(model_type: str) -> str:
    """A hint that names a class of this model type which can be trained."""
    from transformers.models.auto import modeling_auto as auto

    for names in (
        auto.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES,
        auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
        auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES,
        auto.MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES,
    ):
        name = names.get(model_type)
        if isinstance(name, str):
            return f"name a class with a head: --set 'architectures=[\"{name}\"]'"
    return "name a class with a head with --set 'architectures=[...]'"
