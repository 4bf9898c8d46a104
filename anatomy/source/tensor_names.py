"""What a tensor may be called: each dotted part of its name is a module inside the one before it."""

_MAX_LENGTH = 1_024
_MAX_PARTS = 32
"""More than twice any model's, an adapter on it included, and shallow enough to be walked as a tree of modules."""


def name_fault(name: str) -> str | None:
    """What is wrong with a tensor's name, as the end of a sentence about its file; None when nothing is."""
    if not name.isprintable():
        return f"names a tensor with unprintable characters: {name[:80]!r}"
    for count, limit, unit in (
        (len(name), _MAX_LENGTH, "characters"),
        (name.count(".") + 1, _MAX_PARTS, "dotted parts"),
    ):
        if count > limit:
            return f"names a tensor with {count:,} {unit}, more than the {limit:,} that are read: {name[:40]!r}..."
    return None
