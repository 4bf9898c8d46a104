"""What the module tree says to the screen that it is on."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.message import Message

from anatomy.tui.tree.outline import Row

if TYPE_CHECKING:
    from anatomy.tui.tree.widget import ModuleTree


@dataclass
class Moved(Message, namespace="module_tree"):
    """The cursor is on another row, or the row stands for something else than before."""

    tree: "ModuleTree"
    row: Row

    @property
    def control(self) -> "ModuleTree":
        """The tree."""
        return self.tree


@dataclass
class TargetToggled(Message, namespace="module_tree"):
    """A row is to be a target of adapters, or no more. `targets.toggle` says what that comes to."""

    tree: "ModuleTree"
    row: Row
    on: bool

    @property
    def control(self) -> "ModuleTree":
        """The tree."""
        return self.tree


@dataclass
class Found(Message, namespace="module_tree"):
    """What a search or filter came to: `at` counts the match under the cursor from 1; 0 where it is on none."""

    tree: "ModuleTree"
    count: int
    at: int
