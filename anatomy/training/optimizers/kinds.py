"""The optimizers of transformers' Trainer: who makes each, what it reads, how a rehearsal answers for it. A table; no imports.

The names are `OptimizerNames` of transformers 5.23; a test holds the installed ones against the rows.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Fate = Literal["rehearsed", "rehearsed with its package", "modelled", "refused"]
"""How a rehearsal answers for a name: with the real optimizer, with the real one where its package is installed, with a
stand-in that takes the same blocks, or not at all."""


@dataclass(frozen=True, kw_only=True, slots=True)
class OptimizerKind:
    """One name of `TrainingArguments(optim=...)`."""

    package: str | None = None
    """What pip installs it from, where torch and transformers do not have it."""
    reads: tuple[str, ...] = ()
    """Keys of `optim_args` that transformers passes on (trainer_optimizer.py)."""
    low_rank: bool = False
    """True where it projects the gradients of target modules, which have to be named."""
    in_backward: bool = False
    """True where it updates each parameter during backward, and lets the gradient go at once."""
    modelled: str = ""
    """What stands in for it in a rehearsal, and why."""
    refused: str = ""
    """Why it cannot be rehearsed: the end of a sentence that begins with its name."""
    note: str = ""
    """What the answer has to say about a rehearsal of it."""

    @property
    def fate(self) -> Fate:
        """How a rehearsal answers for it."""
        if self.refused:
            return "refused"
        if self.modelled:
            return "modelled"
        return "rehearsed with its package" if self.package else "rehearsed"


_ADEMAMIX = ("beta1", "beta2", "beta3", "alpha", "eps", "t_alpha", "t_beta3")
_GALORE = ("rank", "update_proj_gap", "scale", "proj_type")
_SVD = "GaLore decomposes a gradient anew every update_proj_gap (200) steps; the first step, in which it does, is rehearsed"
_NO_GRADIENTS = "gradients are let go as they are used in backward: max_grad_norm finds none to clip"
_GALORE_8BIT = (
    "fails in its first step on every device: galore-torch 1.0 gives bitsandbytes 0.50 an argument that it no longer has "
    "(percentile_clipping), in whose place max_unorm now stands"
)
_COMPILED = (
    "torchao compiles its update: what Inductor keeps between its kernels is not counted (on the CPU it is two fp32 "
    "copies of one parameter)"
)


def _bitsandbytes(reads: tuple[str, ...] = ()) -> OptimizerKind:
    return OptimizerKind(package="bitsandbytes", reads=reads)


def _galore(*, layerwise: bool = False, refused: str = "") -> OptimizerKind:
    note = f"{_SVD}; {_NO_GRADIENTS}" if layerwise else _SVD
    return OptimizerKind(
        package="galore-torch",
        reads=_GALORE,
        low_rank=True,
        in_backward=layerwise,
        refused=refused,
        note=note,
    )


def _apollo(*, layerwise: bool = False) -> OptimizerKind:
    return OptimizerKind(
        package="apollo-torch",
        reads=(*_GALORE, "proj", "scale_type"),
        low_rank=True,
        in_backward=layerwise,
        note=_NO_GRADIENTS if layerwise else "",
    )


def _torchao() -> OptimizerKind:
    return OptimizerKind(package="torchao", reads=("block_size", "bf16_stochastic_round"), note=_COMPILED)


def _schedule_free() -> OptimizerKind:
    return OptimizerKind(package="schedulefree", reads=("weight_lr_power", "r"))


OPTIMIZERS: Mapping[str, OptimizerKind] = {
    "adamw_torch": OptimizerKind(),
    "adamw_torch_fused": OptimizerKind(),
    "adamw_torch_xla": OptimizerKind(
        refused="runs on XLA devices only (torch_xla's syncfree AdamW), whose compiler decides what memory is used"
    ),
    "adamw_torch_npu_fused": OptimizerKind(
        refused="runs on Ascend NPUs only (a kernel of torch_npu), whose allocator is not the CUDA one"
    ),
    "adafactor": OptimizerKind(),
    "adamw_anyprecision": OptimizerKind(
        reads=("use_kahan_summation", "momentum_dtype", "variance_dtype", "compensation_buffer_dtype"),
        modelled="modelled after torchdistx's source: the package is on no index, and its development has ended",
    ),
    "adamw_torch_4bit": _torchao(),
    "adamw_torch_8bit": _torchao(),
    "ademamix": _bitsandbytes(_ADEMAMIX),
    "sgd": OptimizerKind(reads=("momentum", "dampening", "weight_decay", "nesterov")),
    "adagrad": OptimizerKind(reads=("lr_decay", "weight_decay", "eps")),
    "adamw_bnb_8bit": _bitsandbytes(),
    "adamw_8bit": _bitsandbytes(),
    "ademamix_8bit": _bitsandbytes(_ADEMAMIX),
    "lion_8bit": _bitsandbytes(),
    "lion_32bit": _bitsandbytes(),
    "paged_adamw_32bit": _bitsandbytes(),
    "paged_adamw_8bit": _bitsandbytes(),
    "paged_ademamix_32bit": _bitsandbytes(_ADEMAMIX),
    "paged_ademamix_8bit": _bitsandbytes(_ADEMAMIX),
    "paged_lion_32bit": _bitsandbytes(),
    "paged_lion_8bit": _bitsandbytes(),
    "rmsprop": OptimizerKind(reads=("momentum", "alpha", "eps", "weight_decay", "centered")),
    "rmsprop_bnb": _bitsandbytes(),
    "rmsprop_bnb_8bit": _bitsandbytes(),
    "rmsprop_bnb_32bit": _bitsandbytes(),
    "galore_adamw": _galore(),
    "galore_adamw_8bit": _galore(refused=_GALORE_8BIT),
    "galore_adafactor": _galore(),
    "galore_adamw_layerwise": _galore(layerwise=True),
    "galore_adamw_8bit_layerwise": _galore(layerwise=True, refused=_GALORE_8BIT),
    "galore_adafactor_layerwise": _galore(
        layerwise=True,
        refused="cannot be made by transformers 5.23, which asks galore-torch's Adafactor for a learning rate and for "
        "relative steps at once",
    ),
    "lomo": OptimizerKind(package="lomo-optim", in_backward=True, note=_NO_GRADIENTS),
    "adalomo": OptimizerKind(package="lomo-optim", in_backward=True, note=_NO_GRADIENTS),
    "grokadamw": OptimizerKind(
        reads=("alpha_init", "lamb", "gamma", "grokking_signal_decay_rate", "gradient_clipping"),
        modelled="modelled after grokadamw 0.1.2's source: it keeps its states on the host and copies them for each "
        "parameter, whose values no rehearsal has",
    ),
    "schedule_free_radam": _schedule_free(),
    "schedule_free_adamw": _schedule_free(),
    "schedule_free_sgd": _schedule_free(),
    "apollo_adamw": _apollo(),
    "apollo_adamw_layerwise": _apollo(layerwise=True),
    "stable_adamw": OptimizerKind(
        package="torch-optimi",
        reads=("max_lr", "kahan_sum", "decouple_lr"),
        note="torch-optimi's Triton kernels update in place, as they do on CUDA where Triton is installed",
    ),
    "muon": OptimizerKind(
        note="muon is no optimizer of the Trainer's: torch.optim.Muon has the matrices of hidden layers, fused AdamW "
        "embeddings, the head and what is no matrix",
    ),
}
"""Every name that transformers knows, and then those of our own."""

OWN = ("muon",)
"""Names that no Trainer knows, of optimizers that torch has."""

UNKNOWN = OptimizerKind()
"""A name that another version of transformers may know: tried as it is."""


def kind_of(optimizer: str) -> OptimizerKind:
    """The row of a name; `UNKNOWN` without one."""
    return OPTIMIZERS.get(optimizer, UNKNOWN)


def parsed_args(text: str | None) -> dict[str, str]:
    """`optim_args` as transformers takes it apart: 'key=value,key=value'. Raises ValueError where it is none."""
    pairs = [pair.split("=") for pair in (text or "").replace(" ", "").split(",") if text]
    if any(len(pair) != 2 or not all(pair) for pair in pairs):
        raise ValueError(text)
    return dict(pairs)
