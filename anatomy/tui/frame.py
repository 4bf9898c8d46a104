"""What has nothing to do with models: notices, light and dark, colour or none, help, the ways out."""

import os
from typing import ClassVar

from textual.binding import Binding, BindingType

from anatomy.tui.turns import KeysInTurn


class Frame(KeysInTurn):
    """An app in its terminal."""

    NOTIFICATION_TIMEOUT = 2
    CSS = """
    ToastRack { align: left bottom; }
    ToastHolder { align-horizontal: left; }
    Toast { margin-top: 0; padding: 0 1; }
    DataTable:nocolor > .datatable--cursor, OptionList:nocolor > .option-list--option-highlighted {
        text-style: reverse;
    }
    """
    """Notices are short and away from the answer; without colour what has the cursor is turned round."""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("T", "theme", "Light or dark", show=False),
        Binding("question_mark", "help", "Help", key_display="?", show=False),
        Binding("q", "quit", "Quit", show=False),
        Binding("ctrl+z", "suspend_process", "To the shell; fg comes back", show=False),
    ]

    def __init__(self) -> None:
        colorless = bool(os.environ.get("NO_COLOR"))
        if not colorless:
            os.environ.pop("NO_COLOR", None)  # an empty one is as none (no-color.org), which textual counts
        super().__init__(ansi_color=colorless or None)  # without colour: the terminal's own two, not greys

    def action_theme(self) -> None:
        """From dark to light, and back."""
        self.theme = "textual-light" if self.current_theme.dark else "textual-dark"

    def action_help(self) -> None:
        """All keys."""
        if self.screen.query("HelpPanel"):
            self.action_hide_help_panel()
        else:
            self.action_show_help_panel()

    def action_help_quit(self) -> None:
        """Control and c copy what is marked; whoever means to leave is told how."""
        self.notify("q quits.")
