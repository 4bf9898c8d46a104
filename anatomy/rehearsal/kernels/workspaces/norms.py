"""Scratch of layer norm, RMS norm, lists of norms and logarithms of sums of exponentials."""

from collections.abc import Iterable

from anatomy.rehearsal.kernels.workspaces.call import Call, Row, Scratch, ceil_div, contiguous_copy

_CHUNK = 65536
"""kChunkSize of cuda/MultiTensorApply.cuh: elements that one thread block of a foreach kernel takes."""
_ONE_NORM_PER_COLUMN = 65536
"""Above so many rows of few columns, layer norm sums its weight's gradient in two passes."""


def norm_backward(weight_index: int, mask_index: int, bias: bool) -> Row:
    """A row for the backward of layer norm (with a bias) or RMS norm: partial sums of the weight's gradient."""

    def row(call: Call) -> Iterable[Scratch]:
        grad, tensor, normalized = (
            call.arg(0, "grad_out"),
            call.arg(1, "input"),
            call.arg(2, "normalized_shape"),
        )
        weight, wanted = call.arg(weight_index, "weight"), call.arg(mask_index, "output_mask")
        columns = 1
        for size in normalized:
            columns *= size
        rows = tensor.numel() // columns if columns else 0
        source = "cuda/layer_norm_kernel.cu LaunchGammaBetaBackwardCUDAKernel"
        blocks = [
            *contiguous_copy(grad, "contiguous copy of the output's gradient", source),
            *contiguous_copy(tensor, "contiguous copy of the input", source),
        ]
        if rows <= _ONE_NORM_PER_COLUMN or columns // 32 >= call.multiprocessors // 2 or weight is None:
            return blocks
        parts = min(32768 // ceil_div(columns, 32), ceil_div(rows, 32))
        sums = [
            n for n, i in (("weight", 1), ("bias", 2)) if wanted[i : i + 1] == [True] and (bias or i == 1)
        ]
        size = parts * columns * weight.dtype.itemsize
        return blocks + [
            Scratch(bytes=size, why=f"partial gradients of the {n}", source=source) for n in sums
        ]

    return row


def logsumexp(call: Call) -> Iterable[Scratch]:
    """The largest of every row, and what is left of the input without it, exponentiated in place."""
    tensor, source = call.arg(0, "self"), "ReduceOps.cpp logsumexp_out_impl"
    size = call.outputs.dtype.itemsize
    return [
        Scratch(bytes=size * call.outputs.numel(), why="largest of every row", source=source),
        Scratch(bytes=size * tensor.numel(), why="exponentials of the input", source=source),
    ]


def foreach_norm(call: Call) -> Iterable[Scratch]:
    """One fp32 partial norm per chunk, as many for every tensor as the largest one has (_foreach_norm)."""
    tensors, dtype = call.arg(0, "self"), call.arg(2, "dtype")
    chunks = max((ceil_div(t.numel(), _CHUNK) for t in tensors), default=0)
    if not chunks:
        return []
    size = max(4, (dtype or tensors[0].dtype).itemsize)
    source = "cuda/ForeachReduceOp.cu foreach_tensor_norm_cuda"
    return [Scratch(bytes=size * len(tensors) * chunks, why="partial norm of every chunk", source=source)]
