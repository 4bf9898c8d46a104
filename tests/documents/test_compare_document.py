"""What `compare` says: how many runs fit, each method, then every run, refused ones with their reason."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from anatomy.documents.compare import compare_document
from anatomy.documents.document import Facts, Notes, Sentence, Table
from anatomy.planning.axes import Axes
from anatomy.planning.compare import Comparison, Rehearsals, Row, smallest_first
from anatomy.render import render
from anatomy.render.style import Style

MIB = 1 << 20


@pytest.fixture
def made(made_plan) -> Comparison:
    """Two methods with two optimizers; one optimizer's package is missing for one of them."""
    fit = {found.gpu: found for found in made_plan.fits}

    def row(method: str, optimizer: str, peak: int, gpu: str | None) -> Row:
        found = replace(made_plan.footprint, peak_allocated_bytes=peak * MIB)
        return Row(
            varied={
                "method": method,
                "gradient_checkpointing": "off",
                "precision": "bf16",
                "optimizer": optimizer,
            },
            recipe=made_plan.recipe,
            total_parameters=2_000_000,
            trainable_parameters=1_000_000 if method == "lora" else 2_000_000,
            footprint=found,
            context_bytes=MIB,
            fit=None if gpu is None else fit[gpu],
        )

    refused = Row(varied={"method": "full", "gradient_checkpointing": "off", "precision": "bf16", "optimizer": "lomo"},
                  reason="optimizer 'lomo' needs lomo-optim, which is not installed.")  # fmt: skip
    rows = [
        refused,
        row("full", "sgd", 300, None),
        row("lora", "lomo", 250, "Tight"),
        row("lora", "sgd", 200, "Large"),
    ]
    return Comparison(
        model=made_plan.model,
        axes=Axes(
            values={
                "method": ("full", "lora"),
                "quant_type": ("nf4",),
                "gradient_checkpointing": ("off",),
                "precision": ("bf16",),
                "optimizer": ("lomo", "sgd"),
            }
        ),
        gpu=None,
        device="Large",
        rows=smallest_first(rows),
        rehearsals=Rehearsals(runs=2, optimizers=3),
        assumptions=("no padding",),
        versions={"torch": "0.0"},
    )


def parts(comparison) -> SimpleNamespace:
    document = compare_document(comparison)
    return SimpleNamespace(
        document=document,
        answer=next(b for b in document.blocks if isinstance(b, Sentence)),
        table=next(b for b in document.blocks if isinstance(b, Table)),
        facts={b.title: dict(b.items) for b in document.blocks if isinstance(b, Facts)},
        notes={b.title: b.items for b in document.blocks if isinstance(b, Notes)},
    )


def test_the_answer_counts_what_fits(made):
    assert parts(made).answer == Sentence(
        text="2 of 3 runs fit on a single GPU of the catalog; 1 cannot be run. "
        "The first that fits: lora, sgd, bf16, allocated peak 200.00 MiB (201.00 MiB on the device), Large.",
        tone="good",
    )


def test_where_nothing_fits_the_answer_says_what_comes_closest(made):
    none = replace(made, gpu="Small", rows=tuple(replace(row, fit=None) for row in made.rows))
    assert parts(none).answer.tone == "bad"
    assert parts(none).answer.text.startswith("None of 3 runs fits on Small. The least peak: lora, sgd, bf16")


def test_each_method_has_its_span(made):
    assert parts(made).facts["Each method"] == {
        "lora": "1.00 M trainable; allocated peak 200.00 MiB (sgd, bf16) to 250.00 MiB (lomo, bf16)",
        "full": "2.00 M trainable; allocated peak 300.00 MiB (sgd, bf16)",
    }


def test_a_run_that_cannot_be_is_in_the_table_and_its_reason_below(made):
    found = parts(made)
    assert len(found.table.rows) == 4
    assert found.table.texts(found.table.rows[-1])[:4] == ("full", "lomo", "", "refused")
    assert found.notes["Refused"] == (
        "full, lomo, bf16: optimizer 'lomo' needs lomo-optim, which is not installed.",
    )


def test_what_is_the_same_in_every_run_is_no_column(made):
    table = parts(made).table
    assert [column.title for column in table.columns[:5]] == [
        "method",
        "optimizer",
        "peak",
        "in",
        "on device",
    ]
    assert "in every run: checkpoints off, precision bf16" in table.caption


def test_a_reservation_stands_beside_the_gpu(made):
    table = parts(made).table
    at = [column.name for column in table.columns].index("gpu")
    assert [row[at] for row in table.rows] == ["Large", "Tight (fits after freeing cache)", None, None]


def test_on_one_gpu_the_first_run_that_fits_is_pointed_out(made):
    assert parts(made).table.best is None
    on_tight = replace(made, gpu="Tight", rows=(replace(made.rows[0], fit=None), *made.rows[1:]))
    assert parts(on_tight).table.best == 1
    assert "verdict" in [column.name for column in parts(on_tight).table.columns]


@pytest.mark.parametrize("width", [80, 100, 160])
def test_no_line_of_the_terminals_table_is_wider_than_it(made, width):
    assert max(map(len, render(compare_document(made), "table", Style(width=width)).splitlines())) <= width


def test_csv_markdown_and_json_say_the_same(made):
    records = made.to_records()
    document = compare_document(made)
    assert document.data["rows"] == records
    assert [
        dict(zip((c.name for c in document.table.columns), row, strict=True)) for row in document.table.rows
    ] == records
    markdown = render(document, "md")
    for row in records:
        assert any(row["method"] in line and row["optimizer"] in line for line in markdown.splitlines())


def test_the_settings_that_vary_are_not_among_the_common_ones(made):
    data = made.to_dict()
    assert not set(data["recipe"]) & set(data["varied"])
    assert (data["recipe"]["alpha"], data["recipe_by_method"]) == (16, {})


def test_settings_that_differ_between_methods_are_said_of_each(made):
    rows = [
        replace(row, recipe=replace(row.recipe, r=4)) if row.varied["method"] == "lora" else row
        for row in made.rows
    ]
    differing = replace(made, rows=tuple(rows))
    assert differing.settings()[1] == {"r": {"lora": 4, "full": 8}, "alpha": {"lora": 8, "full": 16}}
    assert parts(differing).facts["The same in every run"]["r"] == "4 (lora), 8 (full)"


def test_rehearsals_are_counted(made):
    data = made.to_dict()
    assert data["rehearsals"] == {"runs": 2, "optimizers": 3, "whole": 0}
