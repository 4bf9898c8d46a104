"""A model of the user's own: `path/to/file.py:build` is a file that is run, and a function in it that returns an nn.Module.

The only place where a user's file is run, and only because its name was typed in this form.
"""

import contextlib
import importlib.util
import inspect
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from anatomy.architecture.anatomy import Anatomy
from anatomy.architecture.facts import Facts
from anatomy.architecture.tied import tied_groups
from anatomy.architecture.tree import tree_from_model
from anatomy.errors import ArchitectureError

_ON_META = "it runs on torch's meta device, where tensors have shapes and no values: compute such numbers without torch"
_FORM = re.compile(r"(.+\.py):([A-Za-z_]\w*)")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class OwnModel:
    """What a user's file made."""

    reference: str
    """As it was typed."""
    file: Path
    model: Any
    """torch.nn.Module, built on the meta device."""
    functions: Mapping[str, Callable[..., Any]]
    """What the file defines beside, by name."""


def own_reference(reference: str) -> tuple[Path, str] | None:
    """(file, function) of 'path/to/file.py:build'; None of anything else. Nothing is read."""
    found = _FORM.fullmatch(reference)
    return (Path(found[1]).expanduser(), found[2]) if found else None


def build_own(reference: str) -> OwnModel:
    """Run the file and call its function, with the meta device as torch's default.

    What it prints goes to stderr. Raises ArchitectureError where it fails, or returns no nn.Module.
    """
    import torch

    found = own_reference(reference)
    if found is None:
        raise ArchitectureError(f"{reference} is not of the form FILE.py:NAME.", hint="e.g. model.py:build")
    file, name = found
    module = _run(file)
    functions = {key: value for key, value in vars(module).items() if callable(value)}
    _check_builds(module, name, file)
    with _explained(file), torch.device("meta"):
        model = functions[name]()
    if not isinstance(model, torch.nn.Module):
        raise ArchitectureError(
            f"{name}() in {file} returns {type(model).__name__}, not a torch.nn.Module.",
            hint="return the model",
        )
    _check_shapes(model, f"{name}() in {file}")
    # Weights that a file loads or places itself are not looked at: the same module, with shapes alone.
    return OwnModel(reference=reference, file=file, model=model.to("meta"), functions=functions)


def check_nothing_set(reference: str, overrides: Mapping[str, Any] | None) -> None:
    """Raise ArchitectureError where facts are set by hand for a model that no config describes."""
    if overrides:
        raise ArchitectureError(
            f"{reference} has no config, so setting {', '.join(overrides)} would change nothing.",
            hint="leave --set out, and change what the function returns",
        )


def own_anatomy(own: OwnModel) -> Anatomy:
    """Parameters, tree and components of a user's model; what no rule knows is reported."""
    tree, unknown = tree_from_model(own.model, {})
    kept = own.model.state_dict().keys()
    dtypes = {str(parameter.dtype).removeprefix("torch.") for parameter in own.model.parameters()}
    return Anatomy(
        id=own.reference,
        origin=f"file: {own.file}, which was run",
        model_type=None,
        architecture=type(own.model).__name__,
        facts=Facts(),
        tree=tree,
        tied=tied_groups(own.model),
        unclassified=unknown,
        buffers={path: buffer.numel() for path, buffer in own.model.named_buffers() if path in kept},
        dtype=next(iter(dtypes)) if len(dtypes) == 1 else None,
    )


def call_own(own: OwnModel, name: str, **offered: Any) -> Any:
    """What a function of the file returns, given those of the offered arguments that it takes."""
    function = own.functions[name]
    taken = inspect.signature(function).parameters
    with _explained(own.file):
        return function(**{key: value for key, value in offered.items() if key in taken})


def _check_builds(module: ModuleType, name: str, file: Path) -> None:
    """Raise ArchitectureError unless the file's `name` can be called as it stands and may return a module."""
    import torch

    made = vars(module).get(name)
    if isinstance(made, torch.nn.Module):
        kind = type(made).__name__
        raise ArchitectureError(
            f"{name} in {file} is a {kind} that is made already, not a function that makes one.",
            hint=f"name a function that returns it, or the class where it takes no arguments: {file}:{kind}",
        )
    if not callable(made):
        what = f"no function {name!r}" if made is None else f"{name!r}, but as {type(made).__name__}"
        raise ArchitectureError(f"{file} defines {what}.", hint=_like(module))
    if inspect.iscoroutinefunction(made) or inspect.isasyncgenfunction(made):
        raise ArchitectureError(
            f"{name}() in {file} is asynchronous: calling it makes a coroutine, not a module.",
            hint="define it with `def` alone",
        )
    if needs := _required(made):
        raise ArchitectureError(
            f"{name}() in {file} is called without arguments, and asks for {', '.join(needs)}.",
            hint="give them defaults, or name a function that takes nothing and returns the module",
        )


def _required(function: Callable[..., Any]) -> list[str]:
    """Arguments without which it cannot be called; none where its signature is not known."""
    try:
        taken = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return []
    optional = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [one.name for one in taken if one.default is one.empty and one.kind not in optional]


def _check_shapes(model: Any, what: str) -> None:
    """A lazy layer has no shapes before it has seen an input."""
    from torch.nn.parameter import is_lazy

    lazy = [name for name, tensor in (*model.named_parameters(), *model.named_buffers()) if is_lazy(tensor)]
    if lazy:
        raise ArchitectureError(
            f"{what} returns a module without shapes: {lazy[0]} is made at the first forward.",
            hint="call the module once before returning it, or write the layer's width out",
        )


def _run(file: Path) -> ModuleType:
    if not file.is_file():
        raise ArchitectureError(
            f"There is no file {file}.", hint="FILE.py:NAME names a Python file and a function in it"
        )
    spec = importlib.util.spec_from_file_location(f"_own_{file.stem}", file)
    if spec is None or spec.loader is None:
        raise ArchitectureError(f"{file} cannot be run as Python.", hint="name a .py file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses and pickles look their module up
    with _explained(file), _beside(file):
        spec.loader.exec_module(module)
    return module


@contextlib.contextmanager
def _beside(file: Path) -> Iterator[None]:
    """Meanwhile the file may import what lies in its folder, as if Python had been started with it."""
    folder = str(file.resolve().parent)
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        sys.path.remove(folder)


@contextlib.contextmanager
def _explained(file: Path) -> Iterator[None]:
    """What the file prints goes to stderr; how it fails becomes a sentence that says where."""
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    except (Exception, SystemExit) as error:
        line = line_in(file, error)
        where = f", line {line}" if line else ""
        said = (str(error).splitlines() or [""])[0]
        raise ArchitectureError(
            f"{file}{where} fails: {type(error).__name__}: {said}.".replace("..", "."),
            hint=_ON_META if "meta tensor" in said else "run the file with Python to see all of it",
        ) from error


def line_in(file: Path, error: BaseException) -> int | None:
    """The innermost line of the file through which an error went; None where it went through none."""
    whole = {str(file), str(file.absolute())}  # Python names a file by its whole path
    lines = [at.lineno for at in traceback.extract_tb(error.__traceback__) if at.filename in whole]
    return lines[-1] if lines else None


def _like(module: ModuleType) -> str:
    own = [n for n, v in vars(module).items() if inspect.isfunction(v) and v.__module__ == module.__name__]
    return f"it defines {', '.join(own)}" if own else "it defines no function"
