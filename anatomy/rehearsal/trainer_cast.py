"""A recipe's run with what a published run's trainer did beside: transformers' Trainer or TRL's SFTTrainer of the
installed version."""

from collections.abc import Callable
from dataclasses import fields
from typing import Any

from anatomy.memory.timeline import Category
from anatomy.rehearsal.cast import RecipeCast
from anatomy.rehearsal.recorder import Recorder
from anatomy.training.quantized.kbit import cast_back
from anatomy.training.recipe import Recipe
from anatomy.training.step import Batch, Run, unwrapped


class TrainerCast(RecipeCast):
    """`casts_back`: the trainer ran TRL's peft_module_casting_to_bf16 once the adapters were there. `moves`: whether it
    moved the model to the device after that."""

    def __init__(
        self, model: Any, recipe: Recipe, device: str, *, casts_back: bool, moves: bool = True
    ) -> None:
        super().__init__(model, recipe, device)
        self._casts_back = casts_back
        self.moves = moves

    def load(self, recorder: Recorder) -> Any:
        model = super().load(recorder)
        if self._casts_back:
            cast_back(model)
            for path, parameter in model.named_parameters():
                recorder.place(parameter, module=path.rpartition(".")[0], category=Category.WEIGHTS)
        return model

    def prepare(self, model: Any, optimizer: Any, make_batch: Callable[[], Batch], grad_accum: int) -> Run:
        """Where TrainingArguments has no `use_cache`, the model's own setting stands.

        Models then switch their cache off themselves when they checkpoint, but not all: GPTBigCode of transformers
        4.48 does not (modeling_gpt_bigcode.py), and returns every block's keys and values beside the logits.
        """
        config = unwrapped(model).config
        own = getattr(config, "use_cache", False)
        run = super().prepare(model, optimizer, make_batch, grad_accum)
        if not _arguments_have_use_cache():
            config.use_cache = own
        return run


def _arguments_have_use_cache() -> bool:
    from transformers import TrainingArguments

    return any(field.name == "use_cache" for field in fields(TrainingArguments))
