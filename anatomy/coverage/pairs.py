"""What transformers can build: the (task, model type) pairs of its Auto mappings."""

from collections.abc import Mapping
from dataclasses import dataclass

TASKS: Mapping[str, str] = {
    "causal-lm": "MODEL_FOR_CAUSAL_LM_MAPPING_NAMES",
    "seq2seq-lm": "MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES",
    "masked-lm": "MODEL_FOR_MASKED_LM_MAPPING_NAMES",
    "sequence-classification": "MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES",
    "image-classification": "MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES",
    "image-text-to-text": "MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES",
    "speech-seq2seq": "MODEL_FOR_SPEECH_SEQ_2_SEQ_MAPPING_NAMES",
}
"""Task -> transformers' table of it (transformers/models/auto/modeling_auto.py)."""
TEXT_TASKS = ("causal-lm", "seq2seq-lm", "masked-lm", "sequence-classification")
"""The goals for these are higher: their inputs are token ids alone."""


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Pair:
    """One model type, built for one task."""

    task: str
    """A key of `TASKS`."""
    model_type: str
    class_name: str
    """The first class that transformers names for it."""

    @property
    def name(self) -> str:
        """Names its files."""
        return f"{self.task}.{self.model_type}"


def all_pairs() -> tuple[Pair, ...]:
    """Every pair, in transformers' order."""
    from transformers.models.auto import modeling_auto

    return tuple(
        Pair(task=task, model_type=model_type, class_name=named if isinstance(named, str) else named[0])
        for task, table in TASKS.items()
        for model_type, named in getattr(modeling_auto, table).items()
    )


def sample(pairs: tuple[Pair, ...], count: int) -> tuple[Pair, ...]:
    """`count` of them, spread evenly over their order, so that every task is among them."""
    return tuple(pairs[i * len(pairs) // count] for i in range(min(count, len(pairs))))
