"""The tree with its search bar: what a screen puts on its left."""

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical

from anatomy.architecture.anatomy import Anatomy
from anatomy.tui.tree.search_bar import SearchBar
from anatomy.tui.tree.widget import ModuleTree


class ModulePane(Vertical):
    """A module tree, and under it the line in which it is searched."""

    DEFAULT_CSS = "ModulePane { height: 1fr; }"

    def __init__(self, anatomy: Anatomy | None = None, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self.modules = ModuleTree(anatomy)
        """The tree."""
        self.bar = SearchBar()
        """The search bar."""
        self._start = 0
        self._before = self.modules.view.snapshot()

    def compose(self) -> ComposeResult:
        """One over the other."""
        yield self.modules
        yield self.bar

    @on(ModuleTree.Asked)
    def _open_bar(self, event: ModuleTree.Asked) -> None:
        event.stop()
        tree = self.modules
        self._start = tree.rows[tree.at] if tree.rows else 0
        self._before = tree.view.snapshot()
        self.bar.ask(event.to_filter, tree.view.filter.text if event.to_filter else "")

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
        tree.focus()

    @on(ModuleTree.Found)
    def _say(self, event: ModuleTree.Found) -> None:
        event.stop()
        self.bar.say(event.count, event.at)
