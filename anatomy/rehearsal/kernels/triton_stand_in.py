"""Triton without Triton: its kernels take no memory, so a rehearsal needs the Python around them alone.

Packages of kernels (Liger, cut-cross-entropy) allocate with torch and launch with Triton. Where Triton is installed, its
launches do nothing to meta tensors while a rehearsal runs; where it is not, modules stand in for it while such a package
is imported, whose kernels can be launched on meta tensors alone.
"""

import builtins
import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any
from unittest.mock import patch

import torch

_TRITON = "triton"
LIBRARIES = ("liger_kernel.", "cut_cross_entropy.", "trl.")
"""Beginnings of the names of modules that get the stand-in: torch and transformers go on finding no Triton."""


@contextmanager
def triton_there() -> Iterator[None]:
    """While active, LIBRARIES can import Triton. Does nothing where it is installed."""
    if find_spec(_TRITON) is not None:
        yield
        return
    import_, import_module = builtins.__import__, importlib.import_module

    def importing(name: str, *args: Any, **kwargs: Any) -> Any:
        given = {**dict(zip(("globals", "locals", "fromlist", "level"), args, strict=False)), **kwargs}
        importer = (given.get("globals") or {}).get("__name__")
        if given.get("level") or not _is_triton(name) or not _is_library(importer):
            return import_(name, *args, **kwargs)
        return _Name.at(name if given.get("fromlist") else _TRITON)

    def importing_module(name: str, package: str | None = None) -> Any:
        asks = _is_triton(name) and _is_library(sys._getframe(1).f_globals.get("__name__"))
        return _Name.at(name) if asks else import_module(name, package)

    with (
        patch.object(builtins, "__import__", importing),
        patch.object(importlib, "import_module", importing_module),
    ):
        yield


def _is_triton(name: str) -> bool:
    return name.partition(".")[0] == _TRITON


def _is_library(name: Any) -> bool:
    return isinstance(name, str) and name.startswith(LIBRARIES)


@contextmanager
def launching_nothing() -> Iterator[None]:
    """While active, an installed Triton's kernels do nothing to meta tensors. Does nothing where none is imported."""
    jit = sys.modules.get("triton.runtime.jit")
    if jit is None:
        yield
        return
    launch = jit.KernelInterface.__getitem__

    def launcher(kernel: Any, grid: Any) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            return None if _on_meta(args, kwargs) else launch(kernel, grid)(*args, **kwargs)

        return run

    with patch.object(jit.KernelInterface, "__getitem__", launcher):
        yield


def _on_meta(args: Any, kwargs: Any) -> bool:
    tensors = [a for a in (*args, *kwargs.values()) if isinstance(a, torch.Tensor)]
    return any(tensor.device.type == "meta" for tensor in tensors)


class _Kernel:
    """What a decorated function becomes."""

    def __init__(self, function: Any) -> None:
        self.fn = function
        self.__name__ = getattr(function, "__name__", "kernel")

    def __getitem__(self, grid: Any) -> Callable[..., None]:
        def launch(*args: Any, **kwargs: Any) -> None:
            if not _on_meta(args, kwargs):
                raise ModuleNotFoundError(f"No module named 'triton', which {self.__name__} needs")

        return launch


class _Constant:
    """triton.language.constexpr: Python code on the host reads its value."""

    def __init__(self, value: Any) -> None:
        self.value = value


class _Config:
    """triton.Config: sizes of blocks to choose among."""

    def __init__(self, kwargs: dict[str, Any], **options: Any) -> None:
        self.kwargs = kwargs
        self._options = options

    def all_kwargs(self) -> dict[str, Any]:
        """Of the kernel and of its launch."""
        return {**self.kwargs, **self._options}


class _Name:
    """A name in Triton. Most are spoken of inside kernels, and nothing runs those."""

    def __init__(self, path: str) -> None:
        self._path = path

    @staticmethod
    def at(path: str) -> Any:
        """What stands at a path, e.g. 'triton.language'."""
        return _KNOWN.get(path) or _Name(path)

    def __getattr__(self, name: str) -> Any:
        path = f"{self._path}.{name}"
        if name.startswith("__") and path not in _KNOWN:
            raise AttributeError(name)
        return self.at(path)

    def __call__(self, *_: Any, **__: Any) -> "_Name":
        return self


def _jit(function: Any = None, **_: Any) -> Any:
    return _Kernel if function is None else _Kernel(function)


def _decorator(*_: Any, **__: Any) -> Callable[[Any], _Kernel]:
    """triton.autotune, triton.heuristics: they choose sizes of blocks, which no tensor has."""
    return lambda kernel: kernel if isinstance(kernel, _Kernel) else _Kernel(kernel)


def _cdiv(x: int, y: int) -> int:
    return -(-x // y)


def _next_power_of_2(n: int) -> int:
    return 1 << max(n - 1, 0).bit_length()


_KNOWN: dict[str, Any] = {
    "triton.jit": _jit,
    "triton.autotune": _decorator,
    "triton.heuristics": _decorator,
    "triton.Config": _Config,
    "triton.cdiv": _cdiv,
    "triton.next_power_of_2": _next_power_of_2,
    "triton.language.constexpr": _Constant,
    "triton.runtime.autotuner.Autotuner": _Kernel,
    "triton.runtime.autotuner.Heuristics": _Kernel,
    "triton.__version__": "3.4.0",
}
"""What Python outside kernels calls, as Triton has it (triton/__init__.py, runtime/jit.py, language/core.py). The version is
one whose interface the packages know."""
