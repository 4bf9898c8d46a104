"""A recipe's adapters as PEFT's own config, and PEFT's own call that puts them into the model."""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import fields
from difflib import get_close_matches
from typing import Any

from anatomy.errors import RecipeError
from anatomy.training.available import check_adapter
from anatomy.training.peft_types import ALL_LINEAR, PEFT_DEFAULT, PeftType
from anatomy.training.quantized.stored.swap import packed_names, peft_layers, stored_modules
from anatomy.training.recipe import Recipe


def add_adapters(model: Any, recipe: Recipe, *, moves: bool = True) -> Any:
    """`model` inside PEFT's wrapper; with `moves`, all of it is on the device that the model is on.

    Raises RecipeError where PEFT refuses, or where the type's adapters cannot be made without weights.
    """
    from peft import get_peft_model

    config = peft_config(model, recipe)
    row = _row(recipe)
    names = _adaptable_names(model)
    device = next(model.parameters()).device
    try:
        with _elsewhere(row.initialised_on) if row.initialised_on else nullcontext():
            wrapped = get_peft_model(model, config, autocast_adapter_dtype=recipe.adapter_dtype != "base")
    except (ValueError, ImportError, NotImplementedError, RuntimeError, TypeError) as error:
        raise _refusal(recipe, error, names) from error
    if moves:
        _move(wrapped, device)
    return wrapped


def peft_config(model: Any, recipe: Recipe) -> Any:
    """The config object that PEFT would be given. Raises RecipeError for fields that it does not have."""
    row = _row(recipe)
    kind = _config_class(recipe)
    given = {**_mapped(model, recipe, row), **recipe.peft_options}
    _check_fields(kind, given, recipe)
    try:
        config = kind(**given, task_type=_task_type(model, row))
    except (ValueError, TypeError, ImportError) as error:
        raise _refusal(recipe, error, []) from error
    if stored_modules(model) and hasattr(config, "_register_custom_module"):
        config._register_custom_module(peft_layers())
    return config


def _row(recipe: Recipe) -> PeftType:
    row = recipe.adapter
    assert row is not None, "only methods with adapters come here"
    check_adapter(recipe)
    return row


def _config_class(recipe: Recipe) -> Any:
    from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING

    name = recipe.adapter_type  # equal to a key: PeftType is a string, and older versions have plain strings
    if name not in PEFT_TYPE_TO_CONFIG_MAPPING:
        raise RecipeError(f"The installed peft has no {name}.", hint="install a newer peft")
    return PEFT_TYPE_TO_CONFIG_MAPPING[name]


def _mapped(model: Any, recipe: Recipe, row: PeftType) -> dict[str, Any]:
    """The recipe's own settings by the names that the type gives them."""
    alpha = recipe.alpha if recipe.alpha is not None else 2 * recipe.r
    named = {row.r: recipe.r, row.alpha: alpha, row.dropout: recipe.dropout}
    values: dict[str, Any] = {name: value for name, value in named.items() if name is not None}
    if row.targets is None or "target_modules" in recipe.peft_options or _targets_parameters(recipe):
        return values
    targets = recipe.target_modules
    if targets == ALL_LINEAR and (packed := packed_names(model)):
        values["target_modules"] = packed  # PEFT looks for torch's own linear layers alone
    elif targets != PEFT_DEFAULT:
        _check_targets(model, targets)
        values["target_modules"] = targets if isinstance(targets, str) else list(targets)
    return values


def _targets_parameters(recipe: Recipe) -> bool:
    """Whether parameters alone are adapted: no modules were named beside them."""
    return bool(recipe.peft_options.get("target_parameters")) and recipe.target_modules == ALL_LINEAR


def _check_fields(kind: Any, given: Mapping[str, Any], recipe: Recipe) -> None:
    known = [f.name for f in fields(kind)]
    for name in given:
        if name not in known:
            close = get_close_matches(name, known, 3)
            raise RecipeError(
                f"{name!r} is not a setting of PEFT's {kind.__name__} ({recipe.adapter_type}).",
                hint=f"did you mean {' or '.join(close)}?" if close else f"known: {', '.join(known)}",
            )


@contextmanager
def _elsewhere(device: str) -> Iterator[None]:
    """Adapters made on another device than the model's: nobody who watches that one's tensors sees it."""
    import torch
    from torch.utils._python_dispatch import _disable_current_modes

    with torch.device(device), _disable_current_modes():
        yield


def _move(model: Any, device: Any) -> None:
    """Some types leave a tensor on the host, which a Trainer's `model.to(device)` then moves."""
    for module in model.modules():
        for name, buffer in module._buffers.items():
            if buffer is not None and buffer.device != device:
                module._buffers[name] = buffer.to(device)
        for name, parameter in module._parameters.items():
            if parameter is not None and parameter.device != device:
                moved = type(parameter)(parameter.detach().to(device), requires_grad=parameter.requires_grad)
                module._parameters[name] = moved


def _refusal(recipe: Recipe, error: Exception, names: list[str]) -> RecipeError:
    """PEFT's own refusals are sentences for users; a missing package is one as well."""
    kind = recipe.adapter_type
    first = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
    if first.endswith("("):  # a module written out over many lines, then what is wrong with it
        first = f"{first[:-1]}{str(error).rpartition(chr(10) + ')')[2]}".rstrip(".")
    if isinstance(error, ImportError):
        return RecipeError(f"{kind} needs a package that is not installed: {first}.", hint="install it")
    others = ",".join(name for name in names if repr(name) not in first)
    hint = (
        f"use --target-modules {others}" if "target" in first.lower() and others else _settings_hint(recipe)
    )
    return RecipeError(f"PEFT does not apply {kind} here: {first}.", hint=hint)


def _settings_hint(recipe: Recipe) -> str:
    given = json.dumps(recipe.peft_options, default=str)
    return f"its settings are {given}; --peft KEY=VALUE changes one"


_HEADS = (("ForSequenceClassification", "SEQ_CLS"), ("ForTokenClassification", "TOKEN_CLS"))


def _task_type(model: Any, row: PeftType) -> str | None:
    """PEFT's task, where it changes anything: classification keeps its new head trainable, and some types need one."""
    name = type(model).__name__
    for ending, task in _HEADS:
        if name.endswith(ending):
            return task
    if not (row.is_prompt or row.takes_tasks):
        return None
    if model.config.is_encoder_decoder:
        return "SEQ_2_SEQ_LM"
    if not model.can_generate():
        raise RecipeError(
            f"PEFT has no task for a {name}, which these adapters need.",
            hint="it has one for causal, sequence-to-sequence and classification models",
        )
    return "CAUSAL_LM"


def _check_targets(model: Any, targets: str | tuple[str, ...]) -> None:
    """Refuse targets that match nothing, with what would match."""
    linear, older = _adaptable_names(model), unfused_names(model)
    if targets == ALL_LINEAR:
        if not linear:
            raise RecipeError(f"{type(model).__name__} has no linear layer for an adapter to adapt.")
        return
    paths = [path for path, _ in model.named_modules()]
    wanted = (targets,) if isinstance(targets, str) else targets
    for target in wanted:
        found = (
            older or any(re.fullmatch(target, path) for path in paths)
            if isinstance(targets, str)
            else target.rpartition(".")[2] in older
            or any(path == target or path.endswith(f".{target}") for path in paths)
        )
        if not found:
            raise RecipeError(
                f"target module {target!r} matches nothing in {type(model).__name__}.",
                hint=f"these would: {', '.join(dict.fromkeys((*linear, *older)))}",
            )


def unfused_names(model: Any) -> tuple[str, ...]:
    """Linear layers that the class had before its experts were fused, by whose names PEFT adapts what they became.

    E.g. ('gate', 'gate_proj', 'up_proj', 'down_proj'). They are PEFT's own table (transformers_weight_conversion.py, from
    0.19 on), which 'all-linear' includes; whether a choice of them can be adapted, PEFT says itself.
    """
    try:
        from peft.utils import transformers_weight_conversion as conversion

        family = conversion._MODEL_TO_CONVERSION_PATTERN.get(getattr(model.config, "model_type", None))
        return tuple(conversion._MOE_TARGET_MODULE_MAPPING.get(family, ()))
    except (ImportError, AttributeError):  # an older peft, or a model without a config
        return ()


def _adaptable_names(model: Any) -> list[str]:
    """Last names of the layers that most adapters adapt, e.g. ['down_proj', 'q_proj']."""
    return sorted({path.rpartition(".")[2] for path, module in model.named_modules() if _adaptable(module)})


def _adaptable(module: Any) -> bool:
    return any(c.__name__ in ("Linear", "Conv1D", "StoredLinear") for c in type(module).__mro__)
