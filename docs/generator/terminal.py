"""Pictures of the terminal: what commands print in one, and what `anatomy browse` draws, as SVG that loads nothing."""

import asyncio
import contextlib
import io
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from generator.stage import variables

if TYPE_CHECKING:
    from anatomy.tui.app import BrowseApp

FONTS = "ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace"
"""Whatever the reader has: every run of characters says how wide it is, so that columns stay columns."""
COLOURED = {"TERM": "xterm-256color", "COLORTERM": "truecolor", "NO_COLOR": "", "FORCE_COLOR": ""}
"""Variables of a terminal with colours."""
PATIENCE = 600
"""Seconds for the interface to have its answers."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Shot:
    """One picture."""

    command: str
    """What is typed."""
    columns: int = 120
    until: str = ""
    """The paragraph before which the picture ends; '' for the whole answer."""
    keys: tuple[str, ...] = ()
    """Of `anatomy browse`: what is pressed once all is answered."""
    rows: int = 0
    """Of `anatomy browse`: lines of the terminal."""


LLAMA = "meta-llama/Llama-3.1-8B"
SHOTS: Mapping[str, Shot] = {
    "plan.svg": Shot(command=f"anatomy plan {LLAMA} --method qlora --r 64", until="Allocated, phase by phase"),
    "compare.svg": Shot(
        command=f"anatomy compare {LLAMA} --methods lora,qlora --optimizers adamw_torch_fused,adamw_bnb_8bit "
        "--precisions bf16",
        until="The same in every run",
    ),
    "browse.svg": Shot(command=f"anatomy browse {LLAMA} --method qlora --r 64", keys=("3",), columns=140, rows=40),
}  # fmt: skip
"""File in docs/pictures -> what it is a picture of."""


def drawn(shot: Shot) -> str:
    """The picture, as SVG: the same answer gives the same text."""
    return offline(_screen(shot) if shot.rows else _answer(shot))


def offline(svg: str) -> str:
    """Without the fonts that rich's pictures load, and with classes that do not number the content."""
    svg = re.sub(r"\s*@font-face \{.*?\}\n", "\n", svg, flags=re.S)
    svg = re.sub(r"font-family: Fira Code[^;]*;", f"font-family: {FONTS};", svg)
    return re.sub(r"terminal-\d+", "terminal", svg)


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def _answer(shot: Shot) -> str:
    """What a command prints where a person reads it, drawn line by line."""
    from rich.console import Console
    from rich.text import Text

    console = Console(
        record=True, width=shot.columns, file=io.StringIO(), force_terminal=True, color_system="256"
    )
    said = _printed(shot)
    lines = [Text.from_ansi(line, no_wrap=True, overflow="crop") for line in said.splitlines()]
    ends = [at for at, line in enumerate(lines) if shot.until and line.plain.startswith(shot.until)]
    console.print(Text.assemble(("$ ", "dim"), (_typed(shot.command, shot.columns), "bold")))
    console.print()
    for line in lines[: ends[0]] if ends else lines:
        console.print(line)
    return console.export_svg(title="", unique_id="terminal")


def _typed(command: str, columns: int) -> str:
    """The command as it is typed, over lines where it is longer than the terminal is wide."""
    lines = [""]
    for word in shlex.split(command):
        if len(lines[-1]) + len(word) > columns - 6:
            lines[-1] += "\\"
            lines.append("    ")
        lines[-1] += f"{word} "
    return "\n".join(line.rstrip() for line in lines)


def _printed(shot: Shot) -> str:
    from anatomy.cli import main
    from anatomy.source.access import without_network

    out = _Terminal()
    with (
        variables({**COLOURED, "COLUMNS": str(shot.columns)}),
        without_network(),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        try:
            main(shlex.split(shot.command)[1:])
        except SystemExit as done:
            if done.code:
                raise RuntimeError(f"{shot.command} is refused") from done
    return out.getvalue()


def _screen(shot: Shot) -> str:
    """What the interface shows once it has its answers and the keys were pressed."""
    from anatomy.cli.browse import command
    from anatomy.cli.recipe_options import recipe_from_flags
    from anatomy.source.access import without_network
    from anatomy.tui.app import BrowseApp
    from anatomy.tui.backstage.requests import ModelAsked
    from anatomy.tui.desk import Run

    with command.make_context("browse", shlex.split(shot.command)[2:]) as asked:
        recipe, chosen = recipe_from_flags(asked.params)
    app = BrowseApp(ModelAsked(reference=asked.params["model"]), Run(recipe=recipe, chosen=chosen, gpu=None))
    app.animation_level = "none"
    with variables(COLOURED), without_network():
        return asyncio.run(_walked(app, shot))


async def _walked(app: "BrowseApp", shot: Shot) -> str:
    async with app.run_test(size=(shot.columns, shot.rows)) as pilot:
        await pilot.pause()
        async with asyncio.timeout(PATIENCE):
            while app.conversation.busy:
                await pilot.pause(0.1)
        for key in shot.keys:
            await pilot.press(key)
            await pilot.pause()
        return app.export_screenshot(title=" ")
