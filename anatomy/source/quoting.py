"""Values from outside, as a sentence can hold them."""

from reprlib import Repr

_LONGEST = 80
_repr = Repr()
_repr.maxstring = _repr.maxother = _repr.maxlong = _LONGEST
_repr.maxlevel = 2


def brief(value: object) -> str:
    """As Python writes the value, on one line without control characters; long and deep ones shortened."""
    return _repr.repr(value)
