"""A twin of a model that is about to be trained, and of its optimizer: the same objects, on the meta device.

The twin is a copy of the live module tree, not a model built again from its config: PEFT's wrappers, quantized
layers, layers of the user's own, ties and frozen weights are what they are.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from anatomy.errors import RehearsalError
from anatomy.integrations.closures import HOOKS, rebind_all
from anatomy.integrations.replicas import Replicas

_LIBRARIES = frozenset({"torch", "transformers", "peft", "trl", "accelerate", "bitsandbytes"})
"""Whose hooks are part of the model (inputs that require gradients, noise on embeddings) and keep no notes."""
_PATCHES = ("step", "_optimizer_step_pre_hooks", "_optimizer_step_post_hooks")
"""What schedulers, accelerate and users put on an optimizer; a patched `step` would step the live one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Twin:
    """A model and its optimizer without any data. Nothing of the live ones is reached from here."""

    model: Any
    optimizer: Any
    others: tuple[torch.Tensor, ...]
    """Tensors of the model's device that are neither parameter nor buffer: a quantization state, a mask."""
    left_out: tuple[str, ...]
    """What the live model does and its twin does not."""


def make_twin(model: Any, optimizer: Any) -> Twin:
    """Raises RehearsalError, with the reason, for a model of which no truthful twin can be made."""
    optimizer = getattr(optimizer, "optimizer", optimizer)  # accelerate's wrapper
    registered = [*model.parameters(), *model.buffers()]
    device = _only_device(model.parameters())
    _check_gradients_wait(model.parameters())
    if any(
        module._compiled_call_impl is not None or hasattr(module, "_orig_mod") for module in model.modules()
    ):
        raise RehearsalError("a compiled model is not modelled.")
    replicas = Replicas(device)
    try:
        with replicas:
            for tensor in (*registered, *_of_groups(optimizer)):
                replicas.take(tensor)
            twin = deepcopy(model, replicas.memo)
            stepper = _copy_optimizer(optimizer, replicas.memo)
    except (TypeError, ValueError, AttributeError, NotImplementedError, RuntimeError) as error:
        raise RehearsalError(f"the model or its optimizer cannot be copied: {error}.") from error
    _undo_accelerate(twin)
    dropped = _drop_hooks(twin)
    rebind_all(model, twin, replicas.memo)
    known = {id(tensor) for tensor in registered}
    return Twin(
        model=twin,
        optimizer=stepper,
        others=tuple(new for old, new in replicas.met if id(old) not in known and old.device == device),
        left_out=tuple(f"a hook of {origin} on the model" for origin in sorted(dropped)),
    )


def _only_device(parameters: Iterable[torch.Tensor]) -> torch.device:
    devices = {parameter.device for parameter in parameters}
    if len(devices) != 1 or next(iter(devices)).type == "meta":
        found = ", ".join(sorted(map(str, devices))) or "none"
        raise RehearsalError(f"the weights have to be on one device, and are on: {found}.")
    return devices.pop()


def _check_gradients_wait(parameters: Iterable[torch.Tensor]) -> None:
    """Some optimizers step inside backward, by a hook on each parameter, which no copy would have."""
    if any(parameter._post_accumulate_grad_hooks for parameter in parameters):
        raise RehearsalError(
            "an optimizer that steps inside backward, parameter by parameter, is not modelled."
        )


def _of_groups(optimizer: Any) -> Iterator[torch.Tensor]:
    for group in optimizer.param_groups:
        yield from group["params"]


def _copy_optimizer(optimizer: Any, memo: dict[int, Any]) -> Any:
    """The optimizer over the twin's parameters: its class, groups, settings, and states where it has some.

    Not by deepcopy(optimizer), which keeps what `Optimizer.__getstate__` knows: bitsandbytes' have more.
    """
    kept = {name: value for name, value in vars(optimizer).items() if name not in _PATCHES}
    twin = object.__new__(type(optimizer))
    vars(twin).update(deepcopy(kept, memo))
    for name in _PATCHES[1:]:
        setattr(twin, name, OrderedDict())
    return twin


def _undo_accelerate(twin: Any) -> None:
    """Take off autocast, which knows the live device only, and hooks that move tensors between devices.

    Source: accelerate's Accelerator.prepare_model and hooks.add_hook_to_module.
    """
    if any(hasattr(module, "_hf_hook") for module in twin.modules()):
        from accelerate.hooks import remove_hook_from_module

        remove_hook_from_module(twin, recurse=True)
    original = vars(twin).pop("_original_forward", None)
    if original is not None:
        vars(twin).pop("forward", None)
        if getattr(original, "__func__", None) is not type(twin).forward:
            twin.forward = original


def _drop_hooks(twin: Any) -> set[str]:
    """Take off hooks of the user's own, which would note meta tensors; returns where they are from."""
    dropped = set()
    for module in twin.modules():
        for name in HOOKS:
            hooks = getattr(module, name)
            for key in [key for key, hook in hooks.items() if _origin(hook).split(".")[0] not in _LIBRARIES]:
                dropped.add(_origin(hooks.pop(key)))
    return dropped


def _origin(hook: Any) -> str:
    while isinstance(hook, partial):
        hook = hook.func
    return getattr(hook, "__module__", None) or type(hook).__module__
