"""Recorder: a dispatch mode that writes down every storage an operator takes and every one that goes.

A block is a storage. It is born in the operator that first returns it and freed when Python and autograd let go
of it, which a weak reference tells: their own lifetimes drive the record, as they drive the CUDA allocator.

Limits: scratch that a kernel takes for itself is not seen here (see `workspaces`). A mode, and meta tensors, change the
program in two places, which are put right here: gradient fan-in (`_accumulate`), and formulas of backward that write
into zeros of their own (`_IN_PLACE`). The formulas of prod and cumprod, which change altogether, are not.
"""

import weakref
from collections.abc import Callable, Iterable, Sequence
from functools import cache, partial
from typing import Any, Protocol

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from anatomy.answers.questions import Questions
from anatomy.memory.timeline import Category, Phase
from anatomy.rehearsal.attribution import Attribution
from anatomy.rehearsal.fan_in import holders, is_dense, sole_holders
from anatomy.rehearsal.flops import FlopCounter
from anatomy.rehearsal.ledger import Ledger

_ADD = torch.ops.aten.add.Tensor
_COPY = torch.ops.aten._to_copy.default
_FRESH = torch.ops.aten.lift_fresh.default
_ZEROS = (torch.ops.aten.new_zeros.default, torch.ops.aten.zeros.default)
"""How a formula of backward makes its zeros: torch 2.13, torch 2.11."""
_IN_PLACE: dict[Any, Any] = {
    torch.ops.aten.scatter_add.default: torch.ops.aten.scatter_add_.default,
    torch.ops.aten.scatter.src: torch.ops.aten.scatter_.src,
    torch.ops.aten.scatter.value: torch.ops.aten.scatter_.value,
    torch.ops.aten.index_put.default: torch.ops.aten.index_put_.default,
    torch.ops.aten.index_add.default: torch.ops.aten.index_add_.default,
    torch.ops.aten.masked_scatter.default: torch.ops.aten.masked_scatter_.default,
}
"""What autograd's own formulas (of gather, indexing, index_select, topk, sort, max, masked_select) call on zeros that they
have just made -> what they call when neither a mode nor a meta tensor makes them careful
(torch/csrc/autograd/FunctionsManual.cpp, areAnyTensorSubclassLike)."""

_INDEXED = (torch.ops.aten.index.Tensor, torch.ops.aten.index_put_.default)
"""Take indices that Python's brackets may have made of a list, on the device and unseen by any mode."""


class Kernels(Protocol):
    """What a device's kernels take beside their outputs."""

    @property
    def on_host(self) -> bool:
        """Whether the device's memory is the host's, so that tensors made on the host are the device's too."""

    def before(self, op: str, in_backward: bool) -> Iterable[tuple[int, str]]:
        """Blocks (bytes, why) that the first use of `op` takes and keeps."""

    def scratch(self, op: str, args: Any, kwargs: Any, out: Any) -> Iterable[tuple[int, str]]:
        """Blocks (bytes, why) taken during `op` and given back at its end."""

    def expansion(self, func: Any) -> Callable[..., Any] | None:
        """The program of smaller operators that `func` really is there; it may return None to decline."""


class Recorder(TorchDispatchMode):
    """Writes births and deaths of `device`'s storages into a ledger."""

    def __init__(self, ledger: Ledger, attribution: Attribution, kernels: Kernels, device: str) -> None:
        super().__init__()
        self._ledger = ledger
        self._attribution = attribution
        self._kernels = kernels
        self._device = device
        self._host = "cpu" if kernels.on_host else device
        self._live: dict[int, int] = {}
        self._references: dict[int, Any] = {}
        self._others: dict[int, list[int]] = {}
        """Of a block whose storage stands for several: the blocks beside it."""
        self._unwritten = 0
        """Blocks below 0 stand for host memory that is not the run's."""
        self._fresh: int | None = None
        self._open = True
        self._sole = sole_holders()  # found out here, where autograd is at work as usual
        self.questions = Questions()
        self.flops = FlopCounter()

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Nothing is compiled here; guarding against it costs a call an operator and torch._dynamo's import."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is _ADD and self._is_fan_in(args):
            return self._accumulate(*args)
        if func in _IN_PLACE and self._is_fresh(args[0]):
            func = _IN_PLACE[func]
        expanded = self._expand(func, args, kwargs)
        if expanded is not None:
            return expanded
        name = _name(func)
        if func in _INDEXED and torch._C._current_autograd_node() is None:
            self._note(name, args[1])
        for size, why in self._kernels.before(name, torch._C._current_autograd_node() is not None):
            self._ledger.born(size, module="", op=why, category=Category.WORKSPACES)
        out = self.questions.run(func, args, kwargs) if self._device == "meta" else func(*args, **kwargs)
        self._count(func, args, kwargs, out)
        if func is _COPY and self._device != self._host:
            self._stay(args[0], out)
        if not _is_host_view(func, args, self._device):
            self._note(name, out)
        if func in _ZEROS and _in_formula():
            self._fresh = self._live.get(out.untyped_storage()._cdata)
        self._take_and_return(name, self._kernels.scratch(name, args, kwargs, out))
        return out

    def adopt(self, tensor: torch.Tensor, *, module: str, category: Category) -> None:
        """Write down the storage of a tensor that was there before recording began."""
        self._see(tensor, "load", module, category)

    def place(self, tensor: torch.Tensor, *, module: str, category: Category) -> None:
        """Say to which module a tensor belongs and what it is; write it down if it is new."""
        block = self._live.get(tensor.untyped_storage()._cdata)
        if block is None:
            self._see(tensor, "load", module, category)
        else:
            self._ledger.place(block, module, category)

    def stand_for(self, tensor: torch.Tensor, blocks: Sequence[tuple[int, str]]) -> None:
        """Write down blocks (bytes, op) in the place of a tensor's storage, which was not recorded: they go when it goes."""
        module, _ = self._attribution.where()
        born = [self._ledger.born(size, module=module, op=op) for size, op in blocks]
        if born:
            self._follow(tensor.untyped_storage(), born[0])
            self._others[born[0]] = born[1:]

    def label(self, tensor: torch.Tensor, category: Category) -> None:
        """Say what a recorded tensor's block turned out to be."""
        block = self._live.get(tensor.untyped_storage()._cdata)
        if block is not None:
            self._ledger.label(block, category)

    def close(self) -> None:
        """Write nothing more: what goes from now on is no part of the run."""
        self._open = False

    def _count(self, func: Any, args: Any, kwargs: Any, out: Any) -> None:
        self.flops.count(func, args, kwargs, out, self._at_work)

    def _at_work(self) -> tuple[int, bool, str]:
        again = self._ledger.phase is Phase.BACKWARD and self._attribution.in_module
        return self._ledger.step, again, self._attribution.where()[0]

    def _expand(self, func: Any, args: Any, kwargs: Any) -> Any:
        program = self._kernels.expansion(func)
        if program is None:
            return None
        with self:
            return program(*args, **kwargs)

    def _take_and_return(self, name: str, scratch: Iterable[tuple[int, str]]) -> None:
        """A kernel's blocks are alive together, until it returns."""
        module = self._attribution.where()[0] if scratch else ""
        taken = [
            self._ledger.born(size, module=module, op=f"{name}: {why}", category=Category.WORKSPACES)
            for size, why in scratch
        ]
        for block in reversed(taken):
            self._ledger.freed(block)

    def _note(self, name: str, out: Any) -> None:
        if isinstance(out, torch.Tensor):
            # What is made on the host before the first step is mostly not the run's: libraries that are imported.
            if self._ledger.step or out.device.type == self._device:
                self._see(out, name)
        elif isinstance(out, (tuple, list)):
            for item in out:
                self._note(name, item)

    def _see(
        self, tensor: torch.Tensor, op: str, module: str | None = None, category: Category | None = None
    ) -> None:
        if tensor.device.type not in (self._device, self._host):
            return
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key in self._live:
            return
        size = storage.nbytes()
        if size == 0:
            return
        if module is None:
            module, in_loss = self._attribution.where()
            category = Category.LOGITS if in_loss else None
        block = self._ledger.born(size, module=module, op=op, category=category)
        self._follow(storage, block)

    def _follow(self, storage: Any, block: int) -> None:
        """From now on, the block is there as long as the storage is."""
        key = storage._cdata
        self._live[key] = block
        self._references[block] = weakref.ref(storage, partial(self._gone, key, block))

    def _stay(self, old: torch.Tensor, new: torch.Tensor) -> None:
        """A copy from the host to a device that is the host copies nothing: the block is the same one."""
        key, storage = old.untyped_storage()._cdata, new.untyped_storage()
        if old.device == new.device or old.dtype != new.dtype:
            return
        if key in self._live:
            block = self._live.pop(key)
        elif (
            self._attribution.in_module
        ):  # of before the run; a batch, which is really copied, comes from outside
            self._unwritten -= 1
            block = self._unwritten
        else:
            return
        self._follow(storage, block)

    def _gone(self, key: int, block: int, _reference: object) -> None:
        if self._live.get(key) == block:
            del self._live[key]
        del self._references[block]
        if self._open and block >= 0:
            for gone in (block, *self._others.pop(block, ())):
                self._ledger.freed(gone)

    def _is_fresh(self, tensor: torch.Tensor) -> bool:
        """Whether a tensor is the zeros that the formula at work made last."""
        block = self._live.get(tensor.untyped_storage()._cdata)
        return block is not None and block == self._fresh and _in_formula()

    @staticmethod
    def _is_fan_in(args: Any) -> bool:
        """Whether this addition is autograd's own, joining two gradients of one tensor."""
        return (
            torch._C._current_autograd_node() is not None and not torch.is_grad_enabled() and len(args) == 2
        )

    def _accumulate(self, old: torch.Tensor, new: torch.Tensor) -> torch.Tensor:
        """Add as autograd does when nobody watches: into `old`, if nobody else holds it.

        torch/csrc/autograd/input_buffer.cpp, accumulate(): in place when gradient mode is off, the old gradient
        is dense and its last reference is ours; but never while a dispatch mode is active, nor for meta tensors.
        """
        if isinstance(new, torch.Tensor) and holders(old) == self._sole and is_dense(old):
            return torch.ops.aten.add_.Tensor(old, new)
        out = _ADD(old, new)
        self._note("aten.add", out)
        return out


def _is_host_view(func: Any, args: Any, device: str) -> bool:
    """Whether an operator only looks at what the host holds. `lift_fresh` is how a tensor made of numbers first shows."""
    return bool(func.is_view and func is not _FRESH and args[0].device.type != device)


def _in_formula() -> bool:
    """Whether a formula of autograd's own is at work: in backward, and in no function that was written in Python."""
    node = torch._C._current_autograd_node()
    return (
        node is not None
        and not torch.is_grad_enabled()
        and not isinstance(node, torch.autograd.function.BackwardCFunction)
    )


@cache
def _name(func: Any) -> str:
    """'aten.mm' for aten::mm.default: overloads are details."""
    namespace, _, rest = func.name().partition("::")
    return f"{namespace}.{rest.partition('.')[0]}"
