"""Text that a terminal shows and does not obey: names and values in a model's files are anybody's."""

import re

_OBEYED = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]"
"""Control characters but for tabs and ends of lines, halves of characters, and what turns the direction of writing."""

_ANY = re.compile(_OBEYED)
_ANY_BUT_STYLES = re.compile(rf"(?!\x1b\[[\d;]*m){_OBEYED}")


def shown(text: str, *, styles: bool = False) -> str:
    """The text with such characters written as Python escapes them; `styles` leaves colours and weights."""
    pattern = _ANY_BUT_STYLES if styles else _ANY
    return pattern.sub(lambda found: repr(found[0])[1:-1], text)
