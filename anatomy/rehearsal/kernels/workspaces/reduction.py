"""Scratch of sums, means, norms and extrema: the staging buffer of gpu_reduce_kernel (cuda/Reduce.cuh).

When few outputs each take many inputs, the inputs are split among thread blocks that meet in global memory. The
buffer has room for a whole block of threads per output (ReduceConfig::global_memory_size), so the column sums behind
the gradients of biases and norm weights take a block of the order of a hundred megabytes.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from anatomy.rehearsal.kernels.workspaces.call import Call, Row, Scratch, TensorLike, ceil_div

_SOURCE = "cuda/Reduce.cuh gpu_reduce_kernel"
_MAX_THREADS = 512
_WARP = 32
_INT32_MAX = 2**31 - 1


@dataclass(frozen=True, kw_only=True, slots=True)
class _Dim:
    """One dimension of the iteration, sizes and strides in elements."""

    size: int
    stride: int
    reduced: bool
    out_stride: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class _Problem:
    """A reduction as TensorIterator presents it: reduced dimensions first, each group fastest first, coalesced."""

    dims: tuple[_Dim, ...]
    itemsize: int
    offset: int

    @property
    def reduced(self) -> tuple[_Dim, ...]:
        return tuple(d for d in self.dims if d.reduced)

    @property
    def kept(self) -> tuple[_Dim, ...]:
        return tuple(d for d in self.dims if not d.reduced)

    @property
    def outputs(self) -> int:
        return _product(d.size for d in self.kept)

    @property
    def inputs_per_output(self) -> int:
        return _product(d.size for d in self.reduced)


def _product(sizes: Iterable[int]) -> int:
    total = 1
    for size in sizes:
        total *= size
    return total


def _problem(tensor: TensorLike, axes: set[int], itemsize: int) -> _Problem:
    """The iteration over `tensor` that reduces `axes` (TensorIterator's reordering and coalescing)."""
    reduced, kept, out_stride = [], [], 1
    strides = tensor.stride()
    for axis in reversed(range(len(tensor.shape))):
        size = tensor.shape[axis]
        if size == 1:
            continue
        if axis in axes:
            reduced.append(_Dim(size=size, stride=strides[axis], reduced=True))
        else:
            kept.append(_Dim(size=size, stride=strides[axis], reduced=False, out_stride=out_stride))
            out_stride *= size
    dims = (*_coalesce(sorted(reduced, key=lambda d: d.stride)), *_coalesce(kept))
    return _Problem(dims=dims, itemsize=itemsize, offset=tensor.storage_offset())


def _coalesce(dims: Sequence[_Dim]) -> list[_Dim]:
    merged: list[_Dim] = []
    for dim in dims:
        last = merged[-1] if merged else None
        if last and last.size * last.stride == dim.stride and last.size * last.out_stride == dim.out_stride:
            merged[-1] = replace(last, size=last.size * dim.size)
        else:
            merged.append(dim)
    return merged


def _too_long_for_int32(problem: _Problem) -> bool:
    extent = 1 + sum((d.size - 1) * abs(d.stride) * problem.itemsize for d in problem.dims)
    return max(extent, _product(d.size for d in problem.dims)) > _INT32_MAX


def _halves(problem: _Problem) -> _Problem:
    """The larger half that with_32bit_indexing works on: the longest dimension cut until offsets fit 32 bits."""
    while _too_long_for_int32(problem):
        dims = list(problem.dims)
        longest = max(range(len(dims)), key=lambda i: ((dims[i].size - 1) * abs(dims[i].stride), i))
        dims[longest] = replace(dims[longest], size=dims[longest].size - dims[longest].size // 2)
        problem = replace(problem, dims=tuple(dims))
    return problem


def _power_of_two(number: int) -> int:
    """The largest power of two not above a number, at least 1."""
    return 1 << max(number, 1).bit_length() - 1


def _output_vector(problem: _Problem) -> int:
    """Outputs that one thread takes side by side (get_output_vec_size)."""
    fastest = problem.kept[0]
    others = [d.stride for d in problem.dims if d is not fastest]
    return next(n for n in (4, 2, 1) if all(x % n == 0 for x in (problem.offset, fastest.size, *others)))


def staging_bytes(problem: _Problem, acc_size: int, capability: tuple[int, int], multiprocessors: int) -> int:
    """ReduceConfig::global_memory_size after setReduceConfig, 0 when no blocks have to meet."""
    reduced, kept = problem.reduced, problem.kept
    by_rows = not kept or reduced[0].stride < kept[0].stride
    vector = 1
    across, along = problem.outputs, problem.inputs_per_output
    if by_rows:
        across, along = along, across
        if reduced[0].stride == 1 and across >= 128 and len(reduced) == 1:
            across //= 4  # vectorize along the input
    elif kept[0].stride == 1:
        vector = _output_vector(problem)
        across //= vector
    threads = _MAX_THREADS // vector
    width_limit = _power_of_two(across) if across < threads else threads
    height_limit = _power_of_two(along) if along < threads else threads
    height = min(height_limit, threads // min(width_limit, _WARP))
    width = min(width_limit, threads // height)
    per_thread = ceil_div(problem.inputs_per_output, width if by_rows else 1)
    outputs_per_block = 1 if by_rows else width
    if per_thread < min(height * 16, 256):
        return 0  # every warp has an output of its own
    per_thread = ceil_div(problem.inputs_per_output, (width if by_rows else 1) * height)
    grid = ceil_div(problem.outputs // vector, outputs_per_block)
    target = multiprocessors * (_threads_per_multiprocessor(capability) // (width * height))
    if per_thread < 256 or grid > target:
        return 0
    blocks = max(min(ceil_div(target, grid), ceil_div(per_thread, 16)), ceil_div(per_thread, 256))
    if blocks <= 1:
        return 0
    return acc_size * problem.outputs * blocks * (1 if by_rows else width * vector)


def _threads_per_multiprocessor(capability: tuple[int, int]) -> int:
    """Resident threads per multiprocessor (CUDA programming guide, compute capabilities)."""
    if capability == (7, 5):
        return 1024
    if capability[0] == 12 or (8, 6) <= capability <= (8, 9):
        return 1536
    return 2048


def _reduce(call: Call, dim: object, acc_size: int, out_size: int, cast: int | None = None) -> list[Scratch]:
    """Scratch of one reduction of the first argument over `dim` (None: over all), cast first to `cast` bytes each."""
    tensor = call.arg(0, "self")
    rank = len(tensor.shape)
    chosen = [dim] if isinstance(dim, int) else list(dim or ()) if isinstance(dim, list | tuple) else []
    axes = {int(d) % rank for d in chosen} if chosen and rank else set(range(rank))
    itemsize = tensor.dtype.itemsize if cast is None else cast
    whole = _problem(tensor, axes, itemsize)
    if tensor.numel() == 0 or not whole.reduced:
        return []
    blocks = []
    if cast is not None:
        why = "the input in the output's dtype"
        blocks.append(Scratch(bytes=cast * tensor.numel(), why=why, source="ReduceOpsUtils.h make_reduction"))
    if _too_long_for_int32(whole) and acc_size > out_size:
        why = "partial results of a tensor beyond 2 GiB (AccumulationBuffer)"
        blocks.append(Scratch(bytes=acc_size * whole.outputs, why=why, source=_SOURCE))
    part = _halves(whole)
    staging = staging_bytes(part, acc_size, call.capability, call.multiprocessors) if part.reduced else 0
    if staging:
        blocks.append(
            Scratch(bytes=staging, why="partial results of blocks that share an output", source=_SOURCE)
        )
    return blocks


def reduction(dim_index: int) -> Row:
    """A row for sum, mean and vector norm, which accumulate 16-bit floats in fp32; `dim` is argument `dim_index`."""

    def row(call: Call) -> Iterable[Scratch]:
        out_size = call.outputs.dtype.itemsize
        before, after = call.arg(0, "self").dtype, call.outputs.dtype
        # 16-bit floats are summed into fp32 without a cast; every other change of dtype copies the input first.
        direct = before == after or (before.itemsize, after.itemsize) == (2, 4)
        return _reduce(
            call, call.arg(dim_index, "dim"), max(4, out_size), out_size, None if direct else out_size
        )

    return row


def extremum(call: Call) -> Iterable[Scratch]:
    """A row for max and min over one dimension: pairs of a value and its 64-bit index. Other overloads: nothing."""
    if not isinstance(call.outputs, list | tuple):
        return []
    return _reduce(call, call.arg(1, "dim"), 16, call.outputs[0].dtype.itemsize)
