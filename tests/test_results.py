"""Results in a program and in a notebook: short to look at, picklable, and safe to show."""

import pickle
import re
import subprocess
import sys
from html.parser import HTMLParser

import pytest
from made_cells import made_validation
from made_records import failed_record, make_record

import anatomy
from anatomy.documents.document import (
    Bars,
    Branch,
    Code,
    Column,
    Document,
    Facts,
    Notes,
    Picture,
    Section,
    Sentence,
    Table,
    Tree,
)
from anatomy.planning.optimizer_costs import OptimizerTable
from anatomy.render.html.fragment import fragment
from anatomy.result import Result

HOSTILE = "</style><script>alert(1)</script><img src=x onerror=alert(2)>&\x1b[31m"


@pytest.fixture
def results(made_plan, tiny_llama) -> dict[str, Result]:
    return {
        "plan": made_plan,
        "record": make_record("cuda"),
        "failed": failed_record(),
        "validation": made_validation(),
        "optimizers": OptimizerTable(model="a block", rows=(), versions={"torch": "0.0"}),
        "anatomy": anatomy.show(str(tiny_llama)),
        "diff": anatomy.diff(str(tiny_llama), str(tiny_llama)),
        "examined": anatomy.examine(str(tiny_llama), formats=True, sort="bytes"),
        "env": anatomy.env(),
        "models": anatomy.models(),
        "gpus": anatomy.gpus(),
        "document": anatomy.report(make_record()),
    }


def test_a_prompt_shows_one_line(results):
    for name, result in results.items():
        said = repr(result)
        assert "\n" not in said, name
        assert len(said) < 250 or name == "env", name
        assert str(result) == said
    assert repr(results["plan"]) == (
        "<Plan of 'org/a_model[x]', lora: peak 160.00 MiB allocated, 1.20 GiB on the device; fits on Large>"
    )
    assert repr(results["anatomy"]).endswith("106.82 K parameters, LlamaForCausalLM>")


def test_what_results_are_made_of_is_short_too(made_plan, tiny_llama):
    """A record of a real run has hundreds of thousands of entries: none of them is spelt out at a prompt."""
    tree = anatomy.show(str(tiny_llama)).tree
    for part in (made_plan.replay, made_plan.replay.timeline, tree, make_record().measurement):
        assert len(repr(part)) < 3000
    assert repr(made_plan.replay.timeline) == "<Timeline of 3 blocks, 5 entries, 3 phases>"
    assert repr(tree.children[0]) == "<ModuleNode 'model': LlamaModel, 90,432 parameters>"


def test_a_recipe_says_what_it_departs_in():
    recipe = anatomy.Recipe(method="qlora", r=64, target_modules=("q_proj",), peft={"use_rslora": True})
    assert repr(anatomy.Recipe()) == "Recipe()"
    assert repr(recipe) == (
        "Recipe(method='qlora', peft={'use_rslora': True}, r=64, target_modules=('q_proj',))"
    )
    assert eval(repr(recipe), {"Recipe": anatomy.Recipe}) == recipe


def test_a_result_can_be_sent_to_another_process(results):
    """There nobody has imported the room that presents it."""
    for name, result in results.items():
        if name != "document":  # how its numbers look is said by functions
            assert pickle.loads(pickle.dumps(result)) == result, name
    script = (
        "import pickle, sys; found = pickle.load(sys.stdin.buffer); before = 'anatomy.api.presented' in sys.modules;"
        "sys.stdout.write(f'{before}\\n' + found.to_markdown())"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        input=pickle.dumps(results["plan"]),
        capture_output=True,
        check=True,
        timeout=60,
    )
    first, _, text = done.stdout.decode().partition("\n")
    assert first == "False"
    assert text == results["plan"].to_markdown()


class Page(HTMLParser):
    """What a fragment is made of; fails where elements do not nest."""

    VOID = frozenset({"br", "meta", "input"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def test_a_notebook_gets_a_fragment(results):
    for name, result in results.items():
        page = Page(result._repr_html_())
        assert not {"script", "iframe", "img", "link", "html", "body"} & {*page.tags}, name
        assert not any(key.startswith("on") or key in ("id", "href", "src") for key, _ in page.attributes), (
            name
        )
        assert len(result._repr_html_()) < 200_000, name
    said = " ".join(Page(results["plan"]._repr_html_()).texts)
    assert "160.00 MiB" in said
    assert "Where it fits" in said


def test_colours_are_the_notebooks_own():
    """Read in light and in dark: nothing but what is inherited."""
    style = re.search(
        r"<style>(.*?)</style>", fragment(Document(title="t", blocks=(), table=EMPTY)), re.DOTALL
    )
    assert style
    assert not re.search(r"#[0-9a-f]{3}|rgb|hsl|background|(?<!border-)\bcolor:", style[1])
    rules = [line for line in style[1].splitlines() if line.strip()]
    assert all(line.startswith(".anatomy-result") for line in rules)


EMPTY = Table(columns=(Column(name="a", title="a"),), rows=())


def test_hostile_names_are_text():
    table = Table(
        columns=(Column(name=HOSTILE, title=HOSTILE),), rows=((HOSTILE,),), total=(HOSTILE,), title=HOSTILE
    )
    blocks = (
        *(table, Facts(items=((HOSTILE, HOSTILE),)), Notes(items=(HOSTILE,)), Sentence(text=HOSTILE)),
        *(Code(text=HOSTILE), Picture(file="a.svg", alt=HOSTILE), Bars(items=((HOSTILE, 1),), show=str)),
        Tree(root=Branch(label=HOSTILE, cells=(HOSTILE,)), heading=HOSTILE, columns=table.columns),
        Section(name="a", title=HOSTILE, blocks=(Sentence(text=HOSTILE),)),
    )
    text = fragment(Document(title=HOSTILE, blocks=blocks, table=table))
    page = Page(text)
    assert not {"script", "img"} & {*page.tags}
    assert "\x1b" not in text
    assert text.isascii()
    assert text.count("alert(1)") == 18


def test_a_long_table_says_what_it_leaves_out(made_plan):
    rows = tuple((f"gpu {number}",) for number in range(50))
    long = Table(columns=EMPTY.columns, rows=rows, brief=(3, 7), best=7, title="long")
    page = Page(fragment(Document(title="t", blocks=(long,), table=long)))
    said = " ".join(page.texts)
    assert "gpu 3" in said
    assert "gpu 4" not in said
    assert "48 more rows" in said
    assert ("class", "best") in page.attributes


def test_every_kind_of_result_is_presented(results):
    """Each class that says it is a result has a document, a frame and a page."""
    for result in results.values():
        assert result.to_markdown().startswith("# ")
        assert len(result.to_frame()) == len(anatomy.api.presented.document_of(result).table.rows)
        assert result.to_html().startswith("<!DOCTYPE html>")
    kinds = {cls.__name__ for cls in Result.__subclasses__()}
    assert kinds == {*anatomy.api.presented._DOCUMENTS, "Document"}


def test_what_belongs_to_a_question_is_not_passed_over(tiny_llama):
    with pytest.raises(anatomy.RecipeError, match="add_tokens belongs to tokenizer"):
        anatomy.examine(str(tiny_llama), formats=True, add_tokens=3)
    with pytest.raises(anatomy.RecipeError, match="context belongs to kv_cache"):
        anatomy.examine(str(tiny_llama), formats=True, context=3)
