"""Optimizers that a rehearsal cannot run itself, as the blocks they take: the same states, the same temporaries in order.

They calculate nothing that anybody should train with; they are made for meta tensors.
"""

from collections.abc import Iterable
from typing import Any

import torch


class AnyPrecision(torch.optim.Optimizer):
    """AnyPrecisionAdamW of torchdistx (optimizers/anyprecision_optimizer.py): moments in dtypes of one's choice."""

    def __init__(self, params: Any, **settings: Any) -> None:
        super().__init__(params, settings)

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def step(self, closure: Any = None) -> None:
        """One parameter after the other, as there: the two temporaries of one live until the next has its own."""
        for group in self.param_groups:
            kahan = group["use_kahan_summation"]
            for parameter in _with_gradients(group["params"]):
                state = self.state[parameter]
                if not state:
                    state["exp_avg"] = torch.zeros_like(parameter, dtype=group["momentum_dtype"])
                    state["exp_avg_sq"] = torch.zeros_like(parameter, dtype=group["variance_dtype"])
                    if kahan:
                        dtype = group["compensation_buffer_dtype"]
                        state["compensation"] = torch.zeros_like(parameter, dtype=dtype)
                variance = (state["exp_avg_sq"].sqrt() / 1.0).add_(group["eps"])
                if kahan:
                    before = parameter.detach().clone()
                    state["compensation"].add_(before.sub_(parameter.data))
                parameter.data.addcdiv_(state["exp_avg"], variance)


class Grok(torch.optim.Optimizer):
    """GrokAdamW (grokadamw/grokadamw.py, `_update_group`): three states on the host, copied for each parameter."""

    def __init__(self, params: Any, **settings: Any) -> None:
        super().__init__(params, settings)

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def step(self, closure: Any = None) -> None:
        """The copies of one parameter live until the next one's have replaced them."""
        for group in self.param_groups:
            for parameter in _with_gradients(group["params"]):
                first, second = torch.empty_like(parameter), torch.empty_like(parameter)
                average = torch.empty_like(parameter)
                torch.nn.utils.clip_grad_norm_(parameter, group["gradient_clipping"])
                average.mul_(group["alpha_init"]).add_(parameter.grad)
                amplified = parameter.grad + group["lamb"] * average
                first.mul_(0.9).add_(amplified)
                second.mul_(0.999).addcmul_(amplified, amplified)
                parameter.addcdiv_(first, second.sqrt().add_(group["eps"]))


STAND_INS: dict[str, type[torch.optim.Optimizer]] = {"adamw_anyprecision": AnyPrecision, "grokadamw": Grok}
"""Name -> what stands in for it on meta."""


def stand_in(name: str, settings: dict[str, str]) -> tuple[type[torch.optim.Optimizer], dict[str, Any]]:
    """The class that stands in for an optimizer, and what transformers would give the real one.

    `settings` are the parsed `optim_args`; the defaults are those of transformers' trainer_optimizer.py.
    """
    if name == "grokadamw":
        numbers = {"alpha_init": 0.98, "lamb": 2.0, "gradient_clipping": 1.0}
        given: dict[str, Any] = {key: float(settings.get(key, usual)) for key, usual in numbers.items()}
    else:
        dtypes = {
            "momentum_dtype": "float32",
            "variance_dtype": "float32",
            "compensation_buffer_dtype": "bfloat16",
        }
        given = {key: getattr(torch, settings.get(key, usual)) for key, usual in dtypes.items()}
        given["use_kahan_summation"] = settings.get("use_kahan_summation", "False").lower() in _TRUE
    return STAND_INS[name], {"lr": 5e-5, "eps": 1e-8, **given}


_TRUE = ("true", "1", "yes", "y", "on", "t")


def _with_gradients(parameters: Iterable[torch.Tensor]) -> Iterable[torch.Tensor]:
    return (parameter for parameter in parameters if parameter.grad is not None)
