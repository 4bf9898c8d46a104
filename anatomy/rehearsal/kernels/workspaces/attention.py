"""Scratch of the fused attention kernels. Operators take (batch, heads, length, head size).

The efficient kernels' tiles follow kernels/cutlassF.h, kernels/cutlassB.h and kernel_backward.h of torch 2.13 (in
transformers/cuda/mem_eff_attention); flash attention's sizes follow transformers/cuda/flash_attn/flash_api.cpp.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from anatomy.rehearsal.kernels.workspaces.call import (
    Call,
    Scratch,
    ceil_div,
    contiguous_copy,
    round_up,
    size_of,
)

_FLASH = "transformers/cuda/flash_attn/flash_api.cpp"
_BACKWARD = "transformers/cuda/attention_backward.cu"
_BATCH_LENGTH_HEADS = (0, 2, 1, 3)
"""The kernels' own order of dimensions: gradients are made contiguous in it."""
_SMALL_SHARED_MEMORY = ((7, 5), (8, 6), (8, 9), (12, 0), (12, 1))
"""Capabilities whose 64 or 99 KiB of shared memory per block do not hold the tiles of 128 queries: the compiled list
keeps tiles of 64 for them (kernels/generate_kernels.py)."""


def flash_forward(call: Call) -> Iterable[Scratch]:
    """Partial sums when the keys are split among blocks to fill the GPU (set_params_splitkv)."""
    q, k = call.arg(0, "query"), call.arg(1, "key")
    batch, heads, q_length, size = q.shape
    kv_heads, k_length = k.shape[1], k.shape[2]
    if call.arg(3, "dropout_p", 0.0) > 0:
        return []  # splitting is not implemented for dropout
    if q_length == 1 and heads > kv_heads:  # one query: groups of heads take the place of positions
        heads, q_length = kv_heads, heads // kv_heads
    block = 256 if size <= 64 else 128 if size <= 128 else 64
    blocks = batch * heads * ceil_div(q_length, 64)
    splits = num_splits(blocks, 2 * call.multiprocessors, ceil_div(k_length, block), 128)
    if splits == 1:
        return []
    rows = splits * batch * heads * q_length
    source = f"{_FLASH} set_params_splitkv"
    return [
        Scratch(bytes=4 * rows, why=f"log-sum-exp of {splits} splits", source=source),
        Scratch(bytes=4 * rows * rounded_head(size), why=f"fp32 output of {splits} splits", source=source),
    ]


def num_splits(blocks: int, multiprocessors: int, key_blocks: int, most: int) -> int:
    """The fewest splits of the keys that fill the GPU to 85 % of the best (flash_api.cpp, num_splits_heuristic)."""
    if blocks >= 0.8 * multiprocessors:
        return 1
    efficiency: dict[int, float] = {}
    for splits in range(1, min(most, multiprocessors, key_blocks) + 1):
        if splits == 1 or ceil_div(key_blocks, splits) != ceil_div(key_blocks, splits - 1):
            waves = blocks * splits / multiprocessors
            efficiency[splits] = waves / ceil_div(blocks * splits, multiprocessors)
    best = max(efficiency.values(), default=0.0)
    return next((splits for splits, share in efficiency.items() if share >= 0.85 * best), 1)


def rounded_head(size: int) -> int:
    """Head size as the flash kernels store it: a multiple of 32 up to 128, of 64 above (mha_fwd, mha_bwd)."""
    return round_up(size, 32 if size <= 128 else 64)


def flash_backward(call: Call) -> Iterable[Scratch]:
    """fp32 gradient of the queries, row sums, and key and value gradients per query head (mha_bwd)."""
    grad, q, k, out = call.arg(0, "grad_out"), call.arg(1, "query"), call.arg(2, "key"), call.arg(4, "out")
    batch, heads, q_length, size = q.shape
    kv_heads, k_length = k.shape[1], k.shape[2]
    source, wrapper = f"{_FLASH} mha_bwd", f"{_BACKWARD} _flash_attention_backward"
    rows = batch * heads * round_up(q_length, 128)
    blocks = [
        *contiguous_copy(grad, "contiguous copy of the output's gradient", wrapper, _BATCH_LENGTH_HEADS),
        *contiguous_copy(out, "contiguous copy of the output", wrapper, _BATCH_LENGTH_HEADS),
        Scratch(bytes=4 * rows, why="fp32 row sums (softmax_d)", source=source),
        Scratch(
            bytes=4 * rows * rounded_head(size), why="fp32 gradient of the queries (dq_accum)", source=source
        ),
    ]
    if kv_heads != heads:
        expanded = batch * k_length * heads * size * q.dtype.itemsize
        blocks += [
            Scratch(bytes=expanded, why=f"gradient of the {kind}s for every query head", source=source)
            for kind in ("key", "value")
        ]
    return blocks


def cudnn_backward(call: Call) -> Iterable[Scratch]:
    """What cuDNN's frontend asks for: fp32 query gradients and row sums, in one block.

    The backend's plan may ask for more; its size is not published (see NOT_MODELLED).
    """
    batch, heads, q_length, size = call.arg(1, "query").shape
    elements = batch * heads * q_length * (size + 1)
    source = (
        "cudnn-frontend node/scaled_dot_product_flash_attention.h CompositeSDPABackwardNode; cudnn/MHA.cpp"
    )
    return [Scratch(bytes=4 * elements, why="fp32 gradient of the queries and row sums", source=source)]


def efficient_forward(call: Call) -> Iterable[Scratch]:
    """An fp32 output when heads are wider than 128: then no tile holds a whole row in registers."""
    q, v = call.arg(0, "query"), call.arg(2, "value")
    if max(q.shape[-1], v.shape[-1]) <= 128 or q.dtype.itemsize == 4:
        return []
    source = "transformers/cuda/attention.cu _efficient_attention_forward"
    elements = q.shape[0] * q.shape[1] * q.shape[2] * v.shape[-1]
    return [Scratch(bytes=4 * elements, why="fp32 output (output_accum)", source=source)]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Tile:
    """The traits of one compiled backward kernel that decide its workspace (kernel_backward.h)."""

    queries: int
    """kBlockSizeI."""
    keys: int
    """kBlockSizeJ."""
    in_registers: bool
    """kOutputInRF: key and value gradients never leave the registers."""


def _backward_tile(head_size: int, *, half: bool, dropout: bool, capability: tuple[int, int]) -> _Tile:
    """The first compiled kernel that fits (dispatch_cutlassB)."""
    if half and not dropout and capability in ((8, 6), (8, 9)) and 64 < head_size <= 96:
        return _Tile(queries=128, keys=64, in_registers=True)
    widest = next(k for k in (32, 64, 128, 65536) if head_size <= k)
    tensor_cores = capability[0] >= 8 or (capability[0] == 7 and half)
    wide = widest > 64 and tensor_cores and capability not in _SMALL_SHARED_MEMORY
    queries = 128 if wide else 64
    in_registers = half and widest <= queries
    preload = in_registers and capability[0] >= 8
    return _Tile(queries=queries, keys=128 if preload and widest > 64 else 64, in_registers=in_registers)


def efficient_backward(call: Call) -> Iterable[Scratch]:
    """Row sums (delta) and the kernel's workspace (_efficient_attention_backward)."""
    grad, q, v = call.arg(0, "grad_out_"), call.arg(1, "query"), call.arg(3, "value")
    half = q.dtype.itemsize == 2
    tile = _backward_tile(
        max(q.shape[-1], v.shape[-1]),
        half=half,
        dropout=call.arg(9, "dropout_p", 0.0) > 0,
        capability=call.capability,
    )
    source = f"{_BACKWARD} _efficient_attention_backward"
    copy = contiguous_copy(grad, "contiguous copy of the output's gradient", source, _BATCH_LENGTH_HEADS)
    rows = 4 * q.shape[0] * q.shape[1] * q.shape[2]
    delta = Scratch(bytes=rows, why="fp32 row sums (delta)", source=source)
    workspace = Scratch(
        bytes=_backward_workspace(call, tile, half=half),
        why="fp32 gradients between tiles (workspace)",
        source="transformers/cuda/mem_eff_attention/kernel_backward.h Params::workspace_size",
    )
    after = [delta, workspace] if workspace.bytes else [delta]
    if half and (tile.in_registers or call.capability[0] != 7 or call.capability[1] >= 5):
        return [*copy, *after]  # kKernelComputesDelta
    before = [
        *(
            [Scratch(bytes=2 * size_of(grad), why="fp32 copy of " + n, source=source) for n in _FACTORS]
            if half
            else ()
        ),
        Scratch(bytes=rows * v.shape[-1], why="gradient times output, fp32", source=source),
        Scratch(bytes=rows, why="its row sums", source=source),
        delta,
    ]
    # The product is freed before the workspace is taken: only the larger of the two sets can be at the peak.
    return [*copy, *max(before, after, key=lambda blocks: sum(b.bytes for b in blocks))]


_FACTORS = ("the output's gradient", "the output")


def _backward_workspace(call: Call, tile: _Tile, *, half: bool) -> int:
    """Bytes of Params::workspace_size with the number of key splits that the caller's heuristic picks."""
    q, k, v = call.arg(1, "query"), call.arg(2, "key"), call.arg(3, "value")
    (batch, heads, q_length, size), k_length, v_size = q.shape, k.shape[2], v.shape[-1]
    split_keys = call.capability[0] >= 7  # kEnableSplitKeys
    stages_keys = half and not tile.in_registers  # kNeedsAccumGradK, kNeedsAccumGradV
    splits = ceil_div(k_length, tile.keys)
    if batch * heads >= 256 and k_length <= 2 * tile.keys:
        splits = 1
    if stages_keys:
        splits = min(splits, 200 // (batch * heads))
    splits = max(splits, 1) if split_keys else 1
    elements: int = 0
    if stages_keys:
        elements += splits * tile.keys * (round_up(size, tile.queries) + round_up(v_size, tile.queries))
    if split_keys or half:  # kNeedsAccumGradQ; each tile has 16 bytes of locks
        tiles = ceil_div(q_length, tile.queries) * ceil_div(size, tile.keys)
        elements += tiles * (16 + 4 * tile.queries * tile.keys) // 4
    return int(4 * batch * heads * round_up(elements, 4))
