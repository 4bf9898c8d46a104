"""What to take away, and where to."""

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, cast

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import Input, Label, OptionList
from textual.widgets.option_list import Option

from anatomy.errors import AnatomyError
from anatomy.tui.dialog import Choices, Dialog
from anatomy.tui.exports import EXPORTS, Export, Taken

if TYPE_CHECKING:
    from anatomy.tui.app import BrowseApp

SCREENSHOT = "anatomy.svg"
"""The file that is proposed for a picture of the screen."""


class Exporting(Dialog[None]):
    """A list of things; then, for what goes into a file, its name."""

    DEFAULT_CSS = """
    Exporting { align: center middle; }
    Exporting > Vertical { width: 60; height: auto; border: round $primary; background: $surface; padding: 0 1; }
    Exporting OptionList, Exporting OptionList:focus { height: auto; border: none; }
    Exporting #file { display: none; }
    Exporting.-naming #file { display: block; }
    Exporting #said { color: $text-error; height: auto; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "close", "Close")]

    def __init__(self, taken: Taken) -> None:
        super().__init__()
        self._taken = taken
        self._export: Export | None = None

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Label("Take away")
            yield Choices(
                *(
                    Option(one.title, id=one.name, disabled=one.needs_answer and self._taken.planned is None)
                    for one in EXPORTS
                ),
                Option("the screen as SVG", id="svg"),
            )
            yield Input(id="file")
            yield Label("", id="said", markup=False)

    @on(OptionList.OptionSelected)
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        if not self.is_current:
            return
        self._export = next((one for one in EXPORTS if one.name == event.option_id), None)
        if self._export is not None and self._export.copied:
            self._copy(self._export)
            return
        self.add_class("-naming")
        file = self.query_one("#file", Input)
        file.value = SCREENSHOT if self._export is None else self._export.file
        file.focus()

    def _copy(self, export: Export) -> None:
        try:
            text = export.text(self._taken)
        except AnatomyError as error:
            self._say(error.message)
            return
        app = cast("BrowseApp", self.app)
        app.copy_to_clipboard(text.strip())
        app.left.append(text)
        self.dismiss()
        app.notify(text.strip(), title="Copied, and printed on leaving", markup=False, timeout=4)

    @on(Input.Submitted, "#file")
    def _named(self, event: Input.Submitted) -> None:
        if not self.is_current:
            return
        path = Path(event.value.strip() or ".").expanduser()
        try:
            if self._export is None:
                self.dismiss()
                self.app.call_after_refresh(self._picture, path)
                return
            path.write_text(self._export.text(self._taken), encoding="utf-8")
        except OSError as error:
            self._say(f"{path} cannot be written: {error.strerror}.")
            return
        except AnatomyError as error:
            self._say(error.message)
            return
        self.dismiss()
        self.app.notify(str(path), title="Written", markup=False)

    def _picture(self, path: Path) -> None:
        """Of the screen under this one."""
        try:
            path.write_text(self.app.export_screenshot(), encoding="utf-8")
        except OSError as error:
            self.app.notify(f"{path} cannot be written: {error.strerror}.", severity="error", markup=False)
            return
        self.app.notify(str(path), title="Written", markup=False)

    def _say(self, text: str) -> None:
        self.query_one("#said", Label).update(text)

    def action_close(self) -> None:
        """Take nothing."""
        self.dismiss()
