"""JSON Schema in few words: what values of an answer look like, and dataclasses as such values.

Objects are closed: the schema of a release knows every key of that release, so a misspelt or missing one is found. Later
releases may add keys, and come with a schema that has them.
"""

import ast
import inspect
from collections.abc import Iterable, Mapping
from dataclasses import fields
from enum import StrEnum
from functools import cache
from itertools import pairwise
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

Schema = dict[str, Any]
DIALECT = "https://json-schema.org/draft/2020-12/schema"


def text(description: str = "") -> Schema:
    """A string."""
    return _said({"type": "string"}, description)


def whole(description: str = "", *, least: int | None = 0) -> Schema:
    """An integer, not negative unless `least` says so."""
    return _said({"type": "integer"} | ({} if least is None else {"minimum": least}), description)


def size(description: str = "", *, least: int | None = 0) -> Schema:
    """Bytes."""
    return whole(f"{description or 'Size'}, in bytes.", least=least)


def number(description: str = "") -> Schema:
    """Any number."""
    return _said({"type": "number"}, description)


def yes(description: str = "") -> Schema:
    """A boolean."""
    return _said({"type": "boolean"}, description)


def one_of(values: Iterable[str], description: str = "") -> Schema:
    """One of these strings."""
    return _said({"type": "string", "enum": [str(value) for value in values]}, description)


def anything(description: str = "") -> Schema:
    """Any JSON value."""
    return _said({}, description)


def maybe(schema: Schema, description: str = "") -> Schema:
    """The same or null. `description` says what null means, or what there is to say where the schema says nothing."""
    description = " ".join(filter(None, (schema.get("description"), description)))
    kind = schema.get("type")
    if isinstance(kind, str) and "enum" not in schema:
        return _said({**schema, "type": [kind, "null"]}, description)
    return _said({"anyOf": [schema, {"type": "null"}]}, description)


def several(schema: Schema, description: str = "", *, exactly: int | None = None) -> Schema:
    """An array."""
    length = {} if exactly is None else {"minItems": exactly, "maxItems": exactly}
    return _said({"type": "array", "items": schema, **length}, description)


def by_name(schema: Schema, description: str = "", *, names: Iterable[str] | None = None) -> Schema:
    """An object with keys that are names of something: of `names`, where they are known."""
    known = {} if names is None else {"propertyNames": {"enum": [str(name) for name in names]}}
    return _said({"type": "object", "additionalProperties": schema, **known}, description)


def record(
    keys: Mapping[str, Schema], description: str = "", *, optional: Mapping[str, Schema] | None = None
) -> Schema:
    """A closed object: these keys, `optional` ones, and no others."""
    return _said(
        {
            "type": "object",
            "properties": {**keys, **(optional or {})},
            "required": [*keys],
            "additionalProperties": False,
        },
        description,
    )


def ref(name: str) -> Schema:
    """What stands under this name in the answer's `$defs`."""
    return {"$ref": f"#/$defs/{name}"}


def typed(cls: type, *, only: Iterable[str] | None = None, optional: bool = False) -> Schema:
    """The object that a dataclass' fields make, described by the docstrings under them.

    `only`: some of them; `optional`: whether an answer leaves out what is not known.
    """
    hints, said = get_type_hints(cls), _docstrings(cls)
    wanted = [field.name for field in fields(cls)] if only is None else [*only]
    keys = {name: _said(_of_type(hints[name]), _with_unit(name, said.get(name, ""))) for name in wanted}
    return record({}, optional=keys) if optional else record(keys)


def answer(name: str, title: str, body: Schema, defs: Mapping[str, Schema] | None = None) -> Schema:
    """The published schema of one command's answer."""
    return {
        "$schema": DIALECT,
        "$id": f"urn:anatomy:schema:{name}:1",
        "title": title,
        **body,
        **({"$defs": dict(defs)} if defs else {}),
    }


def _said(schema: Schema, description: str) -> Schema:
    return {**schema, "description": description} if description else schema


def _with_unit(name: str, description: str) -> str:
    """What a docstring says, and that it is bytes where only the name does."""
    unsaid = name.endswith("_bytes") and "bytes" not in description
    return f"{description} In bytes.".strip() if unsaid else description


def _of_type(hint: Any) -> Schema:
    """The values that a type has in JSON."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        kinds = [_of_type(kind) for kind in inner if kind is not NoneType]
        schema = kinds[0] if len(kinds) == 1 else {"anyOf": kinds}
        return maybe(schema) if NoneType in inner else schema
    if origin is Literal:
        return one_of(inner)
    if origin is tuple:
        if inner[-1] is Ellipsis:
            return several(_of_type(inner[0]))
        return several(_of_type(inner[0]), exactly=len(inner))
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return by_name(_of_type(inner[1]))
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return one_of(hint)
    return dict(_PLAIN[hint])


_PLAIN: Mapping[Any, Schema] = {
    Any: {},
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
}


@cache
def _docstrings(cls: type) -> Mapping[str, str]:
    """Field -> the docstring under it."""
    source = ast.parse(inspect.getsource(inspect.getmodule(cls) or inspect))
    body = next(
        node.body for node in source.body if isinstance(node, ast.ClassDef) and node.name == cls.__name__
    )
    return {
        field.target.id: " ".join(doc.value.value.split())
        for field, doc in pairwise(body)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if isinstance(doc, ast.Expr)
        and isinstance(doc.value, ast.Constant)
        and isinstance(doc.value.value, str)
    }


VERSION: Schema = {
    "const": 1,
    "description": "Of this answer. Keys may be added without changing it; none is renamed or taken away.",
}
NOTES = several(text(), "Sentences for the reader.")
VERSIONS = by_name(text(), "Library -> installed version.")
