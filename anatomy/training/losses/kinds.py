"""The losses that a recipe can name: who makes each, and what is said of it. A table; no imports of libraries."""

from dataclasses import dataclass
from typing import Any

from anatomy.errors import RecipeError


@dataclass(frozen=True, kw_only=True, slots=True)
class LossKind:
    """One value of a recipe's `loss`."""

    package: str | None = None
    """What pip installs it from, where torch and transformers do not have it."""
    module: str = ""
    """The module of the package that has it."""
    function: str = ""
    """The autograd function in that module that computes it."""
    makes_logits: bool = True
    """False where logits are made a tile at a time, and never all there."""
    on_cpu: bool = True
    """False where it is kernels that run on GPUs alone."""
    note: str = ""
    """What the answer has to say about a rehearsal of it."""


LOSSES: dict[str, LossKind] = {
    "stock": LossKind(),
    "chunked": LossKind(
        note="the chunked loss makes fp32 of the logits an eighth of the sequence at a time, op by op; torchtune and axolotl "
        "compile it: see loss chunked-compiled"
    ),
    "chunked-compiled": LossKind(
        on_cpu=False,
        note="the compiled loss is modelled, by what Inductor keeps of it: the logits, and two fp32 numbers a token",
    ),
    "liger": LossKind(
        package="liger-kernel",
        module="liger_kernel.ops.fused_linear_cross_entropy",
        function="LigerFusedLinearCrossEntropyFunction",
        makes_logits=False,
        on_cpu=False,
    ),
    "cut": LossKind(
        package="cut-cross-entropy",
        module="cut_cross_entropy.cce",
        function="LinearCrossEntropyFunction",
        makes_logits=False,
        on_cpu=False,
        note="the matrix products inside cut-cross-entropy's kernels are not in the FLOPs",
    ),
    "trl": LossKind(
        package="trl",
        module="trl.kernels.chunked_logprob",
        function="ChunkedLogProbFunction",
        makes_logits=False,
    ),
}


def check_dpo(recipe: Any) -> None:
    """Raises RecipeError for settings of a recipe that DPO cannot have."""
    for reason, hint in (
        (
            recipe.loss not in ("stock", "trl")
            and f"scores whole sequences, which loss {recipe.loss!r} does not",
            "--loss trl",
        ),
        (
            recipe.label_smoothing
            and "smooths no labels of tokens; TRL's own label_smoothing takes no memory",
            "leave it out",
        ),
        (recipe.virtual_tokens and "with virtual tokens is not modelled", "use --method lora"),
        (recipe.padding_free and "without padding is not modelled", "leave --padding-free out"),
        (
            recipe.quantized and recipe.copies_reference and "with a second quantized model is not modelled",
            "--dpo-reference auto",
        ),
    ):
        if reason:
            raise RecipeError(f"objective 'dpo' {reason}.", hint=hint)


def check_loss(name: str, label_smoothing: float, precision: str) -> None:
    """Raises RecipeError for settings of the loss that cannot be, or not together."""
    if name == "cut" and precision not in ("bf16", "fp16"):
        raise RecipeError(
            f"cut-cross-entropy takes 16-bit hidden states, which {precision} does not make.",
            hint="use --precision bf16",
        )
    if not 0 <= label_smoothing < 1:
        raise RecipeError(
            f"label_smoothing is {label_smoothing}, but must be at least 0 and below 1.", hint="0.1 is usual"
        )
    # Under Liger the Trainer keeps the labels to itself, and the model makes its logits after all.
    if label_smoothing and name not in ("stock", "liger"):
        raise RecipeError(
            f"label_smoothing is computed from all the logits, in the place of the loss {name!r}.",
            hint="leave one of the two out",
        )
