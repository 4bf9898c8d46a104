"""docs/reference/json.md: the keys of every `--json` answer, as the published schemas have them."""

from collections.abc import Iterator, Mapping
from typing import Any

from anatomy.schemas import NAMES, published
from generator.markdown import NOTICE, code, joined, plain, table

Schema = Mapping[str, Any]


def page() -> str:
    """The whole page."""
    return joined(
        NOTICE,
        "# JSON answers",
        "What `--json` prints. `anatomy schema NAME` prints the whole JSON Schema (draft 2020-12) of an answer, with what is "
        "required and closed; `anatomy.schema(NAME)` gives it in Python. Sizes are integers of bytes, nothing is rounded. Keys "
        "are added without a new `schema_version`; none is renamed or taken away. A dot goes into an object, `[]` into each "
        "item of a list, `{}` into each value of a mapping.",
        *(part for name in NAMES for part in _answer(name)),
    )


def _answer(name: str) -> Iterator[str]:
    schema = published(name)
    shared = schema.get("$defs", {})
    yield f"## {name}"
    yield plain(schema.get("description", ""))
    if "oneOf" in schema:
        kinds = [one["$ref"].rpartition("/")[2] for one in schema["oneOf"] if "$ref" in one]
        yield f"One of: {', '.join(kinds)}. The keys are in `anatomy schema {name}`."
        return
    yield table(("key", "type", "meaning"), _rows(schema, "", shared))
    for title, found in shared.items():
        if title == "recipe":
            yield "`recipe`: by name, [a recipe's settings](recipe.md)."
        else:
            yield f"**{title}**"
            yield table(("key", "type", "meaning"), _rows(found, "", shared))


def _rows(schema: Schema, path: str, shared: Schema) -> Iterator[tuple[str, str, str]]:
    """A row for each key, and for those inside of it; what stands apart (`$ref`) is named and not entered."""
    for name, found in schema.get("properties", {}).items():
        key = f"{path}{name}"
        yield code(key), _type(found), plain(found.get("description", ""))
        yield from _inside(found, key, shared)


def _inside(schema: Schema, key: str, shared: Schema) -> Iterator[tuple[str, str, str]]:
    for one in (schema, *schema.get("anyOf", ()), *schema.get("oneOf", ())):
        if "properties" in one:
            yield from _rows(one, f"{key}.", shared)
        for inner, written in (("items", "[]"), ("additionalProperties", "{}")):
            if isinstance(one.get(inner), Mapping):
                yield from _inside(one[inner], f"{key}{written}", shared)


def _type(schema: Schema) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "const" in schema:
        return code(schema["const"])
    if "enum" in schema:
        return " or ".join("null" if value is None else code(value) for value in schema["enum"])
    options = schema.get("anyOf") or schema.get("oneOf")
    if options:
        return " or ".join(dict.fromkeys(map(_type, options)))
    kinds = schema.get("type", "anything")
    listed = [kinds] if isinstance(kinds, str) else kinds
    words = {
        "array": f"list of {_type(schema['items'])}" if isinstance(schema.get("items"), Mapping) else "list"
    }
    return " or ".join(words.get(kind, kind) for kind in listed)
