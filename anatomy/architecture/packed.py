"""Tensors of a checkpoint that are not parameters one by one: packed 4-bit weights, their scales, stored buffers.

Told apart by name, dtype and shape, as the formats define them: GPTQ and AWQ (qweight, qzeros, scales), MXFP4
(_blocks, _scales), bitsandbytes (absmax, quant_map, quant_state), FP8 (weight_scale_inv). GGUF's quantized types count weights one by one,
and its files store rotary factors and routers' biases, which transformers' classes compute or hold as buffers.
"""

import math
import re
from collections.abc import Mapping

from anatomy.architecture.site import Shape
from anatomy.blueprint import TensorHeader

_SCALES = re.compile(
    r"(.*[._](scales?|scale_inv|qzeros|g_idx|absmax|quant_map|zero_point|zeros)|.*\.quant_state\.\w+|.*\.weight_shape"
    r"|.*\.(SCB|weight_format))"
)
_BUFFERS = re.compile(
    r"(.*\.)?(inv_freq|original_inv_freq|position_ids|token_type_ids|masked_bias|num_batches_tracked|running_mean"
    r"|running_var|e_score_correction_bias|causal_mask|exp_probs_b\.bias|(rope_freqs|rope_factors_\w+|attn_rot_embd)\.weight)"
)
INTEGERS = ("U8", "I8", "I32", "U32", "I64", "I16")


def is_quantization_data(tensor: TensorHeader) -> bool:
    """Whether a tensor holds scales, zero points or codes of quantized weights."""
    return _SCALES.fullmatch(tensor.name) is not None


def is_buffer(tensor: TensorHeader) -> bool:
    """Whether a tensor is a stored buffer: frequencies, ids, running statistics, a causal mask [1, 1, n, n]."""
    mask = len(tensor.shape) == 4 and tensor.shape[:2] == (1, 1) and tensor.shape[2] == tensor.shape[3]
    flag = tensor.dtype == "BOOL"
    return _BUFFERS.fullmatch(tensor.name) is not None or flag or (mask and tensor.name.endswith(".bias"))


def is_packed(tensor: TensorHeader) -> bool:
    """Whether several weights share an element of this tensor."""
    return tensor.dtype in INTEGERS and not is_quantization_data(tensor) and not is_buffer(tensor)


def held_name(name: str) -> str:
    """The parameter that a packed tensor stands for: 'q_proj.qweight' -> 'q_proj.weight', 'down_proj_blocks' -> 'down_proj'."""
    for suffix, replacement in ((".qweight", ".weight"), (".weight_packed", ".weight"), ("_blocks", "")):
        if name.endswith(suffix):
            return name.removesuffix(suffix) + replacement
    return name


def unpacked_shape(tensor: TensorHeader, beside: Mapping[str, TensorHeader]) -> Shape | None:
    """The shape of the weight that a packed tensor holds, from the tensors stored beside it; None when unknown."""
    if tensor.name.endswith("_blocks") and len(tensor.shape) >= 2:
        return (*tensor.shape[:-2], tensor.shape[-2] * tensor.shape[-1] * 2)  # MXFP4: two values a byte
    if tensor.name.endswith(".qweight"):
        return _group_quantized(tensor, beside)
    if f"{tensor.name}.absmax" in beside:
        return (2 * math.prod(tensor.shape),)  # bitsandbytes: flat, two values a byte
    if tensor.dtype == "I8" and f"{tensor.name.removesuffix('.weight')}.SCB" in beside:
        return tensor.shape  # bitsandbytes int8: one value a byte
    return None


def _group_quantized(tensor: TensorHeader, beside: Mapping[str, TensorHeader]) -> Shape | None:
    """GPTQ packs 32 bits along the inputs, AWQ along the outputs; zero points tell how many bits a value has."""
    stem = tensor.name.removesuffix("qweight")
    scales, zeros = beside.get(f"{stem}scales"), beside.get(f"{stem}qzeros")
    if scales is None or zeros is None or len(tensor.shape) != 2 or not scales.shape or scales.shape[-1] == 0:
        return None
    outputs = scales.shape[-1]
    bits = 32 * zeros.shape[-1] // outputs
    if bits not in (2, 3, 4, 8):
        return None
    rows, columns = tensor.shape
    return (outputs, rows * 32 // bits) if columns == outputs else (outputs, rows)
