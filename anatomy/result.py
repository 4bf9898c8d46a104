"""What the library's verbs return, to be taken along: as plain values, a frame, Markdown, a page, a file.

Results live in rooms that know nothing of how an answer looks. The package itself, which is imported before any of its
modules, names who presents them (`presented_by`): the arrows between the rooms stay as they are, and a result that was
unpickled in another process is presented as well.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from os import PathLike
    from pathlib import Path


class Presenter(Protocol):
    """Who says what a result looks like; `anatomy.api.presented`."""

    def data(self, result: "Result", /) -> dict[str, Any]:
        """The content of `--json`."""

    def frame(self, result: "Result", /) -> Any:
        """The rows of `--format csv`, as a pandas DataFrame."""

    def markdown(self, result: "Result", /) -> str:
        """The text of `--format md`."""

    def page(self, result: "Result", /) -> str:
        """The text of `--format html`."""

    def fragment(self, result: "Result", /) -> str:
        """HTML for a notebook's cell."""

    def write(self, result: "Result", file: "str | PathLike[str]", /) -> "tuple[Path, ...]":
        """The files of `-o FILE`."""


class Result:
    """An answer. What the command line prints of it is there as values and as text; every form says the same."""

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        """The content of `--json`: plain values, integers of bytes, nothing rounded. `anatomy.schema` describes it."""
        return _presenter().data(self)

    def to_frame(self) -> Any:
        """The rows of `--format csv` as a pandas DataFrame: numbers as nullable integers and floats, NA for what is not there.

        A table's last row in csv may be its total; a frame has none, so that its columns can be summed.
        """
        return _presenter().frame(self)

    def to_markdown(self) -> str:
        """The text of `--format md`, as GitHub renders it."""
        return _presenter().markdown(self)

    def to_html(self) -> str:
        """The text of `--format html`: a whole page that asks nothing of any network."""
        return _presenter().page(self)

    def write(self, file: "str | PathLike[str]") -> "tuple[Path, ...]":
        """Write the answer to a .md, .html, .json or .csv file, as `-o FILE` does; the files that were written.

        Charts of a .md file lie beside it. Raises AnatomyError for another ending, and for a file that cannot be written.
        """
        return _presenter().write(self, file)

    def _repr_html_(self) -> str:
        """The answer in a notebook."""
        return _presenter().fragment(self)


_named: list[Callable[[], Presenter]] = []


def presented_by(find: Callable[[], Presenter]) -> None:
    """Name the presenter. `find` is called when a result is first asked for a form, not before."""
    _named[:] = [find]


def _presenter() -> Presenter:
    return _named[0]()
