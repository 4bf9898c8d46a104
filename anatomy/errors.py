"""What can go wrong, as sentences.

AnatomyError            a clear sentence and a hint; the command line exits with 2
├── SourceError         a reference, file or repository that cannot be read
├── ArchitectureError   a description that no model can be built from
├── RecipeError         a recipe that is not valid, or that this model cannot run
└── RehearsalError      a step that could not be rehearsed truthfully
"""

from collections.abc import Sequence


class AnatomyError(Exception):
    """A failure that the user can act on.

    `message` is one sentence; `hint` says what to do next, or is None when there is nothing to add. What a terminal would
    obey rather than show, in names and values that files brought, is written as Python escapes it.
    """

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = _shown(message)
        self.hint = None if hint is None else _shown(hint)


def _shown(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() or character == "\n" else repr(character)[1:-1]
        for character in text
    )


class SourceError(AnatomyError):
    """A reference, file or repository that cannot be read."""


class ArchitectureError(AnatomyError):
    """A model description that no model can be built from."""


class RecipeError(AnatomyError):
    """A recipe that is not valid, or that this model cannot run.

    `setting`: the recipe's setting that has an impossible value, where it is one alone.
    `parts`: the failures that it puts together, each with a sentence and a hint of its own; itself where it is one.
    """

    def __init__(
        self,
        message: str,
        hint: str | None = None,
        *,
        setting: str | None = None,
        parts: Sequence["RecipeError"] = (),
    ) -> None:
        super().__init__(message, hint)
        self.setting = setting
        self.parts: tuple[RecipeError, ...] = tuple(parts) or (self,)

    @classmethod
    def together(cls, errors: Sequence["RecipeError"]) -> "RecipeError":
        """All of `errors` as one, a line for each; one alone as it is."""
        parts = [*{part.message: part for error in errors for part in error.parts}.values()]
        if len(parts) == 1:
            return parts[0]
        hints = {part.hint for part in parts}
        shared = hints.pop() if len(hints) == 1 else None
        lines = "".join(f"\n  - {_with_hint(part, shared)}" for part in parts)
        return cls(f"{len(parts)} settings cannot be as they are:{lines}", shared, parts=parts)


def _with_hint(error: AnatomyError, shared: str | None) -> str:
    own = error.hint if error.hint != shared else None
    return error.message if own is None else f"{error.message.removesuffix('.')} ({own})."


class RehearsalError(AnatomyError):
    """A training step that could not be rehearsed without guessing."""
