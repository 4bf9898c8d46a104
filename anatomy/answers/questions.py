"""Questions that a program asks of its data while no data is there.

Answered with the real value where it is known (see `values`); otherwise with an assumption that is written down
and shown; otherwise refused. Never with a blanket guess.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from anatomy.answers.shapes import shortcut
from anatomy.answers.values import UnknownValueError, Values, remember
from anatomy.errors import RehearsalError

_aten = torch.ops.aten


@dataclass(frozen=True, kw_only=True, slots=True)
class Assumption:
    """A question whose answer depends on data, and what is assumed."""

    file: str
    """End of the path of the file that asks."""
    function: str
    """Name of the function that asks."""
    answer: bool | int | float
    """Of a tensor: every one of its elements."""
    sentence: str
    """What the answer means, as shown to the user."""
    itself: bool = False
    """Whether the function has to ask itself: not what it calls, such as the model."""


ASSUMPTIONS: tuple[Assumption, ...] = (
    Assumption(
        file="torch/amp/grad_scaler.py",
        function="_maybe_opt_step",
        answer=0.0,
        sentence="no gradient overflows, so the loss scaler skips no optimizer step",
    ),
    Assumption(
        file="trl/trainer/sft_trainer.py",
        function="compute_loss",
        answer=0.0,
        sentence="the entropy and accuracy that TRL logs decide nothing",
        itself=True,
    ),
    *(
        Assumption(
            file=f"liger_kernel/ops/{kernel}.py",
            function=f"{kernel}_backward",
            answer=False,
            sentence="the loss's own gradient is not exactly 1, so Liger scales in place what it has made",
            itself=True,
        )
        for kernel in ("fused_linear_cross_entropy", "cross_entropy")
    ),
    Assumption(
        file="ibert/quant_modules.py",
        function="forward",
        answer=True,
        sentence="no activation is NaN",
        itself=True,
    ),
    Assumption(
        file="torch/distributions/distribution.py",
        function="__init__",
        answer=True,
        sentence="what the model makes a distribution of is valid",
        itself=True,
    ),
    Assumption(
        file="apollo_torch/apollo.py",
        function="step",
        answer=True,
        sentence="no gradient grows so fast that APOLLO limits it",
    ),
    Assumption(
        file="lomo_optim/adalomo.py",
        function="func",
        answer=True,
        sentence="no parameter is so close to zero that AdaLOMO's scale of its update is the least one",
    ),
    Assumption(
        file="optimi/stableadamw.py",
        function="_single_param_stableadamw",
        answer=1.0,
        sentence="how much StableAdamW shortens an update decides nothing",
    ),
    Assumption(
        file="peft/tuners/vblora/layer.py",
        function="_get_lora_matrices",
        answer=False,
        sentence="VB-LoRA's logits are finite, as in a run that is not resumed from its top-k weights",
        itself=True,
    ),
    *(
        Assumption(
            file=f"{model}/modeling_{model}.py",
            function="convert_img2bpe",
            answer=0,
            sentence="which entry of its codebook a part of a picture is nearest to decides nothing",
            itself=True,
        )
        for model in ("chameleon", "emu3")
    ),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Router:
    """Code that chooses each token's experts, in a model whose loop over experts then asks which were chosen."""

    file: str
    function: str


ROUTERS: tuple[Router, ...] = (
    Router(file="jetmoe/modeling_jetmoe.py", function="forward"),
    Router(file="dbrx/modeling_dbrx.py", function="route_tokens_to_experts"),
    Router(file="nllb_moe/modeling_nllb_moe.py", function="route_tokens"),
    Router(file="switch_transformers/modeling_switch_transformers.py", function="forward"),
    Router(file="longcat_flash/modeling_longcat_flash.py", function="get_topk_indices"),
)
_EVENLY = "the router spreads its tokens evenly over the experts"


class Questions:
    """Runs operators on meta tensors, and answers those that need data."""

    def __init__(self) -> None:
        self.values = Values()
        self.assumed: dict[str, None] = {}
        self._special: dict[Any, Callable[..., Any]] = {
            _aten._local_scalar_dense.default: self._scalar,
            _aten.nonzero.default: self._on_values,
            _aten.masked_select.default: self._on_values,
            _aten.topk.default: self._route,
            _aten.argmax.default: self._route,
            _aten.repeat_interleave.Tensor: self._repeats,
            _aten.unique_consecutive.default: self._on_values,
            _aten._unique2.default: self._on_values,
            _aten.index.Tensor: self._index,
            _aten.index_put.default: self._index,
            _aten.index_put_.default: self._index,
            _aten._index_put_impl_.default: self._index,
            _aten._to_copy.default: self._copy,
            _aten.copy_.default: self._copy,
            _aten.equal.default: self._scalar,
            _aten.is_nonzero.default: self._scalar,
        }

    def run(self, func: Any, args: Any, kwargs: Any) -> Any:
        """`func` on meta tensors, with real values wherever they are needed and known."""
        special = self._special.get(func)
        if special is not None:
            return special(func, args, kwargs)
        out = shortcut(func, args, kwargs)
        if out is None:
            out = func(*args, **kwargs)
        elif self.values.of(_first(args)) is None:  # the common case, without a look at the others
            return out
        self.values.follow(func, args, kwargs, out)
        return out

    def _scalar(self, func: Any, args: Any, kwargs: Any) -> Any:
        try:
            return self.values.answer(func, args, kwargs)
        except UnknownValueError:
            return self._assume("item")

    def _on_values(self, func: Any, args: Any, kwargs: Any) -> Any:
        """An operator whose output's size depends on data."""
        try:
            known = self.values.answer(func, args, kwargs)
        except UnknownValueError:
            raise _refusal(func.name()) from None
        return torch.utils._pytree.tree_map_only(torch.Tensor, self._to_meta, known)

    def _route(self, func: Any, args: Any, kwargs: Any) -> Any:
        """The best experts of each token: unknown, and in a loop over experts assumed."""
        out = func(*args, **kwargs)
        self.values.follow(func, args, kwargs, out)
        best, experts = (out if isinstance(out, torch.Tensor) else out[1]), args[0].shape[-1]
        if self.values.of(best) is None and (where := _asking(ROUTERS)) is not None:
            self.assumed[f"{_EVENLY} ({where})"] = None
            remember(best, (torch.arange(best.numel()) % experts).view(best.shape))
        return out

    def _repeats(self, func: Any, args: Any, kwargs: Any) -> Any:
        """The positions of rows that are repeated; how many they are is data unless it is said."""
        return (
            self._on_values(func, args, kwargs)
            if kwargs.get("output_size") is None
            else func(*args, **kwargs)
        )

    def _copy(self, func: Any, args: Any, kwargs: Any) -> Any:
        """A copy; to the host (`.cpu()`, `.tolist()`) it needs the data."""
        to_host = func is _aten.copy_.default and args[0].device.type == "cpu"
        to_host = to_host or getattr(kwargs.get("device"), "type", None) == "cpu"
        if to_host and any(isinstance(a, torch.Tensor) and a.device.type == "meta" for a in args):
            try:
                return self.values.answer(func, args, kwargs)
            except UnknownValueError:
                answer = self._assume("a copy to the host")
                dtype = kwargs.get("dtype") or args[0].dtype
                return torch.full(args[0].shape, answer, dtype=dtype, device="cpu")
        out = func(*args, **kwargs)
        self.values.follow(func, args, kwargs, out)
        return out

    def _index(self, func: Any, args: Any, kwargs: Any) -> Any:
        """Indexing; a boolean index becomes the positions at which it is true."""
        indices: list[Any] = []
        for index in args[1]:
            if index is not None and index.dtype in (torch.bool, torch.uint8) and index.device.type == "meta":
                indices += self._positions(index)
            else:
                indices.append(index)
        args = (args[0], indices, *args[2:])
        out = func(*args, **kwargs)
        self.values.follow(func, args, kwargs, out)
        return out

    def _positions(self, mask: torch.Tensor) -> list[torch.Tensor]:
        """Where a boolean index is true, a tensor for each of its dimensions."""
        found = self._on_values(_aten.nonzero.default, (mask,), {})
        return [self._to_meta(column) for column in self.values.of(found).unbind(1)]  # type: ignore[union-attr]

    def _to_meta(self, known: torch.Tensor) -> torch.Tensor:
        out = torch.empty_like(known, device="meta")
        out._anatomy_value = known
        return out

    def _assume(self, what: str) -> Any:
        """The answer of the row for the place that asks; a refusal where there is none."""
        for depth, (file, function, line) in enumerate(_callers()):
            for row in ASSUMPTIONS:
                if file.endswith(row.file) and function == row.function and not (row.itself and depth):
                    self.assumed[f"{row.sentence} ({row.file}:{line})"] = None
                    return row.answer
        raise _refusal(what)


def _first(args: Any) -> torch.Tensor:
    """The first tensor of an operator's arguments, which may be in a list."""
    first: torch.Tensor = args[0] if isinstance(args[0], torch.Tensor) else args[0][0]
    return first


def _refusal(what: str) -> RehearsalError:
    file, function, line = next(_callers(), ("?", "?", 0))
    where = "/".join(
        file.split("/")[-3:]
    )  # as other sentences name it: the folder that it is installed in is no news
    return RehearsalError(
        f"the model asks for data that only a real run has: {what} in {function} ({where}:{line}).",
        hint="this architecture cannot be rehearsed truthfully yet; `anatomy show` still counts it",
    )


def _asking(rows: tuple[Router, ...]) -> str | None:
    """File and line of the first of these that is at work directly; None for none of them."""
    file, function, line = next(_callers(), ("", "", 0))
    found = (row for row in rows if file.endswith(row.file) and function == row.function)
    return next((f"{row.file}:{line}" for row in found), None)


_OURS = tuple(f"/anatomy/{room}/" for room in ("answers", "rehearsal"))


def _callers() -> Any:
    """(file, function, line) of the frames that led here, innermost first, without torch's plumbing and ours."""
    frame = sys._getframe(1)
    while frame is not None:
        file = frame.f_code.co_filename
        if (
            not any(room in file for room in _OURS)
            and "/torch/_" not in file
            and "/torch/utils/_" not in file
        ):
            yield file, frame.f_code.co_name, frame.f_lineno
        frame = frame.f_back  # type: ignore[assignment]
