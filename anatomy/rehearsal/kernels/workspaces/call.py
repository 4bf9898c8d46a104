"""What a row of the table is given (a call of one operator) and what it answers (blocks of scratch)."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol


class TensorLike(Protocol):
    """The part of a tensor that sizes are read from; a meta tensor has all of it."""

    @property
    def shape(self) -> Sequence[int]: ...
    @property
    def dtype(self) -> Any: ...
    def stride(self) -> Sequence[int]: ...
    def storage_offset(self) -> int: ...
    def numel(self) -> int: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Scratch:
    """One block that a CUDA kernel takes from the caching allocator for itself."""

    bytes: int
    """Requested bytes, before the allocator's rounding."""
    why: str
    """What the block holds."""
    source: str
    """File under aten/src/ATen/native (unless another project is named) and function of PyTorch that allocates it."""
    when: Literal["during"] = "during"
    """Born after the operator's outputs and freed before it returns."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """One operator call on meta tensors, and the GPU it stands for."""

    args: Sequence[Any]
    kwargs: Mapping[str, Any]
    outputs: Any
    capability: tuple[int, int]
    """Compute capability, e.g. (8, 0)."""
    multiprocessors: int
    """Streaming multiprocessors of the GPU."""

    def arg(self, index: int, name: str, default: Any = None) -> Any:
        """An argument of the operator's schema, wherever the caller put it."""
        if index < len(self.args):
            return self.args[index]
        return self.kwargs.get(name, default)


Row = Callable[[Call], Iterable[Scratch]]
"""One row of the table: from a call to its scratch, in the order of allocation."""


def ceil_div(number: int, divisor: int) -> int:
    """Division rounded up."""
    return -(-number // divisor)


def round_up(number: int, multiple: int) -> int:
    """The next multiple, or the number itself."""
    return ceil_div(number, multiple) * multiple


def size_of(tensor: TensorLike) -> int:
    """Bytes of a contiguous tensor of this shape and dtype."""
    return tensor.numel() * int(tensor.dtype.itemsize)


def is_contiguous(shape: Sequence[int], strides: Sequence[int]) -> bool:
    """Whether these sizes and strides (in elements) lie densely in row-major order."""
    expected = 1
    for size, stride in zip(reversed(shape), reversed(strides), strict=True):
        if size != 1 and stride != expected:
            return False
        expected *= size
    return True


def contiguous_copy(
    tensor: TensorLike, why: str, source: str, order: Sequence[int] | None = None
) -> list[Scratch]:
    """The copy that `.contiguous()` makes inside a kernel, if the tensor (seen in `order`) is not contiguous."""
    order = order if order is not None else range(len(tensor.shape))
    strides = tensor.stride()
    if is_contiguous([tensor.shape[d] for d in order], [strides[d] for d in order]):
        return []
    return [Scratch(bytes=size_of(tensor), why=why, source=source)]
