"""ggml's tensor types: numbers in blocks, each block with its own scales. What GGUF files and llama.cpp count in."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class GgmlType:
    """One tensor type."""

    name: str
    """Its name, e.g. 'Q4_K'."""
    id: int
    """The number that stands for it in a GGUF file (`enum ggml_type` in ggml's ggml.h)."""
    block: int
    """Elements in one block; every row of a tensor is a whole number of blocks."""
    block_bytes: int
    """Bytes of one block, scales and minima with it."""

    @property
    def bits(self) -> float:
        """Bits per element, scales counted."""
        return 8 * self.block_bytes / self.block

    def bytes_for(self, elements: int) -> int:
        """Bytes of `elements` numbers, in whole blocks."""
        return -(-elements // self.block) * self.block_bytes


_ROWS: tuple[tuple[str, int, int, int], ...] = (
    ("F32", 0, 1, 4),
    ("F16", 1, 1, 2),
    ("Q4_0", 2, 32, 2 + 16),
    ("Q4_1", 3, 32, 2 + 2 + 16),
    ("Q5_0", 6, 32, 2 + 4 + 16),
    ("Q5_1", 7, 32, 2 + 2 + 4 + 16),
    ("Q8_0", 8, 32, 2 + 32),
    ("Q8_1", 9, 32, 2 + 2 + 32),
    ("Q2_K", 10, 256, 2 + 2 + 16 + 64),
    ("Q3_K", 11, 256, 2 + 12 + 32 + 64),
    ("Q4_K", 12, 256, 2 + 2 + 12 + 128),
    ("Q5_K", 13, 256, 2 + 2 + 12 + 32 + 128),
    ("Q6_K", 14, 256, 2 + 16 + 64 + 128),
    ("Q8_K", 15, 256, 4 + 32 + 256),
    ("IQ2_XXS", 16, 256, 2 + 64),
    ("IQ2_XS", 17, 256, 2 + 64 + 8),
    ("IQ3_XXS", 18, 256, 2 + 64 + 32),
    ("IQ1_S", 19, 256, 2 + 32 + 16),
    ("IQ4_NL", 20, 32, 2 + 16),
    ("IQ3_S", 21, 256, 2 + 64 + 32 + 8 + 4),
    ("IQ2_S", 22, 256, 2 + 64 + 16),
    ("IQ4_XS", 23, 256, 2 + 2 + 4 + 128),
    ("I8", 24, 1, 1),
    ("I16", 25, 1, 2),
    ("I32", 26, 1, 4),
    ("I64", 27, 1, 8),
    ("F64", 28, 1, 8),
    ("IQ1_M", 29, 256, 32 + 16 + 8),
    ("BF16", 30, 1, 2),
    ("TQ1_0", 34, 256, 2 + 4 * 13),
    ("TQ2_0", 35, 256, 2 + 64),
    ("MXFP4", 39, 32, 1 + 16),
    ("NVFP4", 40, 64, 4 + 32),
    ("Q1_0", 41, 128, 2 + 16),
    ("Q2_0", 42, 64, 2 + 16),
)
"""(name, id, elements in a block, bytes of a block), the bytes as scales, minima and numbers add up.

Source: `GGML_QUANT_SIZES` in llama.cpp's gguf-py/gguf/constants.py; the structs are in ggml/src/ggml-common.h. Types
that were taken out again (4, 5, 31-33, 36-38) have no row.
"""

GGML_TYPES: tuple[GgmlType, ...] = tuple(
    GgmlType(name=name, id=number, block=block, block_bytes=size) for name, number, block, size in _ROWS
)
BY_NAME: dict[str, GgmlType] = {kind.name: kind for kind in GGML_TYPES}
BY_ID: dict[int, GgmlType] = {kind.id: kind for kind in GGML_TYPES}
