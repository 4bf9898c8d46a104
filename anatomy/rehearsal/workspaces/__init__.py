"""What CUDA kernels take from the caching allocator for themselves, and which kernel CUDA chooses.

A rehearsal on the meta device sees an operator's inputs and outputs, never the scratch of its kernel. `TABLE` says
for each operator what its CUDA kernel allocates, from shapes alone; every row names its place in the sources of
PyTorch 2.13 (the sizes hold from 2.10 on). An operator that is not listed allocates its outputs only, or is too
small to matter, or is in `NOT_MODELLED`. Matrix products use cuBLAS's workspace, which outlives the operator and is
not counted here. Deterministic algorithms are taken to be off, as torch has them.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from anatomy.rehearsal.workspaces import attention, indexing, norms, reduction
from anatomy.rehearsal.workspaces.call import Call, Row, Scratch
from anatomy.rehearsal.workspaces.selection import Backend, choose_attention, fused_dropout, fused_rms_norm

__all__ = [
    "NOT_MODELLED",
    "TABLE",
    "Backend",
    "Scratch",
    "choose_attention",
    "fused_dropout",
    "fused_rms_norm",
    "scratch",
]

_INDEX_PUT = (
    "index_put.default",
    "index_put_.default",
    "_index_put_impl_.default",
    "_unsafe_index_put.default",
)

TABLE: Mapping[str, Row] = {
    "aten._scaled_dot_product_flash_attention.default": attention.flash_forward,
    "aten._scaled_dot_product_flash_attention_backward.default": attention.flash_backward,
    "aten._scaled_dot_product_efficient_attention.default": attention.efficient_forward,
    "aten._scaled_dot_product_efficient_attention_backward.default": attention.efficient_backward,
    "aten._scaled_dot_product_cudnn_attention_backward.default": attention.cudnn_backward,
    "aten.embedding_dense_backward.default": indexing.embedding_backward,
    **{f"aten.{name}": indexing.index_put for name in _INDEX_PUT},
    "aten.sort.default": indexing.sort(1),
    "aten.sort.stable": indexing.sort(1),
    "aten.argsort.stable": indexing.stable_argsort,
    "aten.native_layer_norm_backward.default": norms.norm_backward(5, 7, bias=True),
    "aten._fused_rms_norm_backward.default": norms.norm_backward(4, 5, bias=False),
    "aten._foreach_norm.Scalar": norms.foreach_norm,
    "aten.sum.default": reduction.reduction(None),
    "aten.sum.dim_IntList": reduction.reduction(1),
    "aten.mean.default": reduction.reduction(None),
    "aten.mean.dim": reduction.reduction(1),
    "aten.linalg_vector_norm.default": reduction.reduction(2),
    "aten.max.dim": reduction.extremum,
    "aten.min.dim": reduction.extremum,
    "bitsandbytes.gemm_4bit.default": norms.gemm_4bit,
}
"""Operator overload (as `str` writes it) -> its scratch."""

_UNPUBLISHED = "cuDNN chooses an algorithm and its workspace at run time; neither is published."
_UNDER_A_MEGABYTE = "Less than 1 MiB in training shapes."

NOT_MODELLED: Mapping[str, str] = {
    "aten.convolution.default": _UNPUBLISHED,
    "aten.convolution_backward.default": _UNPUBLISHED,
    "aten._cudnn_rnn.default": _UNPUBLISHED,
    "aten._cudnn_rnn_backward.default": _UNPUBLISHED,
    "aten._scaled_dot_product_cudnn_attention.default": _UNPUBLISHED,
    "aten._scaled_dot_product_cudnn_attention_backward.default": (
        "Only what cuDNN's frontend asks for is counted (fp32 query gradients, row sums); its plan may ask for more."
    ),
    "aten._flash_attention_forward.default": "Called directly only for packed sequences, whose lengths are data.",
    "aten._flash_attention_backward.default": "Called directly only for packed sequences, whose lengths are data.",
    "aten._efficient_attention_forward.default": "Called directly only for packed sequences, whose lengths are data.",
    "aten._efficient_attention_backward.default": "Called directly only for packed sequences, whose lengths are data.",
    "aten.nonzero.default": "The number of elements found is data.",
    "aten._unique2.default": "The number of distinct elements is data.",
    "aten.native_group_norm.default": _UNDER_A_MEGABYTE + " Two fp32 numbers per sample and channel.",
    "aten.native_group_norm_backward.default": _UNDER_A_MEGABYTE
    + " Four fp32 numbers per sample and channel.",
    "aten._grouped_mm.default": (
        _UNDER_A_MEGABYTE
        + " Pointers, strides and sizes of fewer than 1024 groups, a descriptor per multiprocessor"
        " (cuda/GroupMM.cu); other GPUs than 9.0 and 10.x multiply group by group."
    ),
    "aten.topk.default": _UNDER_A_MEGABYTE + " Router scores are searched by one block per row.",
    "aten.cumsum.default": _UNDER_A_MEGABYTE + " One state per block of a scan.",
    "aten.amax.default": _UNDER_A_MEGABYTE
    + " Rows of scores or blocks of weights are reduced inside one block.",
    "aten.amin.default": _UNDER_A_MEGABYTE
    + " Rows of scores or blocks of weights are reduced inside one block.",
    "bitsandbytes.int8_vectorwise_quant.default": (
        "LLM.int8() with an outlier threshold takes absolute values and a mask of the input; which columns are"
        " outliers is data."
    ),
    "bitsandbytes.int8_mixed_scaled_mm.default": (
        "LLM.int8() takes the int32 product and, for another dtype than fp16, its fp16 copy; which columns are"
        " outliers is data."
    ),
}
"""Operator overload -> why its scratch is not, or not wholly, in `TABLE`."""


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

    `op_name` is the overload as `str` writes it, e.g. 'aten._foreach_norm.Scalar'; tensors among `args`, `kwargs` and
    `outputs` may be meta tensors. Empty for an operator that is not in `TABLE`.
    """
    row = TABLE.get(op_name)
    if row is None:
        return []
    call = Call(
        args=args, kwargs=kwargs, outputs=outputs, capability=capability, multiprocessors=multiprocessors
    )
    return [block for block in row(call) if block.bytes]
