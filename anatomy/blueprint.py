"""Blueprint: what is known of a model before anything is built. Made by `source`, read by `architecture`."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from anatomy import ggml
from anatomy.dtypes import BY_SAFETENSORS, DType

STORED_FORMATS: Mapping[str, DType | ggml.GgmlType] = {**ggml.BY_NAME, **BY_SAFETENSORS}
"""What a checkpoint's header calls a number format -> the format; safetensors and GGUF share the names of dense ones."""

OriginKind = Literal["file", "folder", "cache", "catalog", "hub"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Origin:
    """Where a model's facts were read."""

    kind: OriginKind
    """A file or folder named by the user, the local Hugging Face cache, the shipped catalog, or the hub."""
    location: str
    """The path, or the repository id."""
    revision: str | None = None
    """The commit or branch that was read, where there is one."""

    def __str__(self) -> str:
        at = f" @ {self.revision}" if self.revision else ""
        return f"{self.kind}: {self.location}{at}"


@dataclass(frozen=True, kw_only=True, slots=True)
class TensorHeader:
    """One tensor as a checkpoint's header describes it; its data is never read."""

    name: str
    dtype: str
    """What the file calls its number format, e.g. 'BF16' or, in GGUF, 'Q4_K'; a key of `STORED_FORMATS`."""
    shape: tuple[int, ...]
    file: str = ""
    """Name of the file that stores it."""

    @property
    def elements(self) -> int:
        """Number of stored elements."""
        return math.prod(self.shape)

    @property
    def stored_bytes(self) -> int:
        """Bytes the tensor takes in the file."""
        return STORED_FORMATS[self.dtype].bytes_for(self.elements)


@dataclass(frozen=True, kw_only=True, slots=True)
class Blueprint:
    """A model's description: enough to build it without its weights, or at least to count it."""

    id: str
    """What the user calls the model: a hub id or a path."""
    origin: Origin
    """Where it was read."""
    config: Mapping[str, Any] | None = None
    """The content of config.json with the user's overrides applied; None when only headers are known."""
    tensors: tuple[TensorHeader, ...] | None = None
    """What the checkpoint stores, where its headers were read; None when unknown."""
    overrides: Mapping[str, Any] = field(default_factory=dict)
    """The facts that the user set by hand, already applied to `config`."""
    names: Literal["transformers", "gguf"] = "transformers"
    """Whose names the tensors have: the model's classes', or llama.cpp's."""
    adapter: "Adapter | None" = None
    """Where the description is of an adapter: its settings and its base; `tensors` are then the adapter's own."""
    notes: tuple[str, ...] = ()
    """What the reader should know about how these facts were found."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Adapter:
    """What PEFT saves beside an adapter's weights."""

    config: Mapping[str, Any]
    """The content of adapter_config.json."""
    base: Blueprint | None = None
    """The model that it adapts; None where that could not be read."""
