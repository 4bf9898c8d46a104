"""Which implementation of a recurrent layer runs: what the installed environment has, torch's own, or the fused kernels.

transformers looks for packages while it is imported (use_kernel_func_from_hub_with_fallback of integrations/hub_kernels.py):
a function of the package where there is one, its own written in torch where there is not; kernels from the Hub only for
`use_kernels=True`. The function that was not taken is what `__wrapped__` of the other names.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import FunctionType
from typing import Any
from unittest.mock import patch

from anatomy.errors import RehearsalError
from anatomy.rehearsal.kernels.recurrent.causal_conv import causal_conv1d_fn
from anatomy.rehearsal.kernels.recurrent.mamba_inner import mamba_inner_fn
from anatomy.rehearsal.kernels.recurrent.selective_scan import selective_scan_fn
from anatomy.training.choices import RecurrentKernels


@dataclass(frozen=True, kw_only=True, slots=True)
class Fused:
    """A function of a package, which takes the place of one of transformers' own where it is installed."""

    package: str
    """As pip knows it, with the version whose source was read."""
    stand_in: Callable[..., Any] | None = None
    """Takes the blocks that the package's takes; None where those are not known here."""


FUSED: dict[str, Fused] = {
    "causal_conv1d_fn": Fused(package="causal-conv1d 1.7.0", stand_in=causal_conv1d_fn),
    "mamba_inner_fn": Fused(package="mamba-ssm 2.3.2", stand_in=mamba_inner_fn),
    "selective_scan_fn": Fused(package="mamba-ssm 2.3.2", stand_in=selective_scan_fn),
    "mamba_chunk_scan_combined": Fused(package="mamba-ssm"),
    "mamba_split_conv1d_scan_combined": Fused(package="mamba-ssm"),
    "chunk_gated_delta_rule": Fused(package="flash-linear-attention"),
    "chunk_kda": Fused(package="flash-linear-attention"),
}
"""Name that transformers looks for -> what it finds."""


@contextmanager
def implementations(choice: RecurrentKernels, said: dict[str, None]) -> Iterator[None]:
    """While active, transformers' recurrent layers run as chosen; `said` gets a sentence about each function that ran."""
    with ExitStack() as stack:
        for module_name, module in list(sys.modules.items()):
            if not (module_name.startswith("transformers.models.") and ".modeling_" in module_name):
                continue
            for name, function in list(vars(module).items()):
                kernel = _looked_for(function)
                if kernel in FUSED:
                    stack.enter_context(patch.object(module, name, _chosen(choice, kernel, function, said)))
        yield


def _looked_for(function: Any) -> str:
    """The name that transformers looked for when it made this function, or ''."""
    return str(_enclosed(function, "func_name") or "") if hasattr(function, "__wrapped__") else ""


def _enclosed(function: Any, name: str) -> Any:
    """What a function made by another knows by that name."""
    if not isinstance(function, FunctionType) or name not in function.__code__.co_freevars:
        return None
    return (function.__closure__ or ())[function.__code__.co_freevars.index(name)].cell_contents


def _chosen(choice: RecurrentKernels, name: str, function: Any, said: dict[str, None]) -> Callable[..., Any]:
    fused = FUSED[name]
    found = bool(_enclosed(function, "is_new_implementation"))
    if not (choice == "fused" or (choice == "installed" and found)):
        package = fused.package.partition(" ")[0]
        return _noting(function.__wrapped__, f"{name}: in torch, as where {package} is not installed", said)
    if fused.stand_in is None:
        return _refusing(name, fused.package)
    return _noting(
        fused.stand_in, f"{name}: the fused kernel, by the blocks that {fused.package}'s takes", said
    )


def _noting(function: Callable[..., Any], sentence: str, said: dict[str, None]) -> Callable[..., Any]:
    def run(*args: Any, **kwargs: Any) -> Any:
        out = function(*args, **kwargs)
        if out is not None:  # a short cut that only a kernel can take
            said[sentence] = None
        return out

    return run


def _refusing(name: str, package: str) -> Callable[..., Any]:
    def run(*_: Any, **__: Any) -> Any:
        raise RehearsalError(
            f"what {package}'s fused {name} takes is not known.",
            hint="--recurrent-kernels torch rehearses transformers' own implementation",
        )

    return run
