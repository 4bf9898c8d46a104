"""A page with the answers that it shows made anew."""

import contextlib
import io
import re
import shutil
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Any

from generator.snippets import Block, blocks, shown_part
from generator.stage import Said, on_stage, run

Answers = MutableMapping[str, Said]
"""Command -> what it said."""
_PICTURE = re.compile(r"!\[[^\]]*\]\((?P<path>[^)]*?(?P<name>[^)/]+\.svg))\)")


def anew(path: Path, folder: Path, known: Answers) -> str:
    """A page's text with every answer in it replaced by what its command says now; its pictures are drawn anew beside it.

    `folder`: a stage; `known`: answers that were given there already, to which new ones are added. Raises RuntimeError where
    a command fails, LookupError where a paragraph is no more.
    """
    page = path.read_text(encoding="utf-8")
    parts, end = [], 0
    for block, text in answers(page, folder, known):
        parts += [page[end : block.start], text]
        end = block.start + len(block.text)
    for name, target in pictures(path).items():
        target.parent.mkdir(exist_ok=True)
        shutil.copyfile(folder / name, target)
    return "".join((*parts, page[end:]))


def pictures(path: Path) -> dict[str, Path]:
    """File that a command of the page draws -> where the page has it."""
    page = path.read_text(encoding="utf-8")
    drawn = " ".join(command for block in blocks(page) for command in block.commands)
    return {
        found["name"]: path.parent / found["path"]
        for found in _PICTURE.finditer(page)
        if f"--plot {found['name']}" in drawn
    }


def answers(page: str, folder: Path, known: Answers) -> Iterator[tuple[Block, str]]:
    """(block that shows an answer, what it has to show), with all that stands before it in the page run on the way."""
    said = Said()
    names: dict[str, Any] = {}
    found = [*blocks(page)]
    last = max((at for at, block in enumerate(found) if block.shows is not None), default=-1)
    for block in found[: last + 1]:
        if block.file is not None:
            (folder / block.file).write_text(block.text)
        elif block.language == "python":
            said = Said(out=printed(block.text, folder, names))
        elif block.shows is not None:
            yield block, said.err if block.note == "error" else shown_part(said.out, block.shows)
        for command in block.commands:
            said = answer(command, folder, known)


def answer(command: str, folder: Path, known: Answers) -> Said:
    """What a command says, asked once."""
    if command not in known:
        with on_stage(folder):
            known[command] = run(command)
    return known[command]


def printed(text: str, folder: Path, names: dict[str, Any]) -> str:
    """What Python prints. `names`: what earlier blocks of the page have defined, to which this one adds."""
    out = io.StringIO()
    with on_stage(folder), contextlib.redirect_stdout(out):
        exec(compile(text, "<a page>", "exec"), names)
    return out.getvalue()
