"""Where in a run something happens, in plain English."""

from anatomy.memory.timeline import Phase

_PHASES: dict[Phase, str] = {
    Phase.LOAD: "while the model is loaded",
    Phase.FORWARD: "in forward",
    Phase.LOSS: "in the loss",
    Phase.BACKWARD: "in backward",
    Phase.CLIP: "in gradient clipping",
    Phase.OPTIMIZER: "in the optimizer step",
    Phase.ZERO_GRAD: "while gradients are set to none",
    Phase.EVALUATION: "in the evaluation",
}
_LOSS_OPERATORS = ("log_softmax", "nll_loss", "cross_entropy")
# Wrappers that PEFT puts around a model; they say nothing about where.
_WRAPPER = "base_model.model"


def where(phase: Phase, step: int, module: str, op: str) -> str:
    """'in backward of step 2, in layers.3.mlp.down_proj (aten.mm)': phase, step, module and operator."""
    parts = [_PHASES[phase] + (f" of step {step}" if step else "")]
    if not bare(module) and phase is not Phase.LOSS and any(name in op for name in _LOSS_OPERATORS):
        parts.append("in the loss")
    elif place := bare(module):
        parts.append(f"in {place}")
    return ", ".join(parts) + (f" ({op})" if op not in ("", phase.value) else "")


def bare(module: str) -> str:
    """A module's path in the bare model, without PEFT's wrappers: 'base_model.model.lm_head' -> 'lm_head'."""
    if module in (_WRAPPER, "base_model"):
        return ""
    return module.removeprefix(f"{_WRAPPER}.").replace(".base_layer", "")
