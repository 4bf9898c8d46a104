"""The module tree: a line for every row that is seen, drawn when it is looked at."""

from collections.abc import Mapping
from typing import ClassVar, TypeAlias

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message

from anatomy.architecture.anatomy import Anatomy
from anatomy.architecture.tied import TiedGroup
from anatomy.planning.modules import ModuleShare
from anatomy.tui.tree import messages
from anatomy.tui.tree.columns import Cell, Layout, Painter, layout
from anatomy.tui.tree.find import Query
from anatomy.tui.tree.fold import Fold
from anatomy.tui.tree.growing import outline_of
from anatomy.tui.tree.lines import Lines
from anatomy.tui.tree.marks import Marker, tied_items
from anatomy.tui.tree.outline import Outline, Row
from anatomy.tui.tree.shares import Shares
from anatomy.tui.tree.view import View


class ModuleTree(Lines):
    """A model's modules, with a cursor. Folding, sorting and searching never move it to another module."""

    Moved: TypeAlias = messages.Moved
    TargetToggled: TypeAlias = messages.TargetToggled
    Found: TypeAlias = messages.Found
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,space", "toggle_fold", "Unfold", key_display="⏎"),
        Binding("right,l", "inward", "Unfold, go in", show=False),
        Binding("left,h", "outward", "Fold, go out", show=False),
        Binding("x", "split", "Layers one by one", show=False),
        Binding("E", "unfold_all", "Unfold all", show=False),
        Binding("C", "fold_all", "Fold all", show=False),
        Binding("n", "next(True)", "Next match", show=False),
        Binding("N", "next(False)", "Match before", show=False),
        Binding("s", "sort", "Sort"),
        Binding("b", "bars", "Bars of model or parent", show=False),
        Binding("H", "heaviest", "Heaviest"),
        Binding("t", "toggle_target", "Target"),
    ]

    def __init__(
        self,
        anatomy: Anatomy | None = None,
        *,
        id: str | None = None,  # noqa: A002 (textual's name)
    ) -> None:
        super().__init__(id=id)
        self.query_text = ""
        """What `n` and `N` look for."""
        self._left = ""
        """The path of the row that had the cursor before `clear`."""
        self._of_parent, self._layout = False, layout(0)
        self._told: Row | None = None
        self._take(Outline(title=""))
        if anatomy is not None:
            self._take(outline_of(anatomy), anatomy.tied)

    def set_anatomy(self, anatomy: Anatomy, outline: Outline | None = None) -> None:
        """Show another model; a plan's shares are gone. `outline`: where it was made elsewhere, e.g. in a thread."""
        path = self.row.path if self.rows else self._left
        self._take(outline or outline_of(anatomy), anatomy.tied)
        item = self.view.outline.modules.get(path) if path else None
        self._refresh_rows(self.view.visible(item) if item is not None else 0)

    def clear(self) -> None:
        """Show nothing; the next model has the cursor where this one had it."""
        self._left = self.row.path if self.rows else self._left
        self._take(Outline(title=""))
        self.repaint()

    def set_shares(self, modules: Mapping[str, ModuleShare] | None) -> None:
        """Mark the rows by a plan's modules, or by none."""
        self._mark(Shares(self.outline, modules) if modules is not None else None, self.marker.targets)

    def set_targets(self, targets: frozenset[int] | None) -> None:
        """Mark these items as targets until a plan says so itself (None): see `targets.targeted`."""
        self._mark(self.marker.shares, targets)

    @property
    def outline(self) -> Outline:
        """All rows that there are."""
        return self.view.outline

    @property
    def row(self) -> Row:
        """The row under the cursor."""
        return self.view.row(self.rows[self.at])

    def _take(self, outline: Outline, tied: tuple[TiedGroup, ...] = ()) -> None:
        self.view = View(outline)
        self.marker = Marker(outline=outline, tied=tied_items(outline, tied) if tied else {})
        self.rows, self.at, self._heavy, self._told = self.view.rows(), 0, -1, None

    def _mark(self, shares: Shares | None, targets: frozenset[int] | None) -> None:
        self.marker = Marker(outline=self.outline, tied=self.marker.tied, shares=shares, targets=targets)
        self._told = None
        self.repaint()
        self.moved()

    def on_mount(self) -> None:
        """The first rows, and word of the cursor."""
        if self.rows:
            self._refresh_rows(self.rows[self.at])

    # Where the cursor is.

    def go_to(self, item: int) -> None:
        """Put the cursor on an item, or on what is seen of what it is in."""
        self._refresh_rows(self.view.visible(item))

    def _refresh_rows(self, item: int) -> None:
        """The rows have changed; the cursor is to be on an item that is seen."""
        self.rows = self.view.rows()
        self.at = self.rows.index(item)
        self.repaint()
        self.scroll_to_cursor()
        self.moved()

    def _say(self, message: Message) -> None:
        """Post a message in the tree's own name: one in the name of whoever called would not rise above that parent."""
        self.post_message(message.set_sender(self))

    def moved(self) -> None:
        """Say so where the row, or what it stands for, is another."""
        if self.rows and self.row != self._told:
            self._told = self.row
            self._say(self.Moved(self, self.row))

    # Drawing.

    def repaint(self) -> None:
        """With the columns that there is room for and something to show in."""
        known = {"plan"} if self.marker.shares is not None else set()
        if self.outline.dtype:
            known.add("bytes")
        self._layout = layout(self.line_width, frozenset(known))
        super().repaint()

    def header(self) -> str:
        """The columns' titles; an arrow where siblings are by size."""
        return (
            self._layout.header.replace(" params", "↓params", 1) if self.view.by_size else self._layout.header
        )

    def cells(self, item: int) -> list[Cell]:
        """A row."""
        return self.painter.cells(item)

    @property
    def columns(self) -> Layout:
        """The columns as they stand now."""
        return self._layout

    @property
    def painter(self) -> Painter:
        """What puts rows into words now."""
        return Painter(view=self.view, marker=self.marker, layout=self._layout, of_parent=self._of_parent)

    # Keys.

    def action_toggle_fold(self) -> None:
        """Unfold what is closed, fold what is open."""
        if self.rows:
            item = self.rows[self.at]
            self._set_fold(item, Fold.CLOSED if self.view.fold(item) else Fold.OPEN)

    def action_inward(self) -> None:
        """Unfold; what is unfolded is gone into."""
        item = self.rows[self.at] if self.rows else None
        if item is None or not self.view.can_open(item):
            return
        if self.view.fold(item):
            self.move_to(self.at + 1)
        else:
            self._set_fold(item, Fold.OPEN)

    def action_outward(self) -> None:
        """Fold; from what is folded to what it is in."""
        if not self.rows:
            return
        item = self.rows[self.at]
        if self.view.can_open(item) and self.view.fold(item):
            self._set_fold(item, Fold.CLOSED)
        elif around := self.view.indent(item):
            self.move_to(self.rows.index(around[-1], 0, self.at))

    def action_split(self) -> None:
        """A folded group's members one by one, or together again; from inside a group the innermost around."""
        if not self.rows:
            return
        here = self.rows[self.at]
        group = next((i for i in (here, *self.outline.above(here)) if self.outline.is_group(i)), None)
        if group is not None:
            split = self.view.fold(group) is Fold.SPLIT
            self.view.set_fold(group, Fold.OPEN if split else Fold.SPLIT)
            self._refresh_rows(self.view.visible(here))

    def action_unfold_all(self) -> None:
        """Everything there is, layer by layer."""
        self.view.unfold_all()
        self._keep_cursor()

    def action_fold_all(self) -> None:
        """As at first."""
        self.view.fold_all()
        self._keep_cursor()

    def action_sort(self) -> None:
        """Siblings by size, or in the model's order."""
        self.view.sort(not self.view.by_size)
        self._keep_cursor()

    def action_bars(self) -> None:
        """Shares of the model, or of what a row is in."""
        self._of_parent = not self._of_parent
        self.repaint()

    def action_heaviest(self) -> None:
        """The largest parameters; pressed again, the next."""
        heavy = self.view.heaviest()
        if heavy:
            here = self.rows[self.at]
            known = 0 <= self._heavy < len(heavy) and heavy[self._heavy] == here
            self._heavy = (self._heavy + 1) % len(heavy) if known else 0
            self._refresh_rows(self._reveal(heavy[self._heavy]))

    def action_toggle_target(self) -> None:
        """Ask for adapters on the row, or for none."""
        if self.rows:
            targets = self.marker.target_items
            on = not all(item in targets for item in self.row.starts())
            self._say(self.TargetToggled(self, self.row, on))

    def action_next(self, forward: bool) -> None:
        """The next match of the search, or the one before."""
        self._jump(forward, self.rows[self.at] if self.rows else 0)

    # Searching.

    def search(self, text: str, start: int | None = None) -> int:
        """Look for a text from an item on (else from the cursor's), that item included; the number of matches."""
        self.query_text = text
        here = self.rows[self.at] if self.rows else 0
        return self._jump(True, here if start is None else start, stay=True)

    def filter(self, text: str) -> int:
        """Keep what matches, and what it is in; '' for everything. The number of matches."""
        count = self.view.set_filter(Query(text), self.marker.marked)
        self._keep_cursor()
        self._say(self.Found(self, count, 0))
        return count

    def _jump(self, forward: bool, start: int, *, stay: bool = False) -> int:
        found = self.view.matches(Query(self.query_text), self.marker.marked)
        if not found:
            self._say(self.Found(self, 0, 0))
            return 0
        here = start in found
        item = start if stay and here else self.view.jump(found, start, forward)
        if item is not None:
            self._refresh_rows(self._reveal(item))
            self._say(self.Found(self, len(found), found.index(item) + 1))
        return len(found)

    def _reveal(self, item: int) -> int:
        """Unfold what hides an item, be it one layer's own; a filter that hides it ends."""
        if self.view.filter and not self.view.keeps(item):
            self.view.set_filter(Query(""))
        return self.view.reveal_itself(item)

    def _set_fold(self, item: int, fold: Fold) -> None:
        self.view.set_fold(item, fold)
        self._refresh_rows(item)

    def _keep_cursor(self) -> None:
        if self.rows:
            self._refresh_rows(self.view.visible(self.rows[self.at]))

    # The mouse.

    def on_click(self, event: events.Click) -> None:
        """The cursor to the row; on the sign of folding, and at the second click, it is unfolded or folded."""
        at = event.y - 1 + self.scroll_offset.y
        if event.y < 1 or at >= len(self.rows):
            return
        self.move_to(at)
        on_glyph = event.x == self.painter.glyph_at(self.rows[at])
        if on_glyph == (event.chain % 2 == 1):
            self.action_toggle_fold()
