"""The size of a checkpoint in the format that its config.json names, where its headers are not known."""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any

from anatomy.architecture.anatomy import Anatomy
from anatomy.architecture.facts import quantization, quantization_settings
from anatomy.formats.schemes import SCHEMES, Model, Scheme, size_as
from anatomy.formats.size import FormatSize
from anatomy.formats.weights import Weight, weights_of

Settings = Mapping[str, Any]

_LEFT = ("modules_to_not_convert", "ignored_layers", "llm_int8_skip_modules")
"""Where a config names modules that are not quantized."""


def _tiles(settings: Settings) -> str | None:
    """FP8 by tiles of 128 x 128 with float32 scales; with scales of one byte, experts may be in four bits."""
    tiles = settings.get("weight_block_size") == [128, 128] and settings.get("scale_fmt") is None
    return "fp8" if tiles else None


def _four_bits(settings: Settings) -> str | None:
    """GPTQ and AWQ with 4 bits in groups of 128, the same in all layers."""
    bits = settings.get("bits", settings.get("w_bit"))
    group = settings.get("group_size", settings.get("q_group_size"))
    changed = any(settings.get(key) for key in ("dynamic", "lm_head", "modules_in_block_to_quantize"))
    return f"{settings.get('quant_method')} 4-bit" if (bits, group, changed) == (4, 128, False) else None


def _bitsandbytes(settings: Settings) -> str | None:
    if settings.get("load_in_8bit"):
        return "int8"
    double = settings.get("bnb_4bit_use_double_quant")
    return ("nf4 double" if double else "nf4") if settings.get("load_in_4bit") else None


_NAMED: Mapping[str, Callable[[Settings], str | None]] = {
    "mxfp4": lambda settings: "mxfp4",
    "fp8": _tiles,
    "gptq": _four_bits,
    "awq": _four_bits,
    "bitsandbytes": _bitsandbytes,
}
"""`quant_method` -> which of SCHEMES its settings mean; None where they mean none."""


def checkpoint_size(
    config: Mapping[str, Any], anatomy: Anatomy, linears: Collection[str] | None = None
) -> FormatSize | None:
    """The model's weights as the quantized checkpoint of `config` stores them; None where it is not quantized, or in a way
    that no row of SCHEMES is. `linears`: see `schemes.Model`.

    What the checkpoint stores beside the model's weights, such as prediction layers, is not in it.
    """
    settings = quantization_settings(config)
    means = _NAMED.get(quantization(config) or "")
    name = means(settings) if means else None
    if name is None:
        return None
    scheme = next(scheme for scheme in SCHEMES if scheme.name == name)
    model = Model(weights=tuple(weights_of(anatomy)), linears=linears)
    size = size_as(_without(scheme, settings), model)
    return size if size.packed_bytes else None


def _without(scheme: Scheme, settings: Settings) -> Scheme:
    """The scheme, without the modules that the config names."""
    patterns = [pattern for key in _LEFT for pattern in settings.get(key) or () if isinstance(pattern, str)]

    def quantizes(weight: Weight, model: Model) -> bool:
        path = weight.owner if weight.name == "weight" else weight.path
        return scheme.quantizes(weight, model) and not any(_matches(one, path) for one in patterns)

    return replace(scheme, quantizes=quantizes)


def _matches(pattern: str, path: str) -> bool:
    """Whether a pattern of a config means a module (transformers 5.23, quantizers_utils.py, should_convert_module)."""
    try:
        from_start = re.match(rf"(?:{pattern})(?:(?<=\.)|(?=\.|$))", path) is not None
    except re.error:
        from_start = path == pattern or path.startswith(f"{pattern}.")
    return from_start or path.endswith(pattern)
