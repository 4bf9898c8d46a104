"""What classes and functions are, as their source says it: signatures, and the sentence under each field."""

import ast
import inspect
import textwrap
from dataclasses import dataclass
from itertools import pairwise
from types import ModuleType
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Field:
    """A field of a dataclass."""

    name: str
    annotation: str
    """Its type as it is written."""
    default: str
    """Its default as it is written; empty where it has none."""
    text: str
    """The docstring under it, on one line; empty where there is none."""


def fields_of(kind: type) -> list[Field]:
    """The fields that a class declares itself."""
    body = _tree(kind).body
    found = []
    for at, node in enumerate(body):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            after = body[at + 1] if at + 1 < len(body) else None
            found.append(
                Field(
                    name=node.target.id,
                    annotation=_type(node.annotation),
                    default="" if node.value is None else ast.unparse(node.value),
                    text=_string(after),
                )
            )
    return found


def alias_of(module: ModuleType, name: str) -> Field:
    """A module's name for a type, what it stands for (`annotation`), and what is said of it."""
    body = ast.parse(inspect.getsource(module)).body
    for node, after in pairwise(body):
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            return Field(name=name, annotation=_type(node.value), default="", text=_string(after))
    raise LookupError(f"{module.__name__} has no {name}")


def signature_of(function: Any) -> str:
    """'name(a: int, *, b: str = "x") -> T', a line for each argument where they do not fit into one."""
    node = _tree(inspect.unwrap(function))
    assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    arguments = _arguments(node)
    returns = "" if node.returns is None else f" -> {_type(node.returns)}"
    line = f"{node.name}({', '.join(arguments)}){returns}"
    if len(line) <= WIDTH:
        return line
    return f"{node.name}(\n" + "".join(f"    {argument},\n" for argument in arguments) + f"){returns}"


WIDTH = 100
"""Characters of a line of code in a page."""


def is_property(kind: type, name: str) -> bool:
    """Whether an attribute is read without a call."""
    return not callable(inspect.getattr_static(kind, name)) and not isinstance(
        inspect.getattr_static(kind, name), classmethod | staticmethod
    )


def public_members(kind: type) -> list[str]:
    """Methods and properties that a class declares itself, in the order of its source."""
    return [
        node.name
        for node in _tree(kind).body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
    ]


def _arguments(node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    """Each argument with its type and default; bare '*' and '/' stand where they stood."""
    took = node.args
    positional = [*took.posonlyargs, *took.args]
    defaults: list[ast.expr | None] = [*[None] * (len(positional) - len(took.defaults)), *took.defaults]
    written = [_argument(a, d) for a, d in zip(positional, defaults, strict=True)]
    written = [text for text in written if text not in ("self", "cls")]
    if took.vararg is not None:
        written.append(f"*{_argument(took.vararg, None)}")
    elif took.kwonlyargs:
        written.append("*")
    written += [_argument(a, d) for a, d in zip(took.kwonlyargs, took.kw_defaults, strict=True)]
    return written if took.kwarg is None else [*written, f"**{_argument(took.kwarg, None)}"]


def _argument(node: ast.arg, default: ast.expr | None) -> str:
    kind = "" if node.annotation is None else f": {_type(node.annotation)}"
    value = "" if default is None else f" = {ast.unparse(default)}"
    return f"{node.arg}{kind}{value}"


def _type(node: ast.expr) -> str:
    """A type as it is written, without the quotes around names that are known later; a Literal's stay."""
    text = ast.unparse(node)
    return text if "Literal[" in text else text.replace("'", "")


def _tree(thing: Any) -> Any:
    return ast.parse(textwrap.dedent(inspect.getsource(thing))).body[0]


def _string(node: ast.stmt | None) -> str:
    if (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    ):
        return " ".join(node.value.value.split())
    return ""
