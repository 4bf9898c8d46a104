"""What can go wrong, as sentences.

AnatomyError            a clear sentence and a hint; the command line exits with 2
├── SourceError         a reference, file or repository that cannot be read
├── ArchitectureError   a description that no model can be built from
├── RecipeError         a recipe that is not valid, or that this model cannot run
└── RehearsalError      a step that could not be rehearsed truthfully
"""


class AnatomyError(Exception):
    """A failure that the user can act on.

    `message` is one sentence; `hint` says what to do next, or is None when there is nothing to add.
    """

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class SourceError(AnatomyError):
    """A reference, file or repository that cannot be read."""


class ArchitectureError(AnatomyError):
    """A model description that no model can be built from."""


class RecipeError(AnatomyError):
    """A recipe that is not valid, or that this model cannot run."""


class RehearsalError(AnatomyError):
    """A training step that could not be rehearsed without guessing."""
