"""GGUF files written byte by byte, valid or not, without the reader under test."""

import struct
from collections.abc import Iterable, Mapping
from typing import Any

TYPES = {"F32": (0, 1, 4), "F16": (1, 1, 2), "Q4_0": (2, 32, 18), "Q8_0": (8, 32, 34), "Q4_K": (12, 256, 144)}
"""Name -> number, elements in a block, bytes of a block."""

Tensor = tuple[str, str, list[int]]
"""Name, type, and dimensions as the file has them, the innermost first."""


def text(value: str | bytes, order: str = "<") -> bytes:
    raw = value.encode() if isinstance(value, str) else value
    return struct.pack(f"{order}Q", len(raw)) + raw


def value(item: Any, order: str = "<") -> bytes:
    """A value with its type before it, as metadata has it."""
    if isinstance(item, bool):
        return struct.pack(f"{order}I?", 7, item)
    if isinstance(item, int):
        return struct.pack(f"{order}II", 4, item)
    if isinstance(item, float):
        return struct.pack(f"{order}If", 6, item)
    if isinstance(item, str):
        return struct.pack(f"{order}I", 8) + text(item, order)
    items = list(item)
    if items and isinstance(items[0], int):
        return struct.pack(f"{order}IIQ{len(items)}i", 9, 5, len(items), *items)
    return struct.pack(f"{order}IIQ", 9, 8, len(items)) + b"".join(text(i, order) for i in items)


def gguf(
    metadata: Mapping[str, Any],
    tensors: Iterable[Tensor],
    *,
    version: int = 3,
    order: str = "<",
    alignment: int = 32,
    data: bool = True,
) -> bytes:
    """A whole valid file, its data zero; `data=False` leaves the data out."""
    tensors = list(tensors)
    head = b"GGUF" + struct.pack(f"{order}IQQ", version, len(tensors), len(metadata))
    head += b"".join(text(key, order) + value(item, order) for key, item in metadata.items())
    offset = 0
    described = []
    for name, kind, sizes in tensors:
        number, block, size = TYPES[kind]
        described.append(text(name, order) + struct.pack(f"{order}I{len(sizes)}Q", len(sizes), *sizes))
        described.append(struct.pack(f"{order}IQ", number, offset))
        count = 1
        for dimension in sizes:
            count *= dimension
        offset += -(-(count // block * size) // alignment) * alignment
    head += b"".join(described)
    head += bytes(-len(head) % alignment)
    return head + bytes(offset if data else 0)


def vocabulary(tokens: int) -> dict[str, Any]:
    """A tokenizer's metadata of `tokens` tokens, and twice as many merges."""
    return {
        "tokenizer.ggml.tokens": [f"token{i}" for i in range(tokens)],
        "tokenizer.ggml.token_type": list(range(tokens)),
        "tokenizer.ggml.merges": [f"tok en{i}" for i in range(2 * tokens)],
    }


def llama(*, layers: int = 2, hidden: int = 256, wide: int = 512, rows: int = 512) -> list[Tensor]:
    """The tensors of a small Llama, as llama.cpp names them: 8 query heads, 4 key and value heads."""
    found: list[Tensor] = [("token_embd.weight", "Q4_K", [hidden, rows])]
    for layer in range(layers):
        found += [
            (f"blk.{layer}.attn_norm.weight", "F32", [hidden]),
            (f"blk.{layer}.attn_q.weight", "Q4_K", [hidden, hidden]),
            (f"blk.{layer}.attn_k.weight", "Q4_K", [hidden, hidden // 2]),
            (f"blk.{layer}.attn_v.weight", "Q8_0", [hidden, hidden // 2]),
            (f"blk.{layer}.attn_output.weight", "Q4_K", [hidden, hidden]),
            (f"blk.{layer}.ffn_norm.weight", "F32", [hidden]),
            (f"blk.{layer}.ffn_gate.weight", "Q4_K", [hidden, wide]),
            (f"blk.{layer}.ffn_up.weight", "Q4_K", [hidden, wide]),
            (f"blk.{layer}.ffn_down.weight", "Q8_0", [wide, hidden]),
        ]
    return [*found, ("output_norm.weight", "F32", [hidden]), ("output.weight", "Q8_0", [hidden, rows])]


LLAMA: dict[str, Any] = {
    "general.architecture": "llama",
    "general.name": "Tiny",
    "general.file_type": 15,
    "general.quantization_version": 2,
    "llama.block_count": 2,
    "llama.context_length": 128,
    "llama.embedding_length": 256,
    "llama.feed_forward_length": 512,
    "llama.attention.head_count": 8,
    "llama.attention.head_count_kv": 4,
    "llama.rope.dimension_count": 32,
    "llama.rope.freq_base": 10000.0,
    "llama.attention.layer_norm_rms_epsilon": 1e-5,
}
