"""What is said of some runs and not of others."""

from collections.abc import Iterable


class Said:
    """Sentences, and of whom they were said."""

    def __init__(self) -> None:
        self._by: dict[str, dict[str, None]] = {}
        self._everyone: dict[str, None] = {}

    def add(self, who: str, sentences: Iterable[str]) -> None:
        """Said of one run: `who` is what it has in common with others of which the same is said."""
        self._everyone[who] = None
        for sentence in sentences:
            self._by.setdefault(sentence, {})[who] = None

    def lines(self) -> tuple[str, ...]:
        """Each once; what was not said of everyone begins with of whom it was."""
        return tuple(
            text if len(by) == len(self._everyone) else f"{', '.join(by)}: {text}"
            for text, by in self._by.items()
        )
