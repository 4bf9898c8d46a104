"""The tree with its search bar: what a screen puts on its left."""

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical

from anatomy.architecture.anatomy import Anatomy
from anatomy.tui.tree.search_bar import SearchBar
from anatomy.tui.tree.widget import ModuleTree


class ModulePane(Vertical):
    """A module tree, and under it the line in which it is searched."""

    DEFAULT_CSS = "ModulePane { height: 1fr; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "ask(False)", "Search", key_display="/"),
        Binding("f", "ask(True)", "Filter"),
        Binding("escape", "show_all", "Show all"),
    ]

    def __init__(self, anatomy: Anatomy | None = None, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self.modules = ModuleTree(anatomy)
        """The tree."""
        self.bar = SearchBar(back_to=self.modules)
        """The search bar."""
        self._start = 0
        self._before = self.modules.view.snapshot()

    def compose(self) -> ComposeResult:
        """One over the other."""
        yield self.modules
        yield self.bar

    def action_ask(self, to_filter: bool) -> None:
        """Let the user type what to look for."""
        tree = self.modules
        self._start = tree.rows[tree.at] if tree.rows else 0
        self._before = tree.view.snapshot()
        self.bar.ask(to_filter, tree.view.filter.text if to_filter else "")

    def action_show_all(self) -> None:
        """Filter no more."""
        self.modules.filter("")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Without a filter there is nothing to take back."""
        return action != "show_all" or bool(self.modules.view.filter)

    @on(SearchBar.Typed)
    def _look_for(self, event: SearchBar.Typed) -> None:
        event.stop()
        tree = self.modules
        if event.to_filter:
            tree.filter(event.text)
            return
        tree.view.restore(self._before)  # what the letters before have unfolded
        if not event.text:
            self.bar.say(None, 0)
        if not (event.text and tree.search(event.text, self._start)):
            tree.go_to(self._start)

    @on(SearchBar.Closed)
    def _leave(self, event: SearchBar.Closed) -> None:
        event.stop()
        tree = self.modules
        if not event.kept:
            tree.view.restore(self._before)
            tree.go_to(self._start)
        self._rest()

    @on(ModuleTree.Found)
    def _say(self, event: ModuleTree.Found) -> None:
        event.stop()
        if self.modules.has_focus:  # `n`, `esc` and what else is pressed while nothing is typed
            self._rest()
        else:
            self.bar.say(event.count, event.at)

    def _rest(self) -> None:
        """Nothing is typed: what is filtered by stays in sight."""
        self.bar.rest(self.modules.view.filter.text)
        self.refresh_bindings()
