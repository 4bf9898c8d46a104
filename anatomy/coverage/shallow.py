"""The same description with few layers: a quick look, where the whole model takes minutes."""

from collections.abc import Mapping
from typing import Any

_DEPTHS = (
    *("num_hidden_layers", "num_layers", "n_layer", "n_layers", "depth", "layers"),
    *("encoder_layers", "decoder_layers", "num_decoder_layers", "num_encoder_layers"),
)
"""What configs call their number of layers."""


def shallow(config: Mapping[str, Any], layers: int) -> dict[str, Any]:
    """A copy with at most so many layers in every part; lists with an entry a layer are cut to match."""
    depths = {config[name] for name in _DEPTHS if _is_deeper(config.get(name), layers)}
    return {name: _cut(name, value, layers, depths) for name, value in config.items()}


def _is_deeper(value: Any, layers: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > layers


def _cut(name: str, value: Any, layers: int, depths: set[int]) -> Any:
    if isinstance(value, Mapping):
        return shallow(value, layers)
    if isinstance(value, list) and len(value) in depths:
        return value[:layers]
    return layers if name in _DEPTHS and _is_deeper(value, layers) else value
