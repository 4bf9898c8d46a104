"""Precisions that people name and that no rehearsal runs: why, and what comes nearest. A table; no imports."""

from collections.abc import Mapping

_FP8 = (
    "fp8 training is not modelled: accelerate leaves it to torchao, Transformer Engine or MS-AMP, which put 8-bit "
    "copies of weights and activations beside the others.",
    "bf16-mixed is what such a run keeps everything else in; weights that are stored in fp8 are another matter, "
    "planned over a checkpoint that has them",
)
UNMODELLED: Mapping[str, tuple[str, str]] = {
    "fp8": _FP8,
    "fp8-mixed": _FP8,
    "mxfp8": _FP8,
    "tf32": (
        "tf32 is how a GPU multiplies fp32 numbers: it changes no byte, so it is no precision to plan.",
        "use fp32",
    ),
}
"""Name -> (sentence, hint). Sources: accelerate 1.15, utils/dataclasses.py (FP8BackendType); PyTorch's CUDA semantics, tf32."""
