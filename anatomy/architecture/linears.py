"""Which linear layers transformers would hand to bitsandbytes."""

from typing import Any


def bitsandbytes_linears(model: Any) -> frozenset[str]:
    """Paths of the linear layers of a model on any device that become bitsandbytes' own; the head and tied ones do not.

    Source: transformers 5.23, integrations/bitsandbytes.py, replace_with_bnb_linear; quantizers/base.py,
    get_keys_to_not_convert.
    """
    import torch
    from transformers.pytorch_utils import Conv1D
    from transformers.quantizers.base import get_keys_to_not_convert
    from transformers.quantizers.quantizers_utils import should_convert_module

    kept = [*get_keys_to_not_convert(model), *(getattr(model, "_keep_in_fp32_modules", None) or ())]
    return frozenset(
        path
        for path, module in model.named_modules()
        if (type(module) is torch.nn.Linear or isinstance(module, Conv1D))
        and should_convert_module(path, kept)
    )
