"""Timeline: every block of memory that a training step takes and gives back, in order.

The one record that a rehearsal and a measurement share, so that the two can be subtracted.
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

FORMAT_VERSION = 1


class Category(StrEnum):
    """What a block holds. One vocabulary for prediction and measurement."""

    WEIGHTS = "weights"
    """Parameters of the base model, in the form they are stored on the device (packed when quantized)."""
    QUANTIZATION = "quantization state"
    """Scales, offsets and code books that belong to quantized weights."""
    ADAPTERS = "adapters"
    """Parameters that a PEFT method added."""
    BUFFERS = "buffers"
    """Registered buffers: rotary frequencies, masks, running statistics."""
    GRADIENTS = "gradients"
    """What `.grad` of a parameter holds."""
    OPTIMIZER = "optimizer states"
    """Moments, master weights, step counters."""
    ACTIVATIONS = "activations"
    """Born in forward (or in its recomputation) and kept for backward; the batch itself as well, and the
    low-precision copies of weights that autocast keeps."""
    LOGITS = "logits and loss"
    """The head's output, the loss and their gradients."""
    TEMPORARIES = "temporaries"
    """Born and freed inside one phase."""
    WORKSPACES = "workspaces"
    """Scratch that kernels and libraries take for themselves."""


class Phase(StrEnum):
    """Where in the run a block is born."""

    LOAD = "load"
    FORWARD = "forward"
    LOSS = "loss"
    BACKWARD = "backward"
    CLIP = "clip"
    OPTIMIZER = "optimizer step"
    ZERO_GRAD = "zero grad"
    EVALUATION = "evaluation"


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """One allocation: what it is and where it was born."""

    bytes: int
    """Requested bytes, before any rounding by an allocator."""
    category: Category
    component: str = ""
    """Component of the module that owns it, e.g. 'ffn.down'; '' where no module does."""
    module: str = ""
    """Path of the module that was running, e.g. 'model.layers.3.mlp.down_proj'."""
    op: str = ""
    """The operator that made it, e.g. 'aten.mm'."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """A phase begins."""

    at: int
    """Index into `Timeline.trace` of the first entry of this phase."""
    phase: Phase
    step: int
    """0 for loading, then 1, 2, ... for training steps."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """One entry of the trace, spelled out."""

    index: int
    block_id: int
    block: Block
    born: bool
    """True when the block was allocated, False when it was freed."""
    phase: Phase
    step: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Timeline:
    """Blocks born and freed, in order, with the phase boundaries between them."""

    blocks: tuple[Block, ...]
    trace: tuple[int, ...]
    """Block `i` born is written `i`, block `i` freed is written `~i` (that is, -i - 1)."""
    marks: tuple[Mark, ...]
    """In order; the first stands at 0. A phase without any block still has its mark."""
    environment: Mapping[str, Any] = field(default_factory=dict)
    """Versions, device, and whether this was rehearsed or measured."""

    def __repr__(self) -> str:
        return f"<Timeline of {len(self.blocks):,} blocks, {len(self.trace):,} entries, {len(self.marks):,} phases>"

    def events(self) -> Iterator[Event]:
        """The trace, spelled out one event at a time."""
        starts = [m.at for m in self.marks]
        for index, entry in enumerate(self.trace):
            mark = self.marks[bisect_right(starts, index) - 1]
            block_id = entry if entry >= 0 else ~entry
            yield Event(
                index=index,
                block_id=block_id,
                block=self.blocks[block_id],
                born=entry >= 0,
                phase=mark.phase,
                step=mark.step,
            )

    def mark_at(self, index: int) -> Mark:
        """The phase that trace entry `index` belongs to."""
        return self.marks[bisect_right([m.at for m in self.marks], index) - 1]

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready form; blocks that look alike are written once."""
        kinds: dict[Block, int] = {}
        of_block = [kinds.setdefault(b, len(kinds)) for b in self.blocks]
        return {
            "format_version": FORMAT_VERSION,
            "environment": dict(self.environment),
            "kinds": [asdict(k) for k in kinds],
            "blocks": of_block,
            "trace": list(self.trace),
            "marks": [asdict(m) for m in self.marks],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Timeline":
        """Read back what `to_dict` wrote. Raises ValueError for another format version."""
        if data.get("format_version") != FORMAT_VERSION:
            raise ValueError(f"timeline format {data.get('format_version')!r} is not {FORMAT_VERSION}")
        kinds = [Block(**{**k, "category": Category(k["category"])}) for k in data["kinds"]]
        return cls(
            blocks=tuple(kinds[i] for i in data["blocks"]),
            trace=tuple(data["trace"]),
            marks=tuple(Mark(at=m["at"], phase=Phase(m["phase"]), step=m["step"]) for m in data["marks"]),
            environment=dict(data["environment"]),
        )
