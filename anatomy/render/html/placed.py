"""Where things stand on a page, and in which colours: rules of its one style sheet, since a page without inline styles can forbid them."""

from anatomy.render.palette import readable_on


class Placed:
    """Collects rules; alike ones share a class."""

    def __init__(self) -> None:
        self._classes: dict[str, str] = {}

    def at(self, **shares: float) -> str:
        """A class for shares of the box around, by property: `at(left=0.25)` is 25 % from its left."""
        return self._rule(";".join(f"{name}:{_percent(share)}" for name, share in shares.items()))

    def painted(self, color: str) -> str:
        """A class for a ground of a colour, with letters that can be read on it."""
        return self._rule(f"background:{color};color:{readable_on(color)}")

    def _rule(self, rule: str) -> str:
        return self._classes.setdefault(rule, f"p{len(self._classes)}")

    @property
    def css(self) -> str:
        """All of them."""
        return "\n".join(f".{name}{{{rule}}}" for rule, name in self._classes.items())


def _percent(share: float) -> str:
    return f"{100 * share:.3f}".rstrip("0").rstrip(".") + "%"
