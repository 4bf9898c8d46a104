"""Each format by example, and what holds for every one: rows add up, names stay whole, table and csv agree."""

import csv
import io
import json
import re
from textwrap import dedent

import pytest
from pages import Page

from anatomy.documents.document import (
    Bars,
    Branch,
    Column,
    Document,
    Facts,
    Notes,
    Sentence,
    Table,
    Tree,
)
from anatomy.documents.plan.run import plan_document
from anatomy.render import FORMATS, render
from anatomy.render.style import Style
from anatomy.units import bytes_column

GIB = 1 << 30
in_gib = bytes_column([4 * GIB])
TABLE = Table(
    title="Parts",
    columns=(
        Column(name="part", title="part", keep=True),
        Column(name="size_bytes", title="size", show=in_gib, right=True, keep=True),
    ),
    rows=(("layers[0] [q_proj]", 3 * GIB), ("a|b *c* <d> _e", GIB)),
    total=("total", 4 * GIB),
    best=1,
)
DOCUMENT = Document(
    title="org/model[x]",
    blocks=(
        Sentence(text="It fits.", tone="good"),
        Facts(items=(("peak", "4.00 GiB"),)),
        TABLE,
        Bars(
            title="Bars",
            items=(("weights", 3 * GIB), ("rest", GIB), ("none", 0)),
            show=in_gib,
            unit="memory",
        ),
        Tree(
            title="Tree",
            heading="module",
            columns=(Column(name="n", title="n", right=True),),
            root=Branch(
                label="Model",
                cells=(3,),
                children=(Branch(label="layers.0-1 × 2", cells=(2,)), Branch(label="head", cells=(1,))),
            ),
        ),
        Notes(title="Notes", items=("one", "two")),
    ),
    table=TABLE,
    data={"schema_version": 1, "bytes": 4 * GIB},
)


def test_terminal():
    expected = """\
        org/model[x]

        It fits.

        peak  4.00 GiB

        Parts
           part                    size
           layers[0] [q_proj]  3.00 GiB
        →  a|b *c* <d> _e      1.00 GiB
           total               4.00 GiB

        Bars
        weights  3.00 GiB   75.00 %  █████████████████████████
        rest     1.00 GiB   25.00 %  ████████▍
        none     0.00 GiB    0.00 %
        total    4.00 GiB  100.00 %

        Tree
        module             n
        Model              3
        ├─ layers.0-1 × 2  2
        └─ head            1

        Notes
        - one
        - two
        """
    assert render(DOCUMENT, "table", Style(width=60)) == dedent(expected)


def test_markdown():
    expected = """\
        # org/model[x]

        It fits.

        |  |  |
        | --- | --- |
        | peak | 4.00 GiB |

        ## Parts

        | part | size |
        | --- | ---: |
        | layers[0] [q_proj] | 3.00 GiB |
        | a\\|b \\*c\\* &lt;d> \\_e | 1.00 GiB |
        | total | 4.00 GiB |

        ## Bars

        |  | memory | share |
        | --- | ---: | ---: |
        | weights | 3.00 GiB | 75.00 % |
        | rest | 1.00 GiB | 25.00 % |
        | none | 0.00 GiB | 0.00 % |
        | total | 4.00 GiB | 100.00 % |

        ## Tree

        | module | n |
        | --- | ---: |
        | Model | 3 |
        | layers.0-1 × 2 | 2 |
        | head | 1 |

        ## Notes

        - one
        - two
        """
    assert render(DOCUMENT, "md") == dedent(expected)


def test_csv():
    assert render(DOCUMENT, "csv") == (
        "part,size_bytes\nlayers[0] [q_proj],3221225472\na|b *c* <d> _e,1073741824\ntotal,4294967296\n"
    )


def test_json():
    assert json.loads(render(DOCUMENT, "json")) == {"schema_version": 1, "bytes": 4 * GIB}


def test_table_and_csv_agree_cell_for_cell():
    """Each csv value, shown as its column shows it, is the terminal's cell; no name is swallowed as markup."""
    terminal = render(
        Document(title="t", blocks=(TABLE,), table=TABLE), "table", Style(width=200)
    ).splitlines()
    _, *rows = csv.reader(io.StringIO(render(DOCUMENT, "csv")))
    for row in rows:
        assert any(row[0] in line and in_gib(int(row[1])) in line for line in terminal)


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_no_line_is_wider_than_the_terminal_and_nothing_is_cut(made_plan, width):
    text = render(plan_document(made_plan), "table", Style(width=width))
    assert "…" not in text
    if width >= 80:  # names and numbers are not broken, so a narrower terminal wraps lines itself
        assert max(map(len, text.splitlines())) <= width
    squeezed = re.sub(r"\s", "", text)
    for sentence in (*made_plan.assumptions, *made_plan.warnings, made_plan.model.id):
        assert re.sub(r"\s", "", sentence) in squeezed


def test_color_changes_no_word(made_plan):
    document = plan_document(made_plan)
    plain, colored = (render(document, "table", Style(color=color)) for color in (False, True))
    assert "\x1b[" not in plain
    assert "\x1b[" in colored
    without = re.sub(r"\x1b\[[0-9;]*m", "", colored)
    assert [line.rstrip() for line in without.splitlines()] == plain.splitlines()


def test_ascii_is_ascii():
    text = render(DOCUMENT, "table", Style(ascii=True))
    assert text.isascii()
    assert "layers.0-1 x 2" in text
    assert "###" in text
    assert ">  a|b" in text


def test_the_smallest_part_is_still_seen():
    bars = Bars(title="b", items=(("all", 10**9), ("speck", 1)), show=str)
    text = render(Document(title="t", blocks=(bars,), table=TABLE), "table")
    line = next(line for line in text.splitlines() if "speck" in line)
    assert line.endswith("▏")
    assert "< 0.01 %" in line


@pytest.mark.parametrize("format_", FORMATS)
def test_every_format_of_a_plan_adds_up(made_plan, format_):
    """The printed parts of the peak add up to the printed peak, within the rounding of what is printed."""
    text = render(plan_document(made_plan), format_, Style(width=80))
    parts, total = PARTS[format_](text)
    assert len(parts) == 2
    assert sum(parts) == pytest.approx(total, abs=0.005 * (len(parts) + 1) * 2**20)
    if format_ in ("json", "csv", "html"):
        assert sum(parts) == total == 160 << 20


def _from_json(text):
    data = json.loads(text)
    return [part["bytes"] for part in data["breakdown"]], data["peak"]["allocated_bytes"]


def _from_csv(text):
    rows = list(csv.DictReader(io.StringIO(text)))
    parts = [int(row["bytes"]) for row in rows if row["section"] == "breakdown"]
    return parts, next(int(r["bytes"]) for r in rows if (r["section"], r["name"]) == ("peak", "allocated"))


def _from_text(text):
    block = re.split(r"\n\n(?=\S)", text.split("Allocated at the peak")[1].lstrip())[0]
    sizes = [float(size) * 2**20 for size in re.findall(r"([\d.]+) MiB", block)]
    return sizes[:-1], sizes[-1]


def _from_html(text):
    table = Page(text).named("Allocated at the peak")
    return table.column("memory"), table.total.values[table.heads.index("memory")]


PARTS = {"json": _from_json, "csv": _from_csv, "table": _from_text, "md": _from_text, "html": _from_html}


WIDE = Table(
    columns=(
        Column(name="name", title="name", keep=True),
        Column(name="kind", title="kind"),
        Column(name="why", title="why it is so", optional=True),
    ),
    rows=(("a_name_that_is_never_broken", "SomeLongClassNameThatFolds", "because " * 8),),
)


def test_an_optional_column_leaves_when_there_is_no_room():
    document = Document(title="t", blocks=(WIDE,), table=WIDE)
    wide = render(document, "table", Style(width=120))
    narrow = render(document, "table", Style(width=80))
    assert "because" in wide
    assert "because" not in narrow
    assert "why it is so: with --format md, csv or json" in narrow
    assert "because" in render(document, "md", Style(width=80))


def test_names_are_never_broken():
    text = render(Document(title="t", blocks=(WIDE,), table=WIDE), "table", Style(width=30))
    assert "a_name_that_is_never_broken" in text


def test_code_keeps_its_marks_in_markdown():
    said = Notes(items=("run `anatomy gpus --format md`, not a ` alone",))
    text = render(Document(title="t", blocks=(said,), table=TABLE), "md")
    assert "- run `anatomy gpus --format md`, not a \\` alone\n" in text


def test_all_prose_is_set_to_one_width():
    words = "word " * 60
    blocks = (Sentence(text=words), Facts(items=(("fact", words),)), Notes(items=(words,)))
    text = render(Document(title=words, blocks=blocks, table=TABLE), "table", Style(width=200))
    assert 95 < max(map(len, text.splitlines())) <= 100


def test_optional_columns_leave_one_after_the_other():
    columns = (
        Column(name="name", title="name", keep=True),
        *(Column(name=f"n{i}", title=f"n{i}", keep=True, optional=True) for i in range(3)),
    )
    table = Table(columns=columns, rows=(("x" * 20, *["1" * 10] * 3),))
    document = Document(title="t", blocks=(table,), table=table)
    for width, left_out in (
        (56, ""),
        (55, "column n2:"),
        (44, "column n2:"),
        (43, "columns n1, n2:"),
        (31, "columns n0, n1, n2:"),
    ):
        _, _, *said = render(document, "table", Style(width=width)).splitlines()[1:]
        assert len(said[0]) <= width
        assert " ".join(said[1:]) == (f"{left_out} with --format md, csv or json" if left_out else "")


def test_a_tree_leaves_out_a_class_rather_than_be_wider_than_the_terminal():
    columns = (
        Column(name="kind", title="class", optional=True),
        Column(name="component", title="component", keep=True),
    )
    leaf = Branch(label="a_long_name_of_a_module", cells=("ALongNameOfAClass", "attention.query"))
    tree = Tree(heading="module", columns=columns, root=Branch(label="M", cells=("M", ""), children=(leaf,)))
    document = Document(title="t", blocks=(tree,), table=TABLE)
    wide, narrow = (render(document, "table", Style(width=width)) for width in (80, 50))
    assert "ALongNameOfAClass" in wide
    assert "Class" not in narrow
    assert "class: with --format md or json" in narrow
    assert max(map(len, narrow.splitlines())) <= 50
