"""The optimizer that Hugging Face's Trainer would make, made by the Trainer's own code."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

from anatomy.errors import RecipeError
from anatomy.training.available import check_gradients_kept, check_optimizer_here
from anatomy.training.optimizers.kinds import OWN, OptimizerKind, kind_of, parsed_args
from anatomy.training.optimizers.names import check_optimizer
from anatomy.training.recipe import Recipe

# TrainingArguments' defaults, for the handlers that read them; none of them changes memory.
_ARGUMENTS = {
    "learning_rate": 5e-5,
    "adam_beta1": 0.9,
    "adam_beta2": 0.999,
    "adam_epsilon": 1e-8,
    "warmup_steps": 0,
    "parallel_mode": None,
}


def build_optimizer(model: Any, recipe: Recipe) -> Any:
    """The recipe's optimizer over `model`'s trainable parameters, in the Trainer's parameter groups.

    On the meta device, one that cannot run there is stood in for. Raises RecipeError for a name that does not exist,
    that no GPU runs, or whose package is not installed.
    """
    from transformers.training_args import OptimizerNames

    name, kind = recipe.optimizer, kind_of(recipe.optimizer)
    check_optimizer(name, [*(known.value for known in OptimizerNames), *OWN])
    check_optimizer_here(recipe)
    check_gradients_kept(recipe)
    try:
        return _made(model, recipe, kind)
    except (ImportError, ValueError, TypeError, AttributeError, RuntimeError, AssertionError) as error:
        raise RecipeError(
            f"optimizer {name!r} cannot be made for this model: {_first_line(error)}.",
            hint="see `anatomy env` for the installed packages; adamw_torch_fused always works",
        ) from error


def _made(model: Any, recipe: Recipe, kind: OptimizerKind) -> Any:
    from transformers import Trainer

    on_meta = any(parameter.device.type == "meta" for parameter in model.parameters())
    # Only the part of a Trainer that makes optimizers: the rest of its set-up wants data and a device.
    trainer = Trainer.__new__(Trainer)
    trainer.model = model
    trainer.optimizer = None
    trainer.args = _arguments(recipe)
    trainer.optimizer_cls_and_kwargs = None
    if kind.modelled and on_meta:
        from anatomy.training.optimizers.stand_ins import stand_in

        trainer.optimizer_cls_and_kwargs = stand_in(recipe.optimizer, parsed_args(recipe.optim_args))
    if recipe.optimizer in OWN:
        from anatomy.training.optimizers.muon import muon

        return muon(trainer)
    optimizer = _in_backward(trainer) if recipe.optimizer_in_backward else trainer.create_optimizer()
    if hasattr(
        optimizer, "fused_backward"
    ):  # LOMO's update is in backward: Accelerate makes a step of nothing
        optimizer.step = lambda closure=None: None
    return optimizer


def _arguments(recipe: Recipe) -> SimpleNamespace:
    from transformers.training_args import OptimizerNames

    targets = recipe.optim_target_modules
    return SimpleNamespace(
        **_ARGUMENTS,
        optim=None if recipe.optimizer in OWN else OptimizerNames(recipe.optimizer),
        optim_args=recipe.optim_args,
        optim_target_modules=list(targets) if isinstance(targets, tuple) else targets,
        weight_decay=recipe.weight_decay,
        gradient_accumulation_steps=recipe.grad_accum,
    )


def _in_backward(trainer: Any) -> Any:
    """The Trainer's class and groups, with an optimizer for each parameter.

    As in torchtune, bitsandbytes is not told to leave embeddings 32-bit states, which the Trainer does afterwards.
    """
    from anatomy.training.optimizers.in_backward import InBackward

    cls, kwargs = trainer.optimizer_cls_and_kwargs or trainer.get_optimizer_cls_and_kwargs(
        trainer.args, trainer.model
    )
    decayed = set(trainer.get_decay_parameter_names(trainer.model))
    trained = [(name, p) for name, p in trainer.model.named_parameters() if p.requires_grad]
    groups = [
        {"params": [p for name, p in trained if (name in decayed) is decays], "weight_decay": decay}
        for decays, decay in ((True, trainer.args.weight_decay), (False, 0.0))
    ]
    return InBackward([group for group in groups if group["params"]], lambda group: cls([group], **kwargs))


def state_tensors(optimizer: Any) -> list[Any]:
    """Every tensor in an optimizer's state, whatever shape the state has."""
    return [tensor for _, tensor in owned_states(optimizer)]


def owned_states(optimizer: Any) -> Iterator[tuple[Any, Any]]:
    """Every tensor in an optimizer's state with the parameter that it is kept for; None where that is not said."""
    from anatomy.training.optimizers.in_backward import held_by

    for part in held_by(optimizer):
        for key, value in part.state.items():
            owner = key if hasattr(key, "requires_grad") else None  # else a name of the state's own
            yield from ((owner, tensor) for tensor in _tensors(value))
        # AdaLOMO keeps its moments beside a state that stays empty.
        for name in _BESIDE:
            yield from ((None, tensor) for tensor in _tensors(getattr(part, name, None)))


_BESIDE = ("exp_avg_sq", "exp_avg_sq_row", "exp_avg_sq_col")


def _tensors(value: Any) -> Iterator[Any]:
    import torch

    stack = [value]
    while stack:
        value = stack.pop()
        if isinstance(value, torch.Tensor):
            parts = value.__tensor_flatten__()[0] if hasattr(value, "__tensor_flatten__") else ()
            stack += [getattr(value, part) for part in parts]  # torchao's codes and scales
            if not parts:
                yield value
        elif isinstance(value, dict):
            stack += value.values()
        elif isinstance(value, (list, tuple)):
            stack += value
        elif hasattr(value, "__dict__"):  # a projector of GaLore or APOLLO
            stack += vars(value).values()


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
