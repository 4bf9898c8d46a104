"""The text of a file of settings -> its keys and values: JSON, TOML or YAML, told by the text itself."""

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from anatomy.errors import SourceError

MOST_BYTES = 256 * 1024
"""Of a file. Published examples have 1 to 10 KiB."""
MOST_NODES = 100_000
"""Values in a YAML file once its aliases are written out: a few lines of nested aliases can stand for billions."""
HINT = "give a trainer's YAML or JSON, or a recipe in TOML (`anatomy plan --print-recipe` writes one)"


def read_settings(file: str) -> dict[str, Any]:
    """The keys and values at the top of a file. Raises SourceError."""
    try:
        size = Path(file).stat().st_size
        if size > MOST_BYTES:
            raise SourceError(
                f"{file} has {size:,} bytes, more than any file of settings ({MOST_BYTES:,}).", hint=HINT
            )
        text = Path(file).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise SourceError(f"The config {file} cannot be read: {reason}.", hint=HINT) from error
    data = parse(text, file)
    if not isinstance(data, Mapping) or not data:
        what = "is empty" if data in (None, {}) else "holds no settings by name"
        raise SourceError(f"{file} {what}.", hint=HINT)
    return {str(key): value for key, value in data.items()}


def parse(text: str, file: str) -> Any:
    """What `text` holds. Raises SourceError for text that is neither JSON nor TOML nor YAML."""
    if text.lstrip().startswith("{"):
        try:
            return json.loads(text, object_pairs_hook=lambda pairs: _without_duplicates(pairs, file))
        except (json.JSONDecodeError, RecursionError):
            pass  # YAML's flow style begins the same way
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError):
        return _from_yaml(text, file)


def _without_duplicates(pairs: list[tuple[str, Any]], file: str) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise _duplicate(next(name for name in names if names.count(name) > 1), file)
    return found


def _from_yaml(text: str, file: str) -> Any:
    import yaml  # type: ignore[import-untyped]

    try:
        loader = yaml.SafeLoader(text)
    except yaml.YAMLError:
        raise SourceError(
            f"{file} cannot be read: it holds characters that no text has.", hint=HINT
        ) from None
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _check(node, file)
        return loader.construct_document(node)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = "" if mark is None else f" (line {mark.line + 1})"
        problem = getattr(error, "problem", None) or "it is neither YAML nor TOML nor JSON"
        raise SourceError(f"{file} cannot be read{where}: {problem}.", hint=HINT) from None
    except (RecursionError, ValueError):
        raise SourceError(
            f"{file} cannot be read: it nests too deeply, or holds an impossible value.", hint=HINT
        ) from None
    finally:
        loader.dispose()


def _check(root: Any, file: str) -> None:
    """Refuse a mapping that names a key twice, and aliases that stand for more than a file could hold."""
    import yaml

    sizes: dict[int, int] = {}
    merge = "tag:yaml.org,2002:merge"

    def size(node: Any) -> int:
        if id(node) not in sizes:
            sizes[id(node)] = MOST_NODES  # while it is being looked at: an alias to what contains it
            parts: list[Any] = []
            if isinstance(node, yaml.MappingNode):
                names = [
                    key.value for key, _ in node.value if key.tag != merge and isinstance(key.value, str)
                ]
                twice = (
                    [name for name in names if names.count(name) > 1] if len(names) > len({*names}) else []
                )
                if twice:
                    raise _duplicate(twice[0], file)
                parts = [part for pair in node.value for part in pair]
            elif isinstance(node, yaml.SequenceNode):
                parts = node.value
            sizes[id(node)] = 1 + sum(size(part) for part in parts)
            if sizes[id(node)] > MOST_NODES:
                raise SourceError(f"The aliases in {file} stand for too many values.", hint=HINT)
        return sizes[id(node)]

    size(root)


def _duplicate(name: str, file: str) -> SourceError:
    return SourceError(
        f"{file} sets {name} twice, so that nobody can tell which one counts.", hint="leave one of them out"
    )
