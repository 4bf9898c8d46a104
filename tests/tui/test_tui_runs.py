"""Saved runs: what is shown of a record, and the keys of the view."""

import asyncio
import pickle

import pytest
from made_records import failed_record, make_record
from rich.console import Console
from textual.app import App, ComposeResult
from textual.widgets import Static

from anatomy.documents.document import Sentence, Table
from anatomy.documents.profile.run import profile_document
from anatomy.documents.signed import signed_share
from anatomy.profiling.record import Record
from anatomy.tui.runs.saved import SavedRun, UnreadRun, detail_blocks, list_texts, saved_run
from anatomy.tui.runs.view import Detail, List, RunsView

MIB = 1 << 20
UNREAD = UnreadRun(
    path="old[x].json", message="old[x].json is not a saved run: it is not JSON.", hint="see --save"
)


@pytest.fixture
def run() -> SavedRun:
    return saved_run("runs/one.json", make_record())


def test_a_run_travels_between_processes(run: SavedRun):
    assert pickle.loads(pickle.dumps(run)) == run


def test_the_list_has_both_peaks_and_their_difference(run: SavedRun):
    assert run.peak is not None
    (cells,) = list_texts([run])
    assert (run.peak.predicted_bytes, run.peak.measured_bytes) == (200 * MIB, 204 * MIB)
    assert cells[3:] == ("200.00 MiB", "204.00 MiB", "-4.00 MiB", signed_share(-4 / 204))


@pytest.mark.parametrize("record", [make_record(), failed_record()], ids=["ran", "out of memory"])
def test_details_are_the_reports_own(record: Record):
    document = profile_document(record)
    tables = {block.title: block for block in document.blocks if isinstance(block, Table)}
    blocks = list(detail_blocks(saved_run("x", record)))
    assert blocks[0] == document.blocks[0]
    shown = [block for block in blocks if isinstance(block, Table)]
    assert shown
    for table in shown:
        assert table.rows == tables[table.title].rows
        assert table.brief is None


def test_a_file_that_is_none_is_a_line_and_a_sentence():
    assert list_texts([UNREAD])[0][:2] == ("old[x].json", "cannot be read")
    assert [b.text for b in detail_blocks(UNREAD) if isinstance(b, Sentence)] == [
        UNREAD.message,
        "hint: see --save",
    ]


class Host(App[None]):
    def __init__(self) -> None:
        super().__init__()
        self.heard: list[str] = []

    def compose(self) -> ComposeResult:
        yield RunsView()

    def on_runs_view_recalled(self, event: RunsView.Recalled) -> None:
        self.heard.append(event.path)

    def detail(self) -> str:
        console = Console(width=100, color_system=None)
        with console.capture() as said:
            console.print(self.query_one(Detail).query_one(Static).content)
        return said.get()


@pytest.mark.parametrize("size", [(80, 24), (200, 60)])
def test_keys(size: tuple[int, int], run: SavedRun):
    async def go() -> None:
        host = Host()
        async with host.run_test(size=size) as pilot:
            view = host.query_one(RunsView)
            assert "No saved run" in str(view.query_one("#state", Static).render())
            view.show([run], progress="reading old[x].json")
            assert "reading old[x].json" in str(view.query_one("#state", Static).render())
            view.show([run, UNREAD])
            view.focus()
            await pilot.pause()
            assert "204.00 MiB" in host.detail()
            await pilot.press("enter", "j")
            assert host.heard == ["runs/one.json"]
            assert "is not a saved run" in host.detail()
            await pilot.press("enter", "g")
            assert host.heard == ["runs/one.json"]  # there is no recipe in what cannot be read
            assert view.selected == run
            view.select("old[x].json")
            view.show([UNREAD, run])
            assert view.selected == UNREAD  # the cursor stays with its file
            await pilot.press("tab")
            assert isinstance(host.focused, Detail)
            await pilot.press("shift+tab")
            assert isinstance(host.focused, List)

    asyncio.run(go())
