"""Whose file it is, told by the keys in it."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from anatomy.errors import RecipeError
from anatomy.trainers.accelerate_config import ACCELERATE
from anatomy.trainers.axolotl import AXOLOTL
from anatomy.trainers.llamafactory import LLAMAFACTORY
from anatomy.trainers.table import Trainer
from anatomy.trainers.training_arguments import TRAINING_ARGUMENTS
from anatomy.trainers.trl import TRL
from anatomy.training.recipe import Recipe

OWN = "anatomy"
"""A recipe of this project's own."""
TRAINERS: Mapping[str, Trainer] = {
    trainer.kind: trainer for trainer in (TRAINING_ARGUMENTS, TRL, LLAMAFACTORY, AXOLOTL, ACCELERATE)
}
"""transformers stands first: where the others know no key more, a file is plain TrainingArguments."""
KINDS = (*TRAINERS, OWN)
ENOUGH = 0.5
"""The share of a file's keys that a trainer has to know for the file to be taken for its own."""


def detect(data: Mapping[str, Any], file: str) -> str:
    """The kind whose schema knows the most keys of a file. Raises RecipeError where none or several would do."""
    schemas = {kind: trainer.known for kind, trainer in TRAINERS.items()}
    schemas[OWN] = frozenset(f.name for f in fields(Recipe))
    score = {kind: sum(key in known for key in data) for kind, known in schemas.items()}
    most = max(score.values())
    best = [kind for kind, count in score.items() if count == most]
    if most < ENOUGH * len(data):
        raise RecipeError(
            f"{file} is not recognised: no trainer knows most of its keys ({', '.join(list(data)[:4])} ...).",
            hint=f"--config-kind says whose file it is: {', '.join(KINDS)}",
        )
    if len(best) > 1 and TRAINING_ARGUMENTS.kind not in best:
        raise RecipeError(
            f"{file} could be a file of {' or '.join(best)}: all of its keys are known to each of them.",
            hint=f"--config-kind says whose it is: {', '.join(best)}",
        )
    return best[0]
