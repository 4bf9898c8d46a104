"""The loops over tokens that transformers runs in Python where no kernel does.

A row is a function of transformers' modeling files, or one that stands for torch's own (`lstm`), with a loop `for t in range(length)`, one turn a token. Every turn does
the same work on tensors of the same sizes; that is checked while it is rehearsed (see `turns`), not believed.
"""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenLoop:
    """A loop, and the local variable that links a turn to the rest of the run."""

    name: str
    """What it is called in an answer."""
    without: str = ""
    """What would run another in its place, where that is not said elsewhere (see kernels/recurrent/fused)."""
    appends: str = ""
    """A list to which every turn appends a tensor..."""
    may_save: bool = False
    """(which the next turn may save for backward, so that it outlives the list)..."""
    carries: str = ""
    """...or a tensor that every turn makes anew of the one before, and that no turn saves which made it."""


TOKEN_LOOPS: dict[str, TokenLoop] = {
    # models/mamba, falcon_mamba, jamba, zamba; use_kernel_func_from_hub_with_fallback("selective_scan_fn", "mamba_ssm").
    "mamba_selective_scan": TokenLoop(name="selective scan", appends="scan_outputs"),
    # models/recurrent_gemma: the real-gated linear recurrent unit has no other implementation there.
    "_rnn_scan": TokenLoop(name="linear recurrence", carries="recurrent_states"),
    # models/rwkv: unless the kernel of kernels-community/rwkv was loaded, which takes `kernels` and ninja.
    "rwkv_linear_attention_cpu": TokenLoop(
        name="RWKV attention", without="the packages kernels and ninja", carries="num_state"
    ),
    # torch.nn.LSTM without cuDNN: in `lstm` here. Every output is the next turn's state.
    "lstm_steps": TokenLoop(name="LSTM", without="cuDNN", appends="step_outputs", may_save=True),
}
"""Name of the function -> its loop."""
