"""Models whose attention is a class, chosen when they are built: transformers before 4.50."""

import sys
from typing import Any

_TABLE = "_ATTENTION_CLASSES"


def switch_to_flash(model: Any) -> None:
    """Make a model that was built with another attention what it would be, built with flash_attention_2.

    That cannot be asked for at build time without the flash-attn package. Models whose attention is a function,
    chosen in each forward, have no table of classes beside them and are left alone.
    """
    for module in model.modules():
        namespace = vars(sys.modules[type(module).__module__])
        for name, classes in list(namespace.items()):
            if name.endswith(_TABLE) and type(module) in classes.values():
                _become(module, classes["flash_attention_2"], namespace)
        if hasattr(module, "_use_flash_attention_2"):
            module._use_flash_attention_2, module._use_sdpa = True, False


def _become(module: Any, flash: type, namespace: dict[str, Any]) -> None:
    """The classes of a table differ in their forward only; flash-attn has aligned its mask so since 2.1."""
    module.__class__ = flash
    module._flash_attn_uses_top_left_mask = False
    namespace["_flash_attention_forward"] = _flash_attention_forward


def _flash_attention_forward(
    query: Any, key: Any, value: Any, attention_mask: Any, query_length: int, **settings: Any
) -> Any:
    """transformers' function of this name, whose tensors are (batch, length, heads, head size)."""
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

    heads_first = [tensor.transpose(1, 2) for tensor in (query, key, value)]
    settings["scaling"] = settings.pop("softmax_scale", None)
    return ALL_ATTENTION_FUNCTIONS["flash_attention_2"](None, *heads_first, attention_mask, **settings)[0]
