"""What the module tree costs with 60,000 tensors: every key beside the same press in an empty app.

A mixture of experts, 61 layers of 320 experts as names and shapes alone. 'first tree' is from the anatomy to the first
painted screen, less the same for an empty app. A key's time is from the press until the app is idle again, in a
headless terminal; the median of several presses, and the difference to an app with an empty widget. textual looks whether
an app is idle 50 times a second, so that wall time comes in steps of 20 ms; 'work' is the process's CPU time, more than the
empty app's.

    python benchmarks/tui_tree.py [--layers 61] [--experts 320] [--size 160x48] [--repeat 5]
"""

import argparse
import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import Any, NamedTuple

from textual.app import App, ComposeResult
from textual.pilot import Pilot
from textual.widgets import Static

from anatomy.architecture.anatomy import Anatomy
from anatomy.architecture.facts import Facts
from anatomy.architecture.tree import tree_from_shapes
from anatomy.errors import RecipeError
from anatomy.memory.timeline import Category
from anatomy.planning.modules import HeldParameter, ModuleShare
from anatomy.tui.tree.details import Details
from anatomy.tui.tree.growing import outline_of
from anatomy.tui.tree.pane import ModulePane
from anatomy.tui.tree.targets import toggle
from anatomy.tui.tree.widget import ModuleTree

KEYS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("down", ("down",)),
    ("unfold the layers", ("down", "down", "enter")),
    ("unfold all (E)", ("E",)),
    ("last row (G)", ("G",)),
    ("page up", ("pageup",)),
    ("up", ("up",)),
    ("sort (s)", ("s",)),
    ("sort back (s)", ("s",)),
    ("heaviest (H)", ("H",)),
    ("next heaviest (H)", ("H",)),
    ("fold (h)", ("h",)),
    ("open search (/)", ("slash",)),
    ("search, letter 'u'", ("u",)),
    ("search, letter 'p'", ("p",)),
    ("keep search (enter)", ("enter",)),
    ("target (t)", ("t",)),
    ("next match (n)", ("n",)),
    ("match before (N)", ("N",)),
    ("open filter (f)", ("f",)),
    ("filter, letter 'g'", ("g",)),
    ("filter, letter 'a'", ("a",)),
    ("keep filter (enter)", ("enter",)),
    ("unfold all, filtered", ("E",)),
    ("clear filter", ("f", "escape")),
    ("fold all (C)", ("C",)),
)
"""What is done in turn -> the keys of it; the time is that of all of them."""


def model(layers: int, experts: int) -> Anatomy:
    """A mixture of experts by names and shapes."""
    shapes: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (129280, 7168)}
    for k in range(layers):
        at = f"model.layers.{k}"
        for name in ("q_a_proj", "q_b_proj", "kv_a_proj", "kv_b_proj", "o_proj"):
            shapes[f"{at}.self_attn.{name}.weight"] = (1536, 7168)
        shapes[f"{at}.input_layernorm.weight"] = (7168,)
        shapes[f"{at}.mlp.gate.weight"] = (experts, 7168)
        for e in range(experts):
            for name in ("gate_proj", "up_proj", "down_proj"):
                shapes[f"{at}.mlp.experts.{e}.{name}.weight"] = (2048, 7168)
    shapes["lm_head.weight"] = (129280, 7168)
    tree, _ = tree_from_shapes(shapes, Facts())
    return Anatomy(
        id="made",
        origin="made up",
        model_type=None,
        architecture=None,
        facts=Facts(),
        tree=tree,
        dtype="bfloat16",
    )


def shares(anatomy: Anatomy) -> dict[str, ModuleShare]:
    """A plan's modules, so that marks and details have something to add up."""
    return {
        node.path: ModuleShare(
            peak={Category.WEIGHTS: 2 * node.own_parameters, Category.ACTIVATIONS: 512},
            flops=node.own_parameters,
            held=tuple(
                HeldParameter(
                    name=own.name, shape=own.shape, dtype="bfloat16", trainable=False, adapter=False
                )
                for own in node.own
            ),
        )
        for node in anatomy.tree.walk()
        if node.own
    }


class Empty(App[None]):
    """The app to compare with."""

    def compose(self) -> ComposeResult:
        """One widget that takes the focus."""
        blank = Static("")
        blank.can_focus = True
        yield blank


class Full(App[None]):
    """The tree with its details."""

    CSS = "Screen { layout: horizontal; } ModulePane { width: 1fr; } Details { width: 40%; }"

    def __init__(self, anatomy: Anatomy) -> None:
        super().__init__()
        self.anatomy = anatomy

    def compose(self) -> ComposeResult:
        """Side by side."""
        yield ModulePane(self.anatomy)
        yield Details()

    def on_module_tree_moved(self, event: ModuleTree.Moved) -> None:
        """Describe the row."""
        self.query_one(Details).show(event.tree.marker, event.row)

    def on_module_tree_target_toggled(self, event: ModuleTree.TargetToggled) -> None:
        """Work the new targets out."""
        with suppress(RecipeError):
            toggle(event.tree.outline, event.row, "all-linear")


Step = Callable[[Pilot[Any]], Awaitable[object]]


class Took(NamedTuple):
    """Milliseconds."""

    wall: float
    work: float
    """CPU time of the process, which does nothing else."""


async def timed(pilot: Pilot[Any], step: Step) -> Took:
    """A step until the app is idle."""
    start, worked = time.perf_counter(), time.process_time()
    await step(pilot)
    await pilot.pause()
    return Took(1000 * (time.perf_counter() - start), 1000 * (time.process_time() - worked))


def pressing(keys: tuple[str, ...]) -> Step:
    """The step that presses them."""
    return lambda pilot: pilot.press(*keys)


def resizing(width: int, height: int) -> Step:
    """The step that makes the terminal another size."""
    return lambda pilot: pilot.resize_terminal(width, height)


async def first_paint(make: Callable[[], App[None]], size: tuple[int, int]) -> Took:
    """An app until it has painted."""
    start, worked = time.perf_counter(), time.process_time()
    async with make().run_test(size=size) as pilot:
        await pilot.pause()
        return Took(1000 * (time.perf_counter() - start), 1000 * (time.process_time() - worked))


async def walk(app: App[None], size: tuple[int, int], plan: dict[str, ModuleShare]) -> dict[str, Took]:
    """Every step once, in turn."""
    found = {}
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        tree = next(iter(app.query(ModuleTree)), None)
        if tree is not None:
            tree.set_shares(plan)
            tree.focus()
        await pilot.pause(0.1)
        for name, keys in KEYS:
            found[name] = await timed(pilot, pressing(keys))
            if name.startswith("unfold all (E)"):
                found["resize, all unfolded"] = await timed(pilot, resizing(size[0] - 9, size[1] - 5))
                found["resize back"] = await timed(pilot, resizing(*size))
    return found


def median(took: Iterable[Took]) -> Took:
    """Of each figure alone."""
    return Took(*map(statistics.median, zip(*took, strict=True)))


def medians(runs: list[dict[str, Took]]) -> dict[str, Took]:
    """Step -> its median."""
    return {name: median(run[name] for run in runs) for name in runs[0]}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--layers", type=int, default=61)
    parser.add_argument("--experts", type=int, default=320)
    parser.add_argument("--size", default="160x48")
    parser.add_argument("--repeat", type=int, default=5)
    given = parser.parse_args()
    width, height = (int(side) for side in given.size.split("x"))
    anatomy = model(given.layers, given.experts)
    plan = shares(anatomy)
    tensors = sum(len(node.own) for node in anatomy.tree.walk())
    print(f"{tensors:,} tensors, {len(outline_of(anatomy)):,} rows, {width} x {height}\n")
    asyncio.run(first_paint(Empty, (width, height)))  # imports and style sheets
    opened, blank = (
        [asyncio.run(first_paint(make, (width, height))) for _ in range(given.repeat)]
        for make in (lambda: Full(anatomy), Empty)
    )
    full = [asyncio.run(walk(Full(anatomy), (width, height), plan)) for _ in range(given.repeat)]
    empty = [asyncio.run(walk(Empty(), (width, height), plan)) for _ in range(given.repeat)]
    rows = {"first tree": (median(opened), median(blank))}
    rows |= {name: (took, medians(empty)[name]) for name, took in medians(full).items()}
    print(f"{'':24}{'tree':>9}{'empty':>9}{'more':>9}{'work':>9}   ms")
    for name, (took, nothing) in rows.items():
        more = (took.wall, nothing.wall, took.wall - nothing.wall, took.work - nothing.work)
        print(f"{name:24}" + "".join(f"{value:9.1f}" for value in more))


if __name__ == "__main__":
    main()
