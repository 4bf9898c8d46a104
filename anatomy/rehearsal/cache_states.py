"""States that classes keep in ways of their own: returned as they are, or left in the modules that made them."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import torch

from anatomy.inference.cache import LayerCache


def returned_states(out: Any) -> list[LayerCache] | None:
    """What each layer keeps, of a class that returns states and no cache of transformers' kinds; None of the others.

    RWKV's `state` is five tensors [batch, width, layers] (models/rwkv); xLSTM's `rnn_state` some tensors for each layer
    (models/xlstm).
    """
    state = getattr(out, "state", None)
    if isinstance(state, (list, tuple)) and state and all(isinstance(one, torch.Tensor) for one in state):
        layers = state[0].shape[-1]
        return [_state(_bytes(state) // layers)] * layers
    of_layers = getattr(getattr(out, "cache_params", None), "rnn_state", None)
    if isinstance(of_layers, Mapping):
        return [_state(_bytes(tensors)) for tensors in of_layers.values()]
    return None


def states_in_modules(model: Any) -> dict[int, LayerCache]:
    """Layer -> what its modules keep in plain attributes, neither parameters nor buffers, after a pass.

    Griffin's recurrent blocks do (models/recurrent_gemma): the last inputs of a convolution, and a state in float32.
    """
    sizes: Counter[int] = Counter()
    for path, module in model.named_modules():
        kept = [value for name, value in vars(module).items() if name.endswith(("_state", "_states"))]
        tensors = [value for value in kept if isinstance(value, torch.Tensor)]
        if tensors and (layer := re.search(r"\.(\d+)\.", f"{path}.")):
            sizes[int(layer[1])] += _bytes(tensors)
    return {layer: _state(size) for layer, size in sizes.items()}


def _state(size: int) -> LayerCache:
    return LayerCache(kind="state", state_bytes=size)


def _bytes(tensors: Iterable[torch.Tensor]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)
