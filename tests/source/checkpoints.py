"""Safetensors files written byte by byte, valid or not, without the reader under test."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

Entry = dict[str, Any]

_BITS = {"F64": 64, "F32": 32, "BF16": 16, "F16": 16, "I64": 64, "U8": 8, "BOOL": 8, "F8_E4M3": 8, "F4": 4}


def entries(tensors: Mapping[str, tuple[str, list[int]]]) -> dict[str, Entry]:
    """Header entries of tensors that lie end to end: {name: (dtype, shape)}."""
    result, end = {}, 0
    for name, (dtype, shape) in tensors.items():
        count = 1
        for dimension in shape:
            count *= dimension
        start, end = end, end + count * _BITS[dtype] // 8
        result[name] = {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}
    return result


def header(content: Any, *, padding: int = 0) -> bytes:
    """The length and the JSON, as a file begins; `content` may also be the raw bytes of the JSON."""
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    raw += b" " * padding
    return len(raw).to_bytes(8, "little") + raw


def checkpoint(tensors: Mapping[str, tuple[str, list[int]]]) -> bytes:
    """A whole valid file, its data zero."""
    described = entries(tensors)
    end = max((entry["data_offsets"][1] for entry in described.values()), default=0)
    return header(described) + bytes(end)


def sparse_checkpoint(path: Path, tensors: Mapping[str, tuple[str, list[int]]]) -> int:
    """A valid file whose data takes no room on disk; returns the length of what precedes the data."""
    described = entries(tensors)
    start = header(described)
    with path.open("wb") as file:
        file.write(start)
        file.truncate(len(start) + max(entry["data_offsets"][1] for entry in described.values()))
    return len(start)


def index(weight_map: Mapping[str, str]) -> bytes:
    return json.dumps({"metadata": {"total_size": 0}, "weight_map": dict(weight_map)}).encode()
