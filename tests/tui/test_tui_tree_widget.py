"""The module tree in a terminal: every key, the mouse, any width."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import Any

import pytest
from made_trees import dense, experts, shares_of
from rich.cells import cell_len
from textual import on
from textual.app import App, ComposeResult
from textual.pilot import Pilot

from anatomy.architecture.anatomy import Anatomy
from anatomy.architecture.tree import ModuleNode
from anatomy.tui.tree.columns import Painter, bar, layout, percent, printable, shorten
from anatomy.tui.tree.details import Details
from anatomy.tui.tree.growing import outline_of
from anatomy.tui.tree.marks import Marker
from anatomy.tui.tree.pane import ModulePane
from anatomy.tui.tree.search_bar import SearchBar
from anatomy.tui.tree.view import View
from anatomy.tui.tree.widget import ModuleTree


class Host(App[None]):
    """The pane with the details beside it, and a note of every message."""

    CSS = "Screen { layout: horizontal; } ModulePane { width: 1fr; } Details { width: 30; }"

    def __init__(self, anatomy: Anatomy | None) -> None:
        super().__init__()
        self.anatomy = anatomy
        self.moves: list[str] = []
        self.toggles: list[tuple[str, bool]] = []

    def compose(self) -> ComposeResult:
        yield ModulePane(self.anatomy)
        yield Details()

    @on(ModuleTree.Moved)
    def _moved(self, event: ModuleTree.Moved) -> None:
        self.moves.append(event.row.place)
        self.query_one(Details).show(event.tree.marker, event.row)

    @on(ModuleTree.TargetToggled)
    def _toggled(self, event: ModuleTree.TargetToggled) -> None:
        self.toggles.append((event.row.place, event.on))

    @property
    def tree(self) -> ModuleTree:
        return self.query_one(ModuleTree)

    def labels(self) -> list[str]:
        return [self.tree.outline.label(item) for item in self.tree.rows]

    def lines(self) -> list[str]:
        return [
            "".join(segment.text for segment in strip) for strip in self.screen._compositor.render_strips()
        ]


Script = Callable[[Host, Pilot[Any]], Awaitable[None]]


def drive(script: Script, anatomy: Anatomy | None = None, size: tuple[int, int] = (110, 30)) -> Host:
    """Run a script against the tree; the app as it was at the end."""
    app = Host(anatomy or dense())

    async def run() -> None:
        async with app.run_test(size=size) as pilot:
            await pilot.pause()
            app.tree.focus()
            await pilot.pause()
            await script(app, pilot)

    asyncio.run(run())
    return app


def after(*keys: str, anatomy: Anatomy | None = None) -> tuple[str, list[str]]:
    """Where the cursor is after some keys, and the labels that are seen."""
    seen: list[Any] = []

    async def script(app: Host, pilot: Pilot[Any]) -> None:
        await pilot.press(*keys)
        await pilot.pause()
        seen.extend((app.tree.row.place, app.labels()))
        assert app.moves[-1] == app.tree.row.place
        assert app.query_one(Details).sections[0].lines[0].text == (app.tree.row.place or "the model itself")

    drive(script, anatomy)
    return seen[0], seen[1]


FIRST = ["MadeForCausalLM", "model", "embed_tokens", "layers.0-3", "lm_head"]
LAYERS = "model.layers.0-3"


@pytest.mark.parametrize(
    ("keys", "place"),
    [
        ((), ""),
        (("down",), "model"),
        (("j", "j"), "model.embed_tokens"),
        (("j", "j", "k"), "model"),
        (("j", "j", "up"), "model"),
        (("k",), ""),
        (("G",), "lm_head"),
        (("end",), "lm_head"),
        (("G", "g"), ""),
        (("G", "home"), ""),
        (("ctrl+d",), "lm_head"),
        (("pagedown",), "lm_head"),
        (("G", "ctrl+u"), ""),
        (("G", "pageup"), ""),
        (("j", "j", "h"), "model"),
        (("j", "l"), "model.embed_tokens"),
        (("G", "l"), "lm_head"),
    ],
)
def test_moving(keys: tuple[str, ...], place: str):
    assert after(*keys) == (place, FIRST)


@pytest.mark.parametrize("key", ["enter", "space", "l", "right"])
def test_unfolding(key: str):
    place, labels = after("j", "j", "j", key)
    assert place == LAYERS
    assert labels == [*FIRST[:4], "self_attn", "mlp", "norm", "lm_head"]


@pytest.mark.parametrize("key", ["enter", "space", "h", "left"])
def test_folding(key: str):
    assert after("j", "j", "j", "l", key) == (LAYERS, FIRST)


def test_splitting_and_joining():
    place, labels = after("j", "j", "j", "x")
    assert place == LAYERS
    assert labels == [*FIRST[:4], "0", "1", "2", "3", "lm_head"]
    place, labels = after("j", "j", "j", "x", "j", "j", "j", "l", "l", "x")
    assert place == f"{LAYERS}.self_attn"
    assert labels == [*FIRST[:4], "self_attn", "mlp", "norm", "lm_head"]


def test_unfold_all_and_fold_all():
    place, labels = after("G", "E")
    assert place == "lm_head"
    assert len(labels) == len(outline_of(dense()))
    assert after("j", "j", "E", "C") == ("model.embed_tokens", FIRST)


def test_folding_all_leaves_the_cursor_on_what_holds_it():
    assert after("j", "j", "j", "x", "j", "j", "l", "l", "C")[0] == LAYERS


def test_sorting_keeps_the_cursor():
    wide = dense(5, wide=2)
    place, labels = after("j", "j", "j", "l", "j", "s", anatomy=wide)
    assert place == "model.layers.2"
    assert labels[2:7] == ["layers", "0-1", "3-4", "2", "embed_tokens"]
    assert after("s", "s", anatomy=wide)[1][2] == "embed_tokens"


def test_heaviest_and_the_next():
    assert after("H")[0] == f"{LAYERS}.mlp.up_proj"
    assert after("H", "H")[0] == "model.embed_tokens"
    assert after("H", "H", "g", "H")[0] == f"{LAYERS}.mlp.up_proj"


def test_search_as_you_type_enter_and_next():
    assert after("slash", *"8x8", "enter")[0] == f"{LAYERS}.self_attn.q_proj.weight"
    assert after("slash", *"8x8", "enter", "n")[0] == f"{LAYERS}.self_attn.v_proj.weight"
    assert after("slash", *"8x8", "enter", "n", "n")[0] == f"{LAYERS}.self_attn.q_proj.weight"
    assert after("slash", *"8x8", "enter", "N")[0] == f"{LAYERS}.self_attn.v_proj.weight"


def test_escape_takes_a_search_back():
    assert after("j", "slash", *"norm", "escape") == ("model", FIRST)


def test_letters_before_leave_nothing_unfolded():
    """On the way to 'lm_head' are 'l' and 'lm', which matched inside the layers."""
    assert after("slash", *"lm_head", "enter") == ("lm_head", FIRST)


def test_a_search_without_a_match_stays_and_says_so():
    async def script(app: Host, pilot: Pilot[Any]) -> None:
        await pilot.press("j", "slash", *"qqq")
        await pilot.pause()
        assert app.tree.row.place == "model"
        assert "none" in app.lines()[-1]

    drive(script)


def test_the_bar_counts():
    async def script(app: Host, pilot: Pilot[Any]) -> None:
        await pilot.press("slash", *"8x8")
        await pilot.pause()
        assert app.query_one(SearchBar).display
        assert "1/2" in app.lines()[-1]
        await pilot.press("enter")
        await pilot.pause()
        assert not app.query_one(SearchBar).display
        assert app.focused is app.tree

    drive(script)


def test_filtering():
    assert after("f", *"mlp", "enter")[1] == ["MadeForCausalLM", "model", "layers.0-3", "mlp"]
    assert after("f", *"mlp", "escape")[1] == FIRST
    assert after("f", *"mlp", "enter", "f", "backspace", "backspace", "backspace", "enter")[1] == FIRST


def test_a_filter_stays_in_sight_until_escape_takes_it_back():
    async def script(app: Host, pilot: Pilot[Any]) -> None:
        await pilot.press("f", *"mlp", "enter")
        await pilot.pause()
        assert "filter mlp (esc shows all)" in app.lines()[-1]
        assert app.focused is app.tree
        await pilot.press("slash", *"up_proj", "enter")
        await pilot.pause()
        assert "filter mlp" in app.lines()[-1], "a search within it leaves it"
        await pilot.press("escape")
        await pilot.pause()
        assert not app.query_one(SearchBar).display
        assert [app.tree.view.row(item).label for item in app.tree.rows].count("embed_tokens") == 1

    drive(script)


def test_an_arrow_says_that_siblings_are_by_size():
    async def script(app: Host, pilot: Pilot[Any]) -> None:
        before = app.tree.header()
        assert " params" in before
        await pilot.press("s")
        assert "↓params" in app.tree.header()
        assert len(app.tree.header()) == len(before)
        await pilot.press("s")
        assert app.tree.header() == before

    drive(script)


def test_a_search_for_what_a_filter_hides_ends_the_filter():
    place, labels = after("f", *"mlp", "enter", "slash", *"lm_head", "enter")
    assert place == "lm_head"
    assert labels == FIRST


def test_toggling_a_target_says_which_way():
    async def script(app: Host, pilot: Pilot[Any]) -> None:
        await pilot.press("slash", *"q_proj", "enter", "t")
        app.tree.set_targets(frozenset(app.tree.outline.modules_of(app.tree.row)))
        await pilot.press("t")
        await pilot.pause()

    row = f"{LAYERS}.self_attn.q_proj"
    assert drive(script).toggles == [(row, True), (row, False)]


def test_a_plan_marks_the_rows_and_a_new_one_marks_them_anew():
    async def script(app: Host, pilot: Pilot[Any]) -> None:
        await pilot.press("slash", *"q_proj", "enter")
        app.tree.set_shares(shares_of(dense()))
        await pilot.pause()
        text = app.tree.painter.text(app.tree.rows[app.tree.at])
        assert " t L " in text
        assert app.query_one(Details).sections[-1].title == "Adapters on it"
        app.tree.set_shares(shares_of(dense(), ("v_proj",)))
        await pilot.pause()
        assert app.tree.row.place == f"{LAYERS}.self_attn.q_proj"
        assert " F   " in app.tree.painter.text(app.tree.rows[app.tree.at])
        app.tree.set_shares(None)
        await pilot.pause()
        assert app.query_one(Details).sections[-1].title == "Parameters"

    drive(script)


def test_a_model_that_comes_later():
    async def run() -> None:
        app = Host(None)
        async with app.run_test(size=(80, 24)) as pilot:
            app.tree.focus()
            await pilot.press("j", "l", "h", "x", "enter", "E", "C", "s", "H", "t", "n", "G", "b")
            assert not app.tree.rows
            app.anatomy = dense()
            app.tree.set_anatomy(app.anatomy)
            await pilot.pause()
            assert app.labels() == FIRST
            await pilot.press("j", "j")
            app.anatomy = dense(6)
            app.tree.set_anatomy(app.anatomy, outline_of(app.anatomy))
            await pilot.pause()
            assert app.tree.row.place == "model.embed_tokens"
            assert "layers.0-5" in app.labels()

    asyncio.run(run())


def test_the_mouse():
    async def script(app: Host, pilot: Pilot[Any]) -> None:
        await pilot.click(ModuleTree, offset=(20, 4))
        await pilot.pause()
        assert app.tree.row.place == LAYERS
        assert app.labels() == FIRST
        await pilot.click(ModuleTree, offset=(20, 4), times=2)
        await pilot.pause()
        assert "self_attn" in app.labels()
        glyph = app.tree.painter.glyph_at(app.tree.rows[3])
        await pilot.click(ModuleTree, offset=(20, 1))
        await pilot.click(ModuleTree, offset=(glyph, 4))
        await pilot.pause()
        assert app.labels() == FIRST
        await pilot.click(ModuleTree, offset=(20, 0))
        await pilot.click(ModuleTree, offset=(20, 20))
        assert app.tree.row.place == LAYERS

    drive(script)


def test_the_cursor_stays_in_sight():
    async def script(app: Host, pilot: Pilot[Any]) -> None:
        await pilot.press("E")
        for key in ("G", "k", "ctrl+u", "g", "pagedown", "ctrl+d", "G"):
            await pilot.press(key)
            await pilot.pause()
            seen = range(app.tree.scroll_offset.y, app.tree.scroll_offset.y + app.tree.size.height - 1)
            assert app.tree.at in seen
        await pilot.resize_terminal(80, 10)
        await pilot.pause()
        seen = range(app.tree.scroll_offset.y, app.tree.scroll_offset.y + app.tree.size.height - 1)
        assert app.tree.at in seen

    drive(script, experts(), (110, 20))


def test_a_storm_of_resizes():
    async def script(app: Host, pilot: Pilot[Any]) -> None:
        await pilot.press("E")
        for width in (200, 31, 80, 35, 160, 40, 33, 110):
            await pilot.resize_terminal(width, 8 + width // 8)
            await pilot.pause()
            assert all(cell_len(line) == width for line in app.lines())

    drive(script)


def test_bars_of_the_parent():
    async def script(app: Host, pilot: Pilot[Any]) -> None:
        item = app.tree.rows[2]
        before = app.tree.painter.text(item)
        await pilot.press("b")
        assert app.tree.painter.text(item) == before  # its parent is all of the model
        await pilot.press("slash", *"bias", "enter")
        text = app.tree.painter.text(app.tree.rows[app.tree.at])
        assert "11.11 %" in text
        await pilot.press("b")
        assert "11.11 %" not in app.tree.painter.text(app.tree.rows[app.tree.at])

    drive(script, size=(140, 30))


KNOWN = frozenset({"bytes", "plan"})


def painter(anatomy: Anatomy, width: int) -> Painter:
    outline = outline_of(anatomy)
    view = View(outline)
    view.unfold_all()
    return Painter(view=view, marker=Marker(outline=outline), layout=layout(width, KNOWN))


@pytest.mark.parametrize("width", [1, 2, 5, 12, 19, 30, 44, 60, 80, 120, 200])
def test_lines_are_as_wide_as_the_layout(width: int):
    made = painter(experts(), width)
    assert cell_len(made.layout.header) == width
    for item in made.view.rows():
        assert cell_len(made.text(item)) == width


def test_columns_drop_out_one_after_the_other():
    shown = [[column.name for column in layout(width, KNOWN).columns] for width in range(1, 160)]
    assert shown[0] == []
    assert shown[-1] == ["marks", "parameters", "bar", "percent", "stored", "peak", "component", "kind"]
    for fewer, more in pairwise(shown):
        assert set(fewer) <= set(more)
    assert layout(44, KNOWN).label >= 18


def test_columns_of_what_is_not_known_are_not_shown():
    names = [column.name for column in layout(200).columns]
    assert "stored" not in names
    assert "peak" not in names


def test_names_from_files_are_only_shown():
    """Brackets, escapes, wide letters, and a name of a thousand letters."""
    names = ["[bold]x[/]", "a\x1b[2Jb\nc", "模型" * 40, "n" * 1000]
    children = tuple(ModuleNode(path=name, kind=name, component="", own=(), children=()) for name in names)
    base = dense()
    tree = ModuleNode(path="", kind="M", component="", own=(), children=children)
    anatomy = Anatomy(id="[red]", origin="o", model_type=None, architecture=None, facts=base.facts, tree=tree)
    for width in (24, 60, 130):
        made = painter(anatomy, width)
        for item in made.view.rows():
            text = made.text(item)
            assert cell_len(text) == width
            assert text.isprintable()

    async def script(app: Host, pilot: Pilot[Any]) -> None:
        await pilot.press("j")
        await pilot.pause()
        lines = app.lines()
        assert any("[bold]x[/]" in line for line in lines)
        assert any("[red]" in line for line in lines)
        await pilot.press("j", "j", "j")
        await pilot.pause()
        assert app.query_one(Details).max_scroll_y > 0

    drive(script, anatomy, (90, 24))


@pytest.mark.parametrize(
    ("part", "whole", "drawn"),
    [
        (0, 100, "    "),
        (100, 100, "████"),
        (50, 100, "██  "),
        (1, 10**9, "▏   "),
        (1, 0, "▏   "),
        (17, 32, "██▏ "),
    ],
)
def test_bars(part: int, whole: int, drawn: str):
    assert bar(part, whole, 4) == drawn


def test_short_texts():
    assert shorten("self_attention", 9) == "self…tion"
    assert shorten("short", 9) == "short"
    assert cell_len(shorten("模型模型模型", 7)) <= 7
    assert printable("a\x1bb") == "a�b"
    assert percent(1, 10**6) == "< 0.01 %"
    assert percent(0, 5) == "0 %"
    assert percent(1, 4) == "25.00 %"
