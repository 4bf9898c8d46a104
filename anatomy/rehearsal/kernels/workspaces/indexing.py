"""Scratch of operators that sort their indices first: embedding gradients, accumulating index_put, sort."""

from collections.abc import Iterable

from anatomy.rehearsal.kernels.workspaces.call import (
    Call,
    Row,
    Scratch,
    contiguous_copy,
    is_contiguous,
    size_of,
)

_SMALL = 3072
"""Up to so many indices, the embedding's gradient is summed without sorting."""
_ROWS_PER_PART = 10
"""NROWS_PER_THREAD: rows of one token that are summed before they meet the others of that token."""
_SMALL_SORT = 4096
"""Longest row that is sorted in place, without scratch."""


def embedding_backward(call: Call) -> Iterable[Scratch]:
    """Sorted indices and an fp32 gradient per distinct token and per ten occurrences of one.

    The number of distinct tokens is data: the kernel allocates for the most there can be.
    """
    grad, indices = call.arg(0, "grad_output"), call.arg(1, "indices")
    rows, by_frequency = call.arg(2, "num_weights"), bool(call.arg(4, "scale_grad_by_freq", False))
    source = "cuda/Embedding.cu embedding_dense_backward_cuda"
    kernel = "cuda/EmbeddingBackwardKernel.cu embedding_backward_cuda_kernel"
    count, width = indices.numel(), indices.dtype.itemsize
    copies = [
        *contiguous_copy(indices, "contiguous copy of the indices", source),
        *contiguous_copy(grad, "contiguous copy of the gradient", source),
    ]
    if count <= _SMALL and not by_frequency:
        return copies
    segments = min(count, rows)
    parts = count // _ROWS_PER_PART + segments
    acc_size = max(4, grad.dtype.itemsize)
    lists = {
        "sorted indices": (count, source),
        "their original places": (count, source),
        **({"occurrences of each index": (count, source)} if by_frequency else {}),
        "segment offsets": (count, kernel),
        "parts per segment": (segments, kernel),
        "offsets of the parts per segment": (segments, kernel),
        "part offsets": (parts, kernel),
    }
    return [
        *copies,
        *(Scratch(bytes=width * length, why=why, source=where) for why, (length, where) in lists.items()),
        Scratch(bytes=acc_size * parts * grad.shape[-1], why="gradient of every part (fp32)", source=kernel),
    ]


def index_put(call: Call) -> Iterable[Scratch]:
    """With accumulate=True: linear indices, sorted (index_put_with_sort_kernel). Without: nothing."""
    tensor, indices, values = call.arg(0, "self"), call.arg(1, "indices"), call.arg(2, "values")
    given = [i for i in indices if i is not None]
    if not call.arg(3, "accumulate", False) or any(i.dtype.itemsize == 1 for i in given):
        return []  # a boolean mask's length is data
    source = "cuda/Indexing.cu index_put_with_sort_kernel"
    count = _broadcast_count([tuple(i.shape) for i in given])
    copies = [
        *contiguous_copy(tensor, "contiguous copy of the target", source),
        *contiguous_copy(values, "contiguous copy of the values", source),
    ]
    names = ("linear indices", "sorted indices", "their original places", "their range", *_CUB)
    return [*copies, *(Scratch(bytes=8 * count, why=name, source=source) for name in names)]


_CUB = ("radix sort: keys in between", "radix sort: values in between")


def _broadcast_count(shapes: list[tuple[int, ...]]) -> int:
    rank = max((len(s) for s in shapes), default=0)
    padded = [(1,) * (rank - len(s)) + s for s in shapes]
    count = 1
    for sizes in zip(*padded, strict=True):
        count *= max(sizes)
    return count


def sort(dim_index: int) -> Row:
    """A row for sort and argsort over the dimension in argument `dim_index`; rows of up to 4096 need nothing."""

    def row(call: Call) -> Iterable[Scratch]:
        tensor = call.arg(0, "self")
        dim = call.arg(dim_index, "dim", -1)
        length = tensor.shape[dim] if tensor.shape else 1
        if length <= _SMALL_SORT:
            return []
        source = "cuda/SortStable.cu launch_stable_sort_kernel"
        count, segments = tensor.numel(), tensor.numel() // length
        keys = size_of(tensor)
        if segments == 1 or length >= 1_000_000:
            sizes = {"original places": 8 * length, _CUB[0]: keys // segments, _CUB[1]: 8 * length}
        elif segments < 128:
            pairs = {f"places and segments ({n})": 8 * count for n in ("before", "after")}
            sizes = {**pairs, "sorted keys": keys, _CUB[0]: keys, _CUB[1]: 8 * count}
        else:
            sizes = {"original places": 8 * count, _CUB[0]: keys, _CUB[1]: 8 * count}
        copy = [] if is_contiguous(tensor.shape, tensor.stride()) else [("contiguous copy of the keys", keys)]
        return [Scratch(bytes=size, why=why, source=source) for why, size in (*copy, *sizes.items())]

    return row


def stable_argsort(call: Call) -> Iterable[Scratch]:
    """A row for argsort, which sorts and drops the sorted keys."""
    source = "Sorting.cpp argsort"
    return [
        *sort(1)(call),
        Scratch(bytes=size_of(call.arg(0, "self")), why="sorted keys, dropped", source=source),
    ]
