"""The packed layers of a quantized checkpoint in the place of a skeleton's dense ones."""

from collections.abc import Callable, Mapping
from typing import Any

from anatomy.training.quantized.stored.scheme import Scheme, scheme_of


def keep_packed(model: Any) -> None:
    """Replace the layers that the checkpoint stores packed, where it does and its method is modelled.

    What is replaced is what transformers replaces as it loads such a checkpoint. bitsandbytes' layers are made by
    `quantization.swap_linears`, of the same settings.
    """
    scheme = scheme_of(model.config)
    if scheme is None or not scheme.kept or scheme.name not in _SWAPS:
        return
    _SWAPS[scheme.name](model, scheme)
    model.is_quantized = True
    model.quantization_method = scheme.name


def _gptq(model: Any, scheme: Scheme) -> None:
    """Linear layers of the blocks; of them, where the config lists some, these. Source: optimum 2.3, gptq/quantizer.py."""
    from anatomy.training.quantized.stored.linears import GptqLinear

    blocks = scheme.settings.get("block_name_to_quantize") or _blocks_of(model)
    listed = [name for names in scheme.settings.get("modules_in_block_to_quantize") or () for name in names]
    for path in _linears(model):
        inside = path.startswith(f"{blocks}.") and (not listed or path.endswith(tuple(listed)))
        if inside:
            _put(model, path, scheme, GptqLinear)


def _awq(model: Any, scheme: Scheme) -> None:
    """Every linear layer but the head and those that the config lists. Source: transformers 5.23, quantizer_awq.py."""
    from anatomy.training.quantized.stored.linears import AwqLinear

    skipped = _skipped(model, scheme, defaults=True)
    for path in _linears(model):
        if _converts(path, skipped):
            _put(model, path, scheme, AwqLinear)


def _fp8(model: Any, scheme: Scheme) -> None:
    """transformers' own layers, which run without another package but for their product (`rehearsal.fp8_cuda`)."""
    from transformers import FineGrainedFP8Config
    from transformers.integrations.finegrained_fp8 import replace_with_fp8_linear

    dtypes = {path: model.get_submodule(path).weight.dtype for path in _linears(model)}
    skipped = _skipped(model, scheme, defaults=not scheme.settings.get("modules_to_not_convert"))
    config = FineGrainedFP8Config.from_dict(dict(scheme.settings))
    replace_with_fp8_linear(
        model, modules_to_not_convert=skipped, quantization_config=config, pre_quantized=True
    )
    for path, dtype in dtypes.items():
        layer = model.get_submodule(path)
        if layer.bias is not None and hasattr(layer, "weight_scale_inv"):
            layer.bias.data = layer.bias.data.to(dtype)


_SWAPS: Mapping[str, Callable[[Any, Scheme], None]] = {"gptq": _gptq, "awq": _awq, "fp8": _fp8}


def stored_modules(model: Any) -> list[tuple[str, Any]]:
    """(path, module) of every layer that was put there."""
    return [(path, module) for path, module in model.named_modules() if _is_stored(module)]


def packed_names(model: Any) -> list[str]:
    """Last names of the layers that PEFT does not take for linear ones, e.g. ['down_proj', 'q_proj']."""
    import torch

    found = (path for path, module in stored_modules(model) if not isinstance(module, torch.nn.Linear))
    return sorted({path.rpartition(".")[2] for path in found})


def holds_states(module: Any, name: str) -> bool:
    """Whether a buffer or parameter of a module belongs to the quantization: scales, zero points, indices."""
    kind = next((c.__name__ for c in type(module).__mro__ if c.__name__ in _STATES), "")
    return kind != "" and name not in _STATES[kind]


_STATES = {"StoredLinear": ("qweight", "bias"), "FP8Linear": ("weight", "bias")}
"""Class -> what of it is no state."""


def holds_weights(module: Any, name: str) -> bool:
    """Whether a buffer of a module holds its packed weights, or its bias."""
    return any(c.__name__ == "StoredLinear" for c in type(module).__mro__) and not holds_states(module, name)


def stored_words(model: Any) -> tuple[str, ...]:
    """What an answer has to say of packed layers that are stood in for."""
    found = [module for _, module in stored_modules(model)]
    if not found:
        return ()
    scheme = scheme_of(model.config)
    name = "" if scheme is None else f" ({scheme.name}, {scheme.bits} bits)"
    program = getattr(
        found[0], "program", "multiplies with packed weights and writes them out in 16 bits in backward"
    )
    library = "GPTQModel 7.3.4, stood in for," if hasattr(found[0], "program") else "transformers"
    return (f"{len(found):,} layers stay packed as the checkpoint stores them{name}: {library} {program}",)


def peft_layers() -> dict[type, type]:
    """Our layers -> PEFT's wrappers of the layers that they stand for."""
    from peft.tuners.lora.awq import AwqLoraLinear
    from peft.tuners.lora.gptq import GPTQLoraLinear

    from anatomy.training.quantized.stored.linears import AwqLinear, GptqLinear

    return {GptqLinear: GPTQLoraLinear, AwqLinear: AwqLoraLinear}


def _is_stored(module: Any) -> bool:
    return any(c.__name__ in _STATES for c in type(module).__mro__)


def _linears(model: Any) -> list[str]:
    import torch

    return [path for path, module in model.named_modules() if type(module) is torch.nn.Linear]


def _put(model: Any, path: str, scheme: Scheme, kind: Any) -> None:
    group = int(scheme.settings.get("group_size", scheme.settings.get("q_group_size", 128)))
    model.set_submodule(path, kind(model.get_submodule(path), bits=scheme.bits, group_size=group))


def _skipped(model: Any, scheme: Scheme, *, defaults: bool) -> list[str]:
    from transformers.quantizers.base import get_keys_to_not_convert

    listed = scheme.settings.get("modules_to_not_convert") or []
    kept = list(get_keys_to_not_convert(model)) if defaults else []
    return [*kept, *listed, *(getattr(model, "_keep_in_fp32_modules", None) or [])]


def _converts(path: str, skipped: list[str]) -> bool:
    from transformers.quantizers.quantizers_utils import should_convert_module

    return bool(should_convert_module(path, skipped))


def _blocks_of(model: Any) -> str:
    """The path of the largest list of modules: the blocks."""
    import torch

    lists = [(len(m), path) for path, m in model.named_modules() if isinstance(m, torch.nn.ModuleList)]
    return max(lists, default=(0, ""))[1]
