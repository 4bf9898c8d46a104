"""What CUDA kernels take from the caching allocator for themselves, and which kernel CUDA chooses.

A rehearsal on the meta device sees an operator's inputs and outputs, never the scratch of its kernel. `TABLE` says
for each operator what its CUDA kernel allocates, from shapes alone; every row names its place in the sources of
PyTorch 2.13 (the sizes hold from 2.10 on). An operator that is not listed allocates its outputs only, or is too
small to matter, or is in `NOT_MODELLED`. Matrix products use cuBLAS's workspace, which outlives the operator and is
not counted here. Deterministic algorithms are taken to be off, as torch has them.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from anatomy.rehearsal.kernels.workspaces import attention, indexing, norms, reduction
from anatomy.rehearsal.kernels.workspaces.call import Call, Row, Scratch
from anatomy.rehearsal.kernels.workspaces.selection import (
    Backend,
    choose_attention,
    fused_dropout,
    fused_rms_norm,
)

__all__ = [
    "NOT_MODELLED",
    "TABLE",
    "Backend",
    "Scratch",
    "choose_attention",
    "fused_dropout",
    "fused_rms_norm",
    "scratch",
    "unknown_scratch",
]

_INDEX_PUT = ("index_put", "index_put_", "_index_put_impl_", "_unsafe_index_put")

TABLE: Mapping[str, Row] = {
    "aten._scaled_dot_product_flash_attention": attention.flash_forward,
    "aten._scaled_dot_product_flash_attention_backward": attention.flash_backward,
    "aten._scaled_dot_product_efficient_attention": attention.efficient_forward,
    "aten._scaled_dot_product_efficient_attention_backward": attention.efficient_backward,
    "aten._scaled_dot_product_cudnn_attention_backward": attention.cudnn_backward,
    "aten.embedding_dense_backward": indexing.embedding_backward,
    **{f"aten.{name}": indexing.index_put for name in _INDEX_PUT},
    "aten.sort": indexing.sort(1),
    "aten.argsort": indexing.stable_argsort,
    "aten.native_layer_norm_backward": norms.norm_backward(5, 7, bias=True),
    "aten._fused_rms_norm_backward": norms.norm_backward(4, 5, bias=False),
    "aten._foreach_norm": norms.foreach_norm,
    "aten.sum": reduction.reduction(1),
    "aten.mean": reduction.reduction(1),
    "aten.linalg_vector_norm": reduction.reduction(2),
    "aten.logsumexp": norms.logsumexp,
    "aten.max": reduction.extremum,
    "aten.min": reduction.extremum,
}
"""Operator, whichever its overload -> its scratch."""

_UNPUBLISHED = "cuDNN chooses an algorithm and its workspace at run time; neither is published."
_UNDER_A_MEGABYTE = "Less than 1 MiB in training shapes."

NOT_MODELLED: Mapping[str, str] = {
    "aten.convolution": _UNPUBLISHED,
    "aten.convolution_backward": _UNPUBLISHED,
    "aten._cudnn_rnn": _UNPUBLISHED,
    "aten._cudnn_rnn_backward": _UNPUBLISHED,
    "aten._scaled_dot_product_cudnn_attention": _UNPUBLISHED,
    "aten._scaled_dot_product_cudnn_attention_backward": (
        "Only what cuDNN's frontend asks for is counted (fp32 query gradients, row sums); its plan may ask for more."
    ),
    "aten._flash_attention_forward": "Called directly only for packed sequences, whose lengths are data.",
    "aten._flash_attention_backward": "Called directly only for packed sequences, whose lengths are data.",
    "aten._efficient_attention_forward": "Called directly only for packed sequences, whose lengths are data.",
    "aten._efficient_attention_backward": "Called directly only for packed sequences, whose lengths are data.",
    "aten._linalg_svd": "cuSOLVER and MAGMA say how much they need when they are called.",
    "aten.nonzero": "The number of elements found is data.",
    "aten._unique2": "The number of distinct elements is data.",
    "aten.native_group_norm": _UNDER_A_MEGABYTE + " Two fp32 numbers per sample and channel.",
    "aten.native_group_norm_backward": _UNDER_A_MEGABYTE + " Four fp32 numbers per sample and channel.",
    "aten._grouped_mm": (
        _UNDER_A_MEGABYTE
        + " Pointers, strides and sizes of fewer than 1024 groups, a descriptor per multiprocessor"
        " (cuda/GroupMM.cu); other GPUs than 9.0 and 10.x multiply group by group."
    ),
    "aten.topk": _UNDER_A_MEGABYTE + " Router scores are searched by one block per row.",
    "aten.cumsum": _UNDER_A_MEGABYTE + " One state per block of a scan.",
    "aten.amax": _UNDER_A_MEGABYTE + " Rows of scores or blocks of weights are reduced inside one block.",
    "aten.amin": _UNDER_A_MEGABYTE + " Rows of scores or blocks of weights are reduced inside one block.",
    "bitsandbytes.int8_vectorwise_quant": (
        "LLM.int8() with an outlier threshold takes absolute values and a mask of the input; which columns are"
        " outliers is data."
    ),
    "bitsandbytes.int8_mixed_scaled_mm": (
        "LLM.int8() takes the int32 product and, for another dtype than fp16, its fp16 copy; which columns are"
        " outliers is data."
    ),
}
"""Operator -> why its scratch is not, or not wholly, in `TABLE`."""


def unknown_scratch(op: str) -> str | None:
    """Why the scratch of operator `op` is not known, or None when it is known or too small to matter."""
    reason = NOT_MODELLED.get(op)
    return None if reason is None or reason.startswith(_UNDER_A_MEGABYTE) else reason


def scratch(
    op_name: str,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    outputs: Any,
    *,
    capability: tuple[int, int],
    multiprocessors: int,
) -> list[Scratch]:
    """Blocks that the CUDA kernel of `op_name` takes for itself, in order; all are alive together before it returns.

    `op_name` is the operator's name with or without its overload, e.g. 'aten._foreach_norm.Scalar'; tensors among
    `args`, `kwargs` and `outputs` may be meta tensors. Empty for an operator that is not in `TABLE`.
    """
    row = TABLE.get(".".join(op_name.split(".")[:2]))
    if row is None:
        return []
    call = Call(
        args=args, kwargs=kwargs, outputs=outputs, capability=capability, multiprocessors=multiprocessors
    )
    return [block for block in row(call) if block.bytes]
