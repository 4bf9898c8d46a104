"""How a config.json says that its checkpoint is quantized, and what can be trained over that. A table; no imports of torch.

What transformers trains over is each quantizer's `is_trainable`, and what it dequantizes as it loads is each one's load
operation 'dequantize' (transformers 5.23, quantizers/quantizer_*.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Method:
    """One `quant_method` of transformers."""

    kept: bool = False
    """Whether the packed weights can stay as they are under adapters, and are rehearsed so."""
    why_dense: str = ""
    """Why the weights are dense in training, the end of a sentence; empty where that is not known."""
    dequantizes: bool = False
    """Whether transformers can dequantize the weights as it loads them."""
    capability: tuple[int, int] = (0, 0)
    """Compute capability below which transformers dequantizes on its own."""


_NO_TRAINING = Method(why_dense="transformers does not train over them")
METHODS: Mapping[str, Method] = {
    "gptq": Method(kept=True),
    "awq": Method(kept=True),
    "bitsandbytes": Method(kept=True),
    "fp8": Method(kept=True, dequantizes=True, capability=(8, 9)),
    "mxfp4": Method(
        dequantizes=True,
        why_dense="transformers trains over MXFP4 weights only once Mxfp4Config(dequantize=True) has made them dense",
    ),
    "mxfp8": Method(dequantizes=True, why_dense="kernels of MXFP8 are not modelled"),
    "compressed-tensors": Method(
        dequantizes=True,
        # compressed_tensors 0.20, model_compressor.py (add_decompress_hook), lifecycle/forward.py
        why_dense="compressed-tensors decompresses every weight in the first forward pass, and keeps it so; that it may "
        "round a copy of each in every forward is not counted",
    ),
    **dict.fromkeys(
        ("auto-round", "fbgemm_fp8", "gguf", "higgs", "metal", "nvfp4", "quark", "spqr", "vptq"), _NO_TRAINING
    ),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Scheme:
    """How one checkpoint is quantized."""

    name: str
    """transformers' `quant_method`."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """The config's `quantization_config`."""

    @property
    def method(self) -> Method:
        """What is known of the method."""
        return METHODS.get(self.name, Method())

    @property
    def bits(self) -> int:
        """Bits of a packed weight; 0 where the config does not say."""
        if self.name == "bitsandbytes":
            return 8 if self.settings.get("load_in_8bit") else 4
        named = self.settings.get("bits", self.settings.get("w_bit"))
        return 8 if self.name == "fp8" else int(named or 0)

    @property
    def unknown(self) -> str:
        """What of a method that is known is not modelled: the end of a sentence; else empty."""
        settings = self.settings
        if self.name == "gptq" and self.bits not in (2, 4, 8):
            return f"{self.bits}-bit weights"
        if self.name == "gptq" and settings.get("dynamic"):
            return "bits that differ from layer to layer"
        version = str(settings.get("version", settings.get("format", "gemm"))).lower()
        if self.name == "awq" and (version != "gemm" or self.bits != 4):
            return f"AWQ's {version} layout with {self.bits} bits"
        return ""

    @property
    def kept(self) -> bool:
        """Whether packed weights can stay under adapters, and are rehearsed so."""
        return self.method.kept and not self.unknown


def scheme_of(config: Any) -> Scheme | None:
    """The scheme that a config.json or a transformers config names; None for a checkpoint that is not quantized."""
    nested = (_read(config, key) for key in ("text_config", "llm_config", "language_config"))
    for part in (config, *nested):
        settings = _settings(part)
        if settings:
            name = settings.get("quant_method") or settings.get("format") or "a method that is not named"
            return Scheme(name=str(getattr(name, "value", name)), settings=settings)
    return None


def _read(part: Any, key: str) -> Any:
    return part.get(key) if isinstance(part, Mapping) else getattr(part, key, None)


def _settings(part: Any) -> dict[str, Any]:
    for key in ("quantization_config", "compression_config"):
        found = _read(part, key)
        if found is not None and hasattr(found, "to_dict"):
            found = found.to_dict()
        if isinstance(found, Mapping) and found:
            return dict(found)
    return {}
