"""A model's tokenizer, from the files beside its config: never run, never unpickled."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from anatomy.blueprint import Origin
from anatomy.source.beside import Read, reader_beside
from anatomy.source.jsonfile import parse_object
from anatomy.source.tokenizer_json import MAX_BYTES, Vocabulary, parse_tokenizer

TOKENIZER_FILE = "tokenizer.json"
SETTINGS_FILE = "tokenizer_config.json"
TEMPLATE_FILES = ("chat_template.jinja", "chat_template.json")
_NAMED = ("bos_token", "eos_token", "unk_token", "pad_token", "sep_token", "cls_token", "mask_token")


@dataclass(frozen=True, kw_only=True, slots=True)
class Tokenizer:
    """What its files say."""

    vocabulary: Vocabulary | None = None
    """None where there is no tokenizer.json."""
    kind: str = ""
    """The class that tokenizer_config.json names; '' where it names none."""
    named: Mapping[str, str] | None = None
    """'bos_token' -> the token, and so on."""
    chat_template: bool = False
    """Whether there is one."""
    longest: int | None = None
    """Longest input that tokenizer_config.json states, in tokens."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        known = self.vocabulary
        return {
            "kind": self.kind,
            "model": known.kind if known else None,
            "size": known.size if known else None,
            "highest_id": known.highest if known else None,
            "added": known.added if known else None,
            "special_tokens": list(known.special) if known else [],
            "named": dict(self.named or {}),
            "chat_template": self.chat_template,
            "longest": self.longest,
        }


def read_tokenizer(origin: Origin) -> Tokenizer | None:
    """The tokenizer beside a model that was read from `origin`; None where it has no files for one.

    Raises SourceError for files that are damaged or cannot be had.
    """
    read = reader_beside(origin, limit=MAX_BYTES)
    return None if read is None else _from(read)


def _from(read: Read) -> Tokenizer | None:
    vocabulary = read(TOKENIZER_FILE)
    settings = read(SETTINGS_FILE)
    if vocabulary is None and settings is None:
        return None
    said = {} if settings is None else parse_object(settings, what=SETTINGS_FILE)
    longest = said.get("model_max_length")
    return Tokenizer(
        vocabulary=None if vocabulary is None else parse_tokenizer(vocabulary, what=TOKENIZER_FILE),
        kind=str(said.get("tokenizer_class") or ""),
        named={name: token for name in _NAMED if (token := _token(said.get(name)))},
        chat_template=bool(said.get("chat_template"))
        or any(read(name) is not None for name in TEMPLATE_FILES),
        # Where none is known transformers writes 10^30.
        longest=longest if isinstance(longest, int) and longest < 10**9 else None,
    )


def _token(said: Any) -> str:
    """A token is written as it is, or as an object with its content."""
    content = said.get("content") if isinstance(said, Mapping) else said
    return content if isinstance(content, str) else ""
