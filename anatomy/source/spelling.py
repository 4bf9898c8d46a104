"""What a person meant to type."""

import difflib
import re
from collections.abc import Iterable


def close_matches(repo: str, known: Iterable[str]) -> list[str]:
    """At most three known ids that resemble `repo`, whole or without the organisation, whatever the case."""
    spellings = {spelling: name for name in known for spelling in (name.lower(), _last_part(name))}
    wanted = repo.lower()
    found = difflib.get_close_matches(wanted, spellings, n=3) + difflib.get_close_matches(
        _last_part(wanted), spellings, n=3, cutoff=0.75
    )
    return list(dict.fromkeys(spellings[match] for match in found))[:3]


def is_slip(typed: str, name: str) -> bool:
    """Whether two keys differ by separators and case alone, or by one slip of the finger in one longer word.

    A slip is one letter too many, too few or wrong, or two exchanged: num_hiden_layers, but not encoder_layers
    for decoder_layers, nor q_rank for k_rank, nor bos_token_id for eos_token_id, which are keys of their own.
    """
    if re.sub(r"[\W_]", "", typed).lower() == re.sub(r"[\W_]", "", name).lower():
        return True
    differing = [(a, b) for a, b in zip(typed.split("_"), name.split("_"), strict=False) if a != b]
    if typed.count("_") != name.count("_") or len(differing) != 1:
        return False
    a, b = differing[0]
    return max(len(a), len(b)) >= 4 and _is_one_letter_off(a, b)


def _is_one_letter_off(a: str, b: str) -> bool:
    """Whether two different words agree but for one letter added, dropped or replaced, or two exchanged."""
    start = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    a, b = a[start:], b[start:]
    return a[1:] == b or a == b[1:] or a[1:] == b[1:] or (a[:2] == b[1::-1] and a[2:] == b[2:])


def _last_part(repo: str) -> str:
    return repo.rpartition("/")[2].lower()
