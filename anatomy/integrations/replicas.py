"""Copies of tensors without their data: same dtype, shape and strides, shared where the originals share."""

from copy import deepcopy
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import is_traceable_wrapper_subclass

from anatomy.errors import RehearsalError

SMALL = 2**20
"""Bytes up to which a tensor that lives on the host is copied as it is."""


class Replicas(TorchFunctionMode):
    """While active, `copy.deepcopy` gives meta tensors. No data of the device's tensors is read or copied.

    `memo` is to be passed to deepcopy. Parameters and their attributes (a 4-bit weight's quantization state) are
    put there by `take`; any other tensor is replaced when it is met, unless it is the host's: a step counter, a code
    book that has yet to be moved.
    """

    def __init__(self, device: torch.device) -> None:
        super().__init__()
        self._device = device
        self._taking = False
        self.memo: dict[int, Any] = {}
        self.met: list[tuple[torch.Tensor, torch.Tensor]] = []
        """(original, replica) of every tensor that was copied."""
        self._storages: dict[int, tuple[Any, Any]] = {}

    def take(self, tensor: torch.Tensor) -> None:
        """Replace a parameter or buffer wherever it occurs. Raises RehearsalError for one that is no plain tensor."""
        if id(tensor) in self.memo:
            return
        data = self._data(tensor)
        twin = data
        if type(tensor) is not torch.Tensor:
            twin = torch.Tensor._make_subclass(type(tensor), data, tensor.requires_grad)
        self.memo[id(tensor)] = twin
        self.met.append((tensor, twin))
        self._taking = True
        for name, value in vars(tensor).items():
            setattr(twin, name, deepcopy(value, self.memo))
        self._taking = False

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        # Tensor.__deepcopy__ is what a tensor answers; Parameter's own goes through clone.
        if func in (torch.Tensor.__deepcopy__, torch.Tensor.clone):
            original = args[0]
            if self._is_the_hosts(original):
                return func(*args, **(kwargs or {}))
            data = self._data(original)
            self.met.append((original, data))
            return data
        return func(*args, **(kwargs or {}))

    def _is_the_hosts(self, tensor: torch.Tensor) -> bool:
        """On a host that is the device as well, a single number is still its own, but for a parameter's."""
        if self._taking or tensor.device.type != "cpu" or tensor.untyped_storage().nbytes() > SMALL:
            return False
        return bool(tensor.device != self._device or tensor.dim() == 0)

    def _data(self, tensor: torch.Tensor) -> torch.Tensor:
        if tensor.layout is not torch.strided or is_traceable_wrapper_subclass(tensor):
            raise RehearsalError(
                f"the model holds tensors of type {type(tensor).__name__} ({tensor.layout}), which are not modelled.",
                hint="plain tensors and bitsandbytes' 4-bit weights are",
            )
        storage = tensor.untyped_storage()
        _, meta = self._storages.setdefault(
            storage._cdata, (storage, torch.UntypedStorage(storage.nbytes(), device="meta"))
        )
        empty = torch.empty(0, dtype=tensor.dtype, device="meta")
        empty.set_(meta, tensor.storage_offset(), tensor.size(), tensor.stride())
        return empty
