"""What a rehearsal is run under: failures that say where they happened, and no garbage collection."""

import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from anatomy.errors import AnatomyError, RehearsalError

_OWN = str(Path(__file__).parents[1])


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [""])[0].rstrip(".")


@contextmanager
def failures_named(path_of: Callable[[Any], str | None]) -> Iterator[None]:
    """What breaks inside the libraries' own training step becomes a sentence that says where."""
    try:
        yield
    except AnatomyError:
        raise
    except Exception as error:
        frames = list(traceback.walk_tb(error.__traceback__))
        code, line = frames[-1][0].f_code, frames[-1][1]
        if code.co_filename.startswith(_OWN):
            raise  # our bug, not the model's
        modules = [path_of(frame.f_locals.get("self")) for frame, _ in frames]
        module = next((path for path in reversed(modules) if path), "the model")
        file = "/".join(code.co_filename.split("/")[-3:])
        raise RehearsalError(
            f"the training step itself fails in {module}: {type(error).__name__}: {_first_line(error)} "
            f"({file}:{line}, {code.co_name}).",
            hint="a real run would most likely fail there too: leave that module out of --target-modules if it is "
            "one, or see the traceback with ANATOMY_DEBUG=1",
        ) from error
