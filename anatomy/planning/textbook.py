"""What books and papers say that an optimizer's states take for each parameter, and why a rehearsal says otherwise. A table.

Figures are of states alone, in bytes; one that depends on shapes is given in words.
"""

from collections.abc import Mapping
from dataclasses import dataclass

_DOCS = "transformers docs, Model training anatomy: 8 B for AdamW, 2 B for 8-bit AdamW, 4 B with one state"
_ADAFACTOR = (
    "transformers docs, Methods and tools for efficient training on a single GPU: slightly more than 4 B"
)
_EIGHT = "Dettmers et al. 2022 (arXiv:2110.02861): one byte a state, and one fp32 scale a block"
_LION = "Chen et al. 2023 (arXiv:2302.06675): one moment, where Adam has two"
_ADEMAMIX = "Pagliardini et al. 2024 (arXiv:2409.03137): three moments"
_GALORE = "Zhao et al. 2024 (arXiv:2403.03507), table 1, m <= n"
_APOLLO = "Zhu et al. 2024 (arXiv:2412.05270), table 1, m <= n"
_LOMO = "Lv et al. 2023 (arXiv:2306.09782): no states, and no gradients kept"
_ADALOMO = "Lv et al. 2023 (arXiv:2310.10195): factored second moments, and no gradients kept"
_FREE = "Defazio et al. 2024 (arXiv:2405.15682): no more than the optimizer it replaces"
_TORCH = "torch.optim: one running sum of squares"


@dataclass(frozen=True, kw_only=True, slots=True)
class Textbook:
    """What is written of one optimizer."""

    said: float | str
    """Bytes of states for each parameter, or their number in words."""
    source: str
    why: str = ""
    """Why a rehearsal differs, or what to know besides."""


_DTYPE = "torch keeps states in the parameters' dtype: half in bf16"
_FOREACH = "foreach steps hold {} of all parameters"
_BLOCKS = "blocks of 256 have an fp32 scale (1.6 %); the Trainer leaves embeddings 32-bit states, bitsandbytes small weights"
_PAGED = "states of weights of 100,000 elements and more are in unified memory; those of the others, and scales, stay"
_WIDE = "fp32 states whatever the parameters' dtype"
_SVD_VIEW = (
    "r = 128 for the linear layers, the projection and Adam's moments of r rows; with fp32 parameters the projection is "
    "a view that keeps the whole singular vectors"
)

_SVD_ALWAYS = (
    "r = 128 for the linear layers, no first moment; gradients are projected in fp32, so that the projection is a view that "
    "keeps the whole singular vectors"
)


def _eight(states: int) -> Textbook:
    return Textbook(said=float(states), source=_EIGHT, why=_BLOCKS)


TEXTBOOK: Mapping[str, Textbook] = {
    "adamw_torch": Textbook(said=8.0, source=_DOCS, why=f"{_DTYPE}; {_FOREACH.format('a copy')}"),
    "adamw_torch_fused": Textbook(said=8.0, source=_DOCS, why=f"{_DTYPE}; one kernel needs no copy"),
    "adamw_torch_xla": Textbook(said=8.0, source=_DOCS),
    "adamw_torch_npu_fused": Textbook(said=8.0, source=_DOCS),
    "adafactor": Textbook(
        said=4.0,
        source=_ADAFACTOR,
        why="the Trainer's has no first moment, so rows and columns are left (Shazeer and Stern 2018, arXiv:1804.04235); "
        "updates are computed in fp32",
    ),
    "adamw_anyprecision": Textbook(
        said=8.0, source=_DOCS, why=f"{_WIDE}, as the Trainer sets them; not torchdistx's own default"
    ),
    "adamw_torch_4bit": Textbook(
        said=1.0, source="torchao docs: 4-bit states", why="blocks of 256 have an fp32 scale; small weights are not quantized"
    ),
    "adamw_torch_8bit": Textbook(
        said=2.0, source=_DOCS, why="blocks of 256 have an fp32 scale; embeddings are quantized as well"
    ),
    "ademamix": Textbook(said=12.0, source=_ADEMAMIX, why=_WIDE),
    "sgd": Textbook(
        said=0.0, source="no state without momentum; 4 B with it (optim_args momentum=0.9)"
    ),
    "adagrad": Textbook(said=4.0, source=_TORCH, why=f"{_DTYPE}; {_FOREACH.format('two copies')}"),
    "adamw_bnb_8bit": _eight(2),
    "adamw_8bit": _eight(2),
    "ademamix_8bit": _eight(3),
    "lion_8bit": _eight(1),
    "lion_32bit": Textbook(said=4.0, source=_LION, why=_WIDE),
    "paged_adamw_32bit": Textbook(said=8.0, source=_DOCS, why=_PAGED),
    "paged_adamw_8bit": Textbook(said=2.0, source=_EIGHT, why=_PAGED),
    "paged_ademamix_32bit": Textbook(said=12.0, source=_ADEMAMIX, why=_PAGED),
    "paged_ademamix_8bit": Textbook(said=3.0, source=_EIGHT, why=_PAGED),
    "paged_lion_32bit": Textbook(said=4.0, source=_LION, why=_PAGED),
    "paged_lion_8bit": Textbook(said=1.0, source=_EIGHT, why=_PAGED),
    "rmsprop": Textbook(said=4.0, source=_TORCH, why=f"{_DTYPE}; {_FOREACH.format('a copy')}"),
    "rmsprop_bnb": Textbook(said=4.0, source=_TORCH, why=_WIDE),
    "rmsprop_bnb_8bit": _eight(1),
    "rmsprop_bnb_32bit": Textbook(said=4.0, source=_TORCH, why=_WIDE),
    **{
        f"galore_{name}{layerwise}": Textbook(
            said="mr + 2nr numbers",
            source=_GALORE,
            why=_SVD_ALWAYS if name == "adafactor" else _SVD_VIEW,
        )
        for name in ("adamw", "adamw_8bit", "adafactor")
        for layerwise in ("", "_layerwise")
    },
    "lomo": Textbook(said=0.0, source=_LOMO),
    "adalomo": Textbook(
        said="m + n numbers", source=_ADALOMO, why="fp32 rows and columns, made at once"
    ),
    "grokadamw": Textbook(
        said=12.0,
        source="Adam's two moments, and an average of gradients",
        why="states are on the host, and come for one parameter at a time",
    ),
    "schedule_free_radam": Textbook(said=8.0, source=_FREE, why=_DTYPE),
    "schedule_free_adamw": Textbook(said=8.0, source=_FREE, why=f"{_DTYPE}; {_FOREACH.format('a copy')}"),
    "schedule_free_sgd": Textbook(said=4.0, source=_FREE, why=_DTYPE),
    **{
        f"apollo_adamw{layerwise}": Textbook(
            said="2nr + 2 numbers",
            source=_APOLLO,
            why="r = 128; the package keeps the projection (mr) that the paper draws again from its seed",
        )
        for layerwise in ("", "_layerwise")
    },
    "muon": Textbook(
        said=4.0,
        source="Jordan et al. 2024 (kellerjordan.github.io/posts/muon): one momentum",
        why=f"{_DTYPE}; AdamW's two for embeddings; Newton-Schulz steps of one matrix, in bf16",
    ),
    "stable_adamw": Textbook(
        said=8.0, source=_DOCS, why=f"{_DTYPE}, and a third state there for Kahan's sum"
    ),
}  # fmt: skip
"""Name -> what is written of it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Published:
    """Two runs that somebody measured, alike but for the optimizer."""

    less: str
    """The optimizer that takes less."""
    more: str
    saved_gib: float
    parameters: int
    source: str


_TORCHAO = (
    "pytorch/ao at 36027d82, torchao/optim/README.md: Llama-2-7B in bf16, torchtune, one A100; to 0.1 GiB"
)
PUBLISHED: tuple[Published, ...] = tuple(
    Published(
        less=less,
        more="adamw_torch_fused",
        saved_gib=round(51.6 - measured, 1),
        parameters=6_738_415_616,
        source=_TORCHAO,
    )
    for less, measured in (("adamw_8bit", 39.3), ("adamw_torch_8bit", 39.1), ("adamw_torch_4bit", 33.2))
)
"""Peaks measured with one optimizer and with another: their difference is that of the states."""
MEASURED_CAPTION = "measured without the Trainer: embeddings had 8-bit states as well, and 4 bits had blocks of 128 (0.03 B more)"
