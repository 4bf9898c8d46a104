"""How a page is taken apart, and put together again with what its commands say."""

from pathlib import Path

import pytest
from generator.markdown import plain, table
from generator.shown import anew, pictures
from generator.snippets import blocks, shown_part
from generator.stage import Said, run, set_up

PAGE = """# A page

```console
$ anatomy gpus --format csv  # all of them
$ anatomy models
```

<!-- output: Models -->
```text
old
```

```python
print("a" * 3)
```

<!-- output -->
```text
```

<!-- file: a.toml -->
```toml
method = "full"
```
"""
ANSWER = "Title\n\nFirst\n- a\n\nSecond\n- b\n\nThird\n"


def test_blocks_with_their_notes() -> None:
    console, shown, python, printed, file = blocks(PAGE)
    assert console.commands == ["anatomy gpus --format csv", "anatomy models"]
    assert (shown.shows, shown.text, shown.line) == (["Models"], "old\n", 9)
    assert (python.language, printed.shows, printed.text) == ("python", [], "")
    assert (file.file, file.shows) == ("a.toml", None)


def test_output_below_a_prompt_is_its_command_s() -> None:
    (block,) = blocks("```console\n$ one\n1\n2\n$ two\n```\n")
    assert block.session == [("one", "1\n2\n"), ("two", "")]


@pytest.mark.parametrize(
    ("wanted", "shown"),
    [
        ([], ANSWER),
        (["Title", "First"], "Title\n\nFirst\n- a\n\n...\n"),
        (["First", "Third"], "...\n\nFirst\n- a\n\n...\n\nThird\n"),
    ],
)
def test_what_is_left_out_is_said(wanted: list[str], shown: str) -> None:
    assert shown_part(ANSWER, wanted) == shown


def test_a_paragraph_that_is_no_more() -> None:
    with pytest.raises(LookupError, match="no paragraph begins with 'Fourth'"):
        shown_part(ANSWER, ["First", "Fourth"])


def test_answers_are_put_in(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE)
    known = {"anatomy gpus --format csv": Said(out="not shown"), "anatomy models": Said(out="Models\n\na\n")}
    found = anew(page, tmp_path, known)
    assert found == PAGE.replace("old\n", "Models\n\n...\n").replace(
        "<!-- output -->\n```text\n", "<!-- output -->\n```text\naaa\n"
    )
    page.write_text(found)
    assert anew(page, tmp_path, known) == found


def test_pictures_are_those_that_a_command_draws(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("![a](../pictures/a.svg) ![b](b.svg)\n\n```console\n$ anatomy show m --plot a.svg\n```\n")
    assert pictures(page) == {"a.svg": tmp_path / "../pictures/a.svg"}


def test_a_failure_is_said_and_a_shell_is_one(tmp_path: Path) -> None:
    refused = run("anatomy plan nothing/here --offline")
    assert refused.code == 2
    assert refused.err.startswith("error:")
    assert run("echo one | tr o 0").out == "0ne\n"


def test_the_stage_has_a_model_and_a_tokenizer(tmp_path: Path) -> None:
    set_up(tmp_path)
    said = run(f"anatomy show {tmp_path / 'my-model'} --tokenizer --format csv")
    assert (said.code, "501" in said.out) == (0, True)


def test_tables_and_text() -> None:
    assert table(("a", "none", "b:"), [("x|y", "", "1")]) == "| a | b |\n| :-- | --: |\n| x\\|y | 1 |\n"
    assert plain("*.gguf of `*.gguf`, <NAME>") == "\\*.gguf of `*.gguf`, \\<NAME>"
