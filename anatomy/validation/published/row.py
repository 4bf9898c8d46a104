"""Row: one published run, what was measured of it, and as much of its recipe as its source states."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from anatomy.training.recipe import Recipe
from anatomy.units import GIB, MIB

Kind = Literal["peak", "stage", "fit", "oom"]
"""A number for a training run, a number before training, a run said to fit, a run said not to."""
Sequence = Literal["fixed", "packed", "cap", "variable", "not stated"]
"""Every sequence as long as stated; packed to that length; at most that long; of any length; nothing known."""

_UNITS = {"B": 1, "MiB": MIB, "GiB": GIB, "GB": 10**9}


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """One number that a source prints about a run."""

    metric: str
    """What was measured; a name of `METRICS` where a rehearsal predicts it."""
    value: float
    """As printed."""
    unit: str
    """As stated: B, MiB, GiB, GB (10^9 B), or what the source writes where that is ambiguous."""

    @property
    def bytes(self) -> int | None:
        """The figure in bytes, or None when its unit does not say what it means."""
        size = _UNITS.get(self.unit)
        return None if size is None else round(self.value * size)


METRICS: Mapping[str, str] = {
    "peak allocated": "torch's max_memory_allocated",
    "peak reserved": "torch's max_memory_reserved",
    "peak device": "what nvidia-smi shows for the process",
    "resting": "allocated between steps, gradients freed",
    "resting with gradients": "allocated right after the optimizer step, gradients still there",
}
"""What a rehearsal predicts, in the words of the tables."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One run. Strings are the source's own words unless said otherwise."""

    id: str
    """Our name for it: publisher and run."""
    publisher: str
    source: str
    """Repository at a commit, or a thread: where anyone can read the figures."""
    where: str = ""
    """File and row within the source."""
    kind: Kind
    tier: str
    """A: exact bytes and a nearly complete recipe; B: a rounded number, or one gap in the recipe."""
    n_gpus: int
    gpu: str = "not stated"
    model: str
    method: str
    """As `Recipe.method` where that has a word for it."""
    trainer: str
    """The program that ran the steps."""
    kernels: str
    """'stock', or what replaced the kernels of torch and transformers."""
    sequence: Sequence
    batch_size: int | None = None
    """Sequences in a micro-batch."""
    seq_len: int | None = None
    """Tokens in a sequence, in the sense of `sequence`."""
    precision: str = ""
    setup: str = ""
    """The publisher's name for this configuration, where the id does not show it."""
    software: Mapping[str, str] = field(default_factory=dict)
    """Versions that were measured."""
    measured: tuple[Figure, ...] = ()
    recipe: Recipe | None = None
    """The run in our words, or None when it was not, or cannot be, stated in them."""
    architecture: str | None = None
    """The class that was trained, where it is not the model's own."""
    config: Mapping[str, Any] | None = None
    """The model's config, where the catalog does not have it."""
    compared_at_cap: bool = False
    """Lengths are only bounded, but the rehearsal at the bound is compared, and says so."""
    empties_cache: bool = False
    """The training loop gives cached memory back now and then, so its longest batch may meet an empty cache."""
    casts_back: bool = False
    """After PEFT the trainer cast embeddings and head back to bf16 (TRL's peft_module_casting_to_bf16)."""
    note: str = ""
    """What a reader of the comparison should know."""
