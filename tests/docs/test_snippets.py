"""Every command, answer and piece of code in the README and in docs/ is run, compared or accounted for."""

import re
import shlex
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import click
import pytest
import test_readme
from generator.shown import Answers, answer, answers, pictures, printed
from generator.snippets import Block, blocks
from generator.stage import ROOT, set_up
from made_cells import cell_record, make_cell

from anatomy.cli.root import anatomy
from anatomy.profiling.record import save

PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *(path for path in sorted((ROOT / "docs").rglob("*.md")) if path.parent.name != "reference"),
]
"""The reference is written from the code: `test_reference.py` compares it, `test_help.py` reads its examples."""
HEAVY = frozenset({"plan", "compare", "profile", "validate", "report", "optimizers"})
"""Commands that rehearse or run: for the slow tests, as is a cache, whose class is run."""
NOT_RUN = {
    r"anatomy browse .*": "needs a terminal: tests/tui/",
    r"anatomy validate (cpu|gpu-24gb) -o records.*": "needs a GPU, or minutes: tests/validation/test_cpu_grid.py",
    r"python -m anatomy validate .*": "needs a GPU, or what one left",
    r"export .*": "ends with its line",
    r"make .*": "its targets: test_repository.py",
}
"""Commands, as regular expressions, that no test here runs -> why, and who does."""
ELSEWHERE = {
    "README.md: text: step 0: memory/predicted_peak_allocated_bytes": "tests/integrations/test_integration_examples.py",
}
"""Blocks that are covered by another test, by page, language and beginning."""
GIVEN = {
    "README.md": """
import anatomy, torch
from transformers import LlamaConfig, LlamaForCausalLM, Trainer, TrainingArguments
model = LlamaForCausalLM(LlamaConfig(
    vocab_size=512, hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4
))
rows = [{"input_ids": ids, "labels": ids} for ids in torch.randint(0, 512, (4, 32))]
args = TrainingArguments("trained", max_steps=2, report_to=[], save_strategy="no", use_cpu=True)
optimizer = torch.optim.AdamW(model.parameters())

def loader_of(rows):
    for row in rows:
        outputs = model(input_ids=row["input_ids"][None], labels=row["labels"][None])
        yield outputs
        outputs.loss.backward()
        optimizer.step()
        optimizer.zero_grad()

loader = loader_of(rows)
"""
}
"""What a page's Python takes as given."""


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def blocks_of(path: Path) -> list[Block]:
    """Its blocks, but for those of the README that tests/test_readme.py writes and compares."""
    page = path.read_text(encoding="utf-8")
    if path.name == "README.md":
        written = "|".join((*test_readme.COMMANDS, "accuracy"))
        page = re.sub(rf"<!-- ({written}) -->\n.*?<!-- /\1 -->", "", page, flags=re.S)
    return [*blocks(page)]


def commands_of(path: Path) -> list[str]:
    return [command for block in blocks_of(path) for command in block.commands]


def is_run(command: str) -> bool:
    return not any(re.fullmatch(pattern, command) for pattern in NOT_RUN)


def is_quick(command: str) -> bool:
    verb = command.split()[1]
    return (verb not in HEAVY and "--kv-cache" not in command) or "--print-" in command


def known_commands() -> list[str]:
    return sorted({command for path in PAGES for command in commands_of(path)})


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the pages call one's own: a model, a trainer's file, a saved run, a grid's records."""
    folder = tmp_path_factory.mktemp("stage")
    set_up(folder)
    (folder / "records").mkdir()
    record = cell_record(make_cell("one"))
    save(record, folder / "records" / "one.run.json.xz")
    save(record, folder / "run.json.xz")
    return folder


@pytest.fixture(scope="module")
def known() -> Answers:
    return {}


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_every_block_is_accounted_for(path: Path) -> None:
    for block in blocks_of(path):
        where = f"{name_of(path)}:{block.line}"
        begins = f"{name_of(path)}: {block.language}: {block.text.splitlines()[0]}"
        covered = (
            block.language in ("console", "python")
            or block.shows is not None
            or block.file is not None
            or any(begins.startswith(known) for known in ELSEWHERE)
        )
        assert covered, f"{where}: nothing runs this block"
        if block.language == "console":
            assert block.text.startswith("$ "), f"{where}: not a command"


def test_no_exception_is_stale() -> None:
    commands = known_commands()
    assert all(any(re.fullmatch(pattern, command) for command in commands) for pattern in NOT_RUN)
    begins = [f"{name_of(path)}: {b.language}: {b.text}" for path in PAGES for b in blocks_of(path)]
    assert all(any(text.startswith(start) for text in begins) for start in ELSEWHERE)
    assert GIVEN.keys() <= {name_of(path) for path in PAGES}


def programs(command: str) -> Iterator[list[str]]:
    """The calls of `anatomy` in a line of a shell."""
    for part in re.findall(r"(?:^|\$\(|[;&|] *|python -m )(anatomy(?: [^|;&>)]*)?)", command):
        yield shlex.split(part)[1:]


@pytest.mark.parametrize("command", [c for c in known_commands() if "anatomy" in c])
def test_a_command_is_understood(command: str) -> None:
    """Its flags and their values, without running it."""
    for arguments in programs(command):
        with click.Context(anatomy, info_name="anatomy") as above:
            found = anatomy.get_command(above, arguments[0])
            assert found is not None
            found.make_context(arguments[0], arguments[1:], parent=above).close()


def inline(path: Path) -> Iterator[list[str]]:
    """Calls of `anatomy` in the running text: `anatomy plan --print-recipe`."""
    for found in re.findall(r"`(anatomy [a-z][^`]*)`", path.read_text(encoding="utf-8")):
        yield shlex.split(found)[1:]


@pytest.mark.parametrize("path", [*PAGES, ROOT / "ARCHITECTURE.md", ROOT / "CHANGELOG.md"], ids=name_of)
def test_the_running_text_names_what_there_is(path: Path) -> None:
    with click.Context(anatomy, info_name="anatomy") as above:
        for verb, *arguments in inline(path):
            for name in verb.split("|"):
                command = anatomy.get_command(above, name)
                assert command is not None, f"anatomy {name}"
                flags = {
                    flag
                    for parameter in command.params
                    for flag in (*parameter.opts, *parameter.secondary_opts)
                }
                assert {word for word in arguments if word.startswith("--")} <= flags | {"--help"}


@pytest.mark.parametrize(
    "command", [c for c in known_commands() if c.startswith("anatomy ") and is_run(c) and is_quick(c)]
)
def test_a_quick_command_answers(command: str, stage: Path, known: Answers) -> None:
    said = answer(command, stage, known)
    assert said.code == 0, said.err


@pytest.mark.parametrize(
    "path", [path for path in PAGES if any(b.language == "python" for b in blocks_of(path))], ids=name_of
)
def test_python_runs(path: Path, stage: Path) -> None:
    """And prints what the page shows under it."""
    names: dict[str, object] = {}
    printed(GIVEN.get(name_of(path), ""), stage, names)
    said = None
    for block in blocks_of(path):
        if block.language == "python":
            said = printed(block.text, stage, names)
        elif block.commands:
            said = None
        elif said is not None and block.shows is not None:
            assert block.text == said


@pytest.mark.slow
@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_a_page_is_what_its_commands_say(path: Path, stage: Path, known: Answers) -> None:
    """Every command, in the order of the page; answers and pictures as they are shown."""
    page = path.read_text(encoding="utf-8")
    for block, text in answers(page, stage, known):
        assert block.text == text, f"{name_of(path)}:{block.line}: `make docs` writes it anew"
    found = blocks_of(path)
    refused = {said for block, after in pairwise(found) if after.note == "error" for said in block.commands}
    for command in filter(is_run, commands_of(path)):
        said = answer(command, stage, known)
        asked = "--check" in command
        assert said.code == 2 if command in refused else said.code in ((0, 1) if asked else (0,)), (
            f"{command}\n{said.err}"
        )
    for command, shown in (pair for block in found for pair in block.session if pair[1]):
        assert answer(command, stage, known).out == shown
    for name, picture in pictures(path).items():
        assert picture.read_bytes() == (stage / name).read_bytes()
