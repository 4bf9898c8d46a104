"""CUDA's autocast, or the CPU's, for meta tensors.

Autocast sits in the dispatcher above autograd, and has no key for meta tensors. Its rules are few: a list of
operators runs in the low precision, a list in fp32, casts of trained fp32 weights are kept until the outermost
context ends. They are registered here on the autocast key of a device that no one rehearses on (HPU, which has no
kernels in a stock torch), which the context switches on for every tensor.

Source of the lists and of the cache's rule: torch's ATen/autocast_mode.h (AT_FORALL_LOWER_PRECISION_FP,
AT_FORALL_FP32, AT_FORALL_FP32_SET_OPT_DTYPE) and autocast_mode.cpp, cached_cast() and the lists of AutocastCPU.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.library import Library
from torch.utils._pytree import tree_map_only

_HOST = "hpu"
_KEY = torch._C.DispatchKey.AutocastHPU
_KEY_SET = torch._C.DispatchKeySet(_KEY)

_LOW = (
    "_convolution.deprecated _convolution conv1d conv2d conv3d conv_tbc conv_transpose1d conv_transpose2d.input "
    "conv_transpose3d.input convolution prelu addmm addmv addr matmul einsum mm mv linalg_vecdot linear addbmm "
    "baddbmm bmm chain_matmul linalg_multi_dot _thnn_fused_lstm_cell _thnn_fused_gru_cell lstm_cell gru_cell "
    "rnn_tanh_cell rnn_relu_cell _scaled_dot_product_flash_attention scaled_dot_product_attention"
).split()
_FP32 = (
    "acos asin cosh erfinv exp expm1 log log10 log2 log1p reciprocal rsqrt sinh tan pow.Tensor_Scalar "
    "pow.Tensor_Tensor pow.Scalar softplus layer_norm native_layer_norm rms_norm group_norm cosine_similarity "
    "poisson_nll_loss cosine_embedding_loss nll_loss nll_loss2d hinge_embedding_loss kl_div l1_loss smooth_l1_loss "
    "huber_loss mse_loss margin_ranking_loss multilabel_margin_loss soft_margin_loss triplet_margin_loss "
    "multi_margin_loss binary_cross_entropy_with_logits dist pdist cdist renorm logsumexp"
).split()
_FP32_RESULT = (
    "prod prod.dim_int softmax.int log_softmax.int cumprod cumsum linalg_vector_norm linalg_matrix_norm "
    "linalg_matrix_norm.str_ord sum sum.dim_IntList"
).split()

_FP32_ON_CPU = (
    "cross_entropy_loss binary_cross_entropy grid_sampler grid_sampler_2d grid_sampler_3d avg_pool3d "
    "adaptive_avg_pool3d adaptive_max_pool3d max_pool3d replication_pad1d replication_pad2d replication_pad3d "
    "reflection_pad1d reflection_pad2d stft stft.center trace polar view_as_complex"
).split()


class _Casts:
    """The low precision in force, and the weights already cast to it."""

    def __init__(self) -> None:
        self.depth = 0
        self.kept: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}

    def to_low(self, tensor: torch.Tensor) -> torch.Tensor:
        low = torch.get_autocast_dtype(_HOST)
        if not _eligible(tensor) or tensor.dtype == low:
            return tensor
        if not (
            tensor.dtype == torch.float32
            and tensor.requires_grad
            and tensor.is_leaf
            and not tensor._is_view()
        ):
            return tensor.to(low)
        kept = self.kept.get(id(tensor))
        if kept is None:
            kept = self.kept[id(tensor)] = (tensor, tensor.to(low))
        return kept[1]


_CASTS = _Casts()


def _eligible(tensor: torch.Tensor) -> bool:
    return bool(tensor.device.type == "meta" and tensor.is_floating_point() and tensor.dtype != torch.float64)


def _to_fp32(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.float() if _eligible(tensor) else tensor


def _casting(op: Any, cast: Callable[[torch.Tensor], torch.Tensor]) -> Callable[..., Any]:
    def kernel(*args: Any, **kwargs: Any) -> Any:
        with torch._C._ExcludeDispatchKeyGuard(_KEY_SET):
            named = tree_map_only(torch.Tensor, cast, kwargs)
            # The compiled wrapper evaluates its arguments from the last to the first.
            positional = [tree_map_only(torch.Tensor, cast, argument) for argument in reversed(args)]
            return op(*reversed(positional), **named)

    return kernel


def _with_fp32_result(op: Any) -> Callable[..., Any]:
    """Ask for an fp32 result unless the caller chose a dtype; the input itself is not cast."""

    def kernel(*args: Any, **kwargs: Any) -> Any:
        names = [a.name for a in op._schema.arguments]
        given = dict(zip(names, args, strict=False)) | kwargs
        if given.get("dtype") is None and _eligible(args[0]):
            given["dtype"] = torch.float32
        with torch._C._ExcludeDispatchKeyGuard(_KEY_SET):
            return op(**given)

    return kernel


def _register(library: Library, *, cuda: bool) -> None:
    """The CPU casts fewer operators: those of the lists that its own autocast has, and none to an fp32 result alone."""
    makers: tuple[tuple[list[str], Callable[[Any], Callable[..., Any]]], ...] = (
        (_LOW, lambda op: _casting(op, _CASTS.to_low)),
        (_FP32 if cuda else _FP32 + _FP32_ON_CPU, lambda op: _casting(op, _to_fp32)),
        (_FP32_RESULT, _with_fp32_result if cuda else lambda op: _casting(op, _to_fp32)),
    )
    for names, make in makers:
        for name in names:
            packet, _, overload = name.partition(".")
            op = getattr(getattr(torch.ops.aten, packet, None), overload or "default", None)
            if op is not None and (cuda or _has_kernel(op.name(), "AutocastCPU")):
                # A list of one version of torch may name what another lacks.
                library.impl(name, make(op), "AutocastHPU")


_has_kernel = torch._C._dispatch_has_kernel_for_dispatch_key


class MetaAutocast(torch.amp.autocast_mode.autocast):
    """`torch.autocast` that also works for the device type 'meta' (and stands in for 'cuda')."""

    def __init__(self, device_type: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(_HOST if device_type in ("meta", "cuda") else device_type, *args, **kwargs)

    def __enter__(self) -> Any:
        self._guard = torch._C._IncludeDispatchKeyGuard(_KEY)
        self._guard.__enter__()
        _CASTS.depth += 1
        return super().__enter__()

    def __exit__(self, *exc: Any) -> Any:
        out = super().__exit__(*exc)
        _CASTS.depth -= 1
        if _CASTS.depth == 0:
            _CASTS.kept.clear()
        self._guard.__exit__(None, None, None)
        return out


@contextmanager
def meta_autocast(*, cuda: bool = True) -> Iterator[None]:
    """While active, autocast knows meta tensors: entering it, asking for it, and checkpointing through it.

    `cuda`: whether it casts as CUDA's does, else as the CPU's.
    """
    library = Library("aten", "IMPL")
    fallback = Library("_", "IMPL")
    fallback.fallback(torch.library.fallthrough_kernel, "AutocastHPU")
    _register(library, cuda=cuda)
    is_enabled, get_dtype, is_available = (
        torch.is_autocast_enabled,
        torch.get_autocast_dtype,
        torch.amp.autocast_mode.is_autocast_available,
    )

    def host(device_type: str) -> str:
        return _HOST if device_type in ("meta", "cuda") else device_type

    replaced = {
        (torch, "autocast"): MetaAutocast,
        (torch.amp, "autocast"): MetaAutocast,
        (torch.amp.autocast_mode, "autocast"): MetaAutocast,
        (torch, "is_autocast_enabled"): lambda d="cuda": is_enabled(host(d)),
        (torch, "get_autocast_dtype"): lambda d: get_dtype(host(d)),
        (torch, "get_autocast_gpu_dtype"): lambda: get_dtype(_HOST),
        (torch.amp, "is_autocast_available"): lambda d: is_available(host(d)),
        (torch.amp.autocast_mode, "is_autocast_available"): lambda d: is_available(host(d)),
    }
    originals = {where: getattr(*where) for where in replaced}
    for (owner, name), value in replaced.items():
        setattr(owner, name, value)
    try:
        with _asked_for_meta_too():
            yield
    finally:
        for (owner, name), value in originals.items():
            setattr(owner, name, value)
        library._destroy()
        fallback._destroy()


@contextmanager
def _asked_for_meta_too() -> Iterator[None]:
    """transformers' `maybe_autocast` leaves meta tensors out; a model that switches autocast off has to be heard.

    Its modules hold the function itself, so that it is the function's code that is exchanged.
    """
    generic = sys.modules.get("transformers.utils.generic")
    function = getattr(generic, "maybe_autocast", None)
    if function is None:
        yield
        return
    code, function.__code__ = function.__code__, _maybe_autocast.__code__
    try:
        yield
    finally:
        function.__code__ = code


def _maybe_autocast(
    device_type: str,
    dtype: Any = None,
    enabled: bool = True,
    cache_enabled: bool | None = None,
) -> Any:
    """transformers/utils/generic.py, without its exception for meta. Runs with that module's globals."""
    from contextlib import nullcontext

    import torch

    if torch.is_autocast_enabled(device_type) or enabled:
        return torch.autocast(device_type, dtype=dtype, enabled=enabled, cache_enabled=cache_enabled)
    return nullcontext()
