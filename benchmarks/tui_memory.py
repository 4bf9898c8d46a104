"""What a key costs in the memory view, over the same key in an empty app; headless, animation off.

The run is that of a planned model, or a made one of half a million entries. Each figure is in milliseconds of CPU time:
what a key takes on a machine with nothing else to do.

    HF_HUB_OFFLINE=1 python benchmarks/tui_memory.py [MODEL --method qlora] [--rounds 20]
"""

import argparse
import asyncio
import random
import statistics
from collections.abc import Iterable
from time import process_time

from textual.app import App, ComposeResult
from textual.widgets import Footer, Static

from anatomy import api
from anatomy.memory.allocator import Replay, replay
from anatomy.memory.timeline import Block, Category, Mark, Phase, Timeline
from anatomy.tui.memory.chart import MemoryChart
from anatomy.tui.memory.view import MemoryView

SIZES = ((80, 24), (200, 60))
ENTRIES = 500_000
PRESSES = (
    *("left", "shift+right", "left_square_bracket", "comma", "full_stop", "p", "plus", "minus", "0", "o"),
    *("home", "end", "r", "c", "enter", "down", "s", "G", "g"),
)


class Host(App[None]):
    """The memory view, or nothing, above a footer."""

    def __init__(self, run: Replay | None) -> None:
        super().__init__()
        self.shown = run

    def compose(self) -> ComposeResult:
        yield MemoryView() if self.shown else Static("nothing")
        yield Footer()

    def on_mount(self) -> None:
        self.animation_level = "none"
        if self.shown:
            self.query_one(MemoryView).show(self.shown, 24 << 30, "24 GiB")
            self.query_one(MemoryChart).focus()


def made(entries: int) -> Replay:
    """A run of four steps whose blocks belong to thousands of modules and live for very different times."""
    draw, kinds = random.Random(0), list(Category)
    phases = (Phase.FORWARD, Phase.LOSS, Phase.BACKWARD, Phase.CLIP, Phase.OPTIMIZER, Phase.ZERO_GRAD)
    blocks: list[Block] = []
    trace: list[int] = []
    alive: list[int] = []
    while len(trace) < entries:
        if len(alive) > 100 and draw.random() < 0.5:
            at = draw.randrange(len(alive))
            alive[at], alive[-1] = alive[-1], alive[at]
            trace.append(~alive.pop())
        else:
            layer = draw.randrange(5000)
            alive.append(len(blocks))
            trace.append(len(blocks))
            blocks.append(
                Block(
                    bytes=draw.randrange(1, 32 << 20),
                    category=draw.choice(kinds),
                    component=f"part {layer % 20}",
                    module=f"model.layers.{layer}",
                    op="aten.mm",
                )
            )
    marks = [Mark(at=0, phase=Phase.LOAD, step=0)]
    marks += [
        Mark(at=(n + 1) * entries // 26, phase=phases[n % 6], step=n // 6 + 1) for n in range(4 * len(phases))
    ]
    return replay(Timeline(blocks=tuple(blocks), trace=tuple(trace), marks=tuple(marks)))


async def presses(run: Replay | None, size: tuple[int, int], rounds: int) -> dict[str, list[float]]:
    """Milliseconds of each press of each key, and of each resize."""
    host, took = Host(run), dict[str, list[float]]()
    async with host.run_test(size=size) as pilot:
        await pilot.pause()
        for _ in range(rounds):
            for key in PRESSES:
                start = process_time()
                await pilot.press(key)
                took.setdefault(key, []).append(1000 * (process_time() - start))
            for narrower in (10, 0):
                start = process_time()
                await pilot.resize_terminal(size[0] - narrower, size[1])
                took.setdefault("resize", []).append(1000 * (process_time() - start))
        if run:
            view = host.query_one(MemoryView)
            copy = replay(Timeline(blocks=(), trace=(), marks=(Mark(at=0, phase=Phase.LOAD, step=0),)))
            view.show(copy)
            await pilot.pause()
            start = process_time()
            view.show(run, 24 << 30, "24 GiB")
            took["show"] = [1000 * (process_time() - start)]
    return took


def report(size: tuple[int, int], with_view: dict[str, list[float]], empty: dict[str, list[float]]) -> None:
    print(f"\n{size[0]} x {size[1]}   median   worst   empty app   over it   worst over it")
    for what, took in with_view.items():
        floor = statistics.median(empty.get(what, [0.0]))
        middle, worst = statistics.median(took), max(took)
        print(
            f"{what:20} {middle:8.1f} {worst:7.1f} {floor:11.1f} {middle - floor:9.1f} {worst - floor:15.1f}"
        )


def main(arguments: Iterable[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?", help="planned; left out, a run is made up")
    parser.add_argument("--method", default="qlora")
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args(arguments)
    run = api.plan(options.model, method=options.method).replay if options.model else made(ENTRIES)
    print(
        f"{options.model or 'a made run'}: {len(run.allocated):,} entries, {len(run.timeline.blocks):,} blocks"
    )
    for size in SIZES:
        shown, empty = (asyncio.run(presses(what, size, options.rounds)) for what in (run, None))
        report(size, shown, empty)


if __name__ == "__main__":
    main()
