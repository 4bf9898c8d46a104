"""The predicate decides from a row's description; the published files read back as rows."""

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from anatomy.hardware.catalog import lookup
from anatomy.training.recipe import Recipe
from anatomy.units import GIB
from anatomy.validation.published import Figure, Row, comparable, rows

PEAK = Figure(metric="peak allocated", value=20.0, unit="GiB")

GOOD = Row(
    id="somebody's run",
    publisher="somebody",
    source="org/repo@commit",
    kind="peak",
    tier="A",
    n_gpus=1,
    model="org/model",
    method="lora",
    trainer="transformers Trainer",
    kernels="stock",
    sequence="packed",
    batch_size=4,
    seq_len=4096,
    measured=(PEAK,),
    recipe=Recipe(method="lora"),
)


def test_a_complete_row_of_the_stock_stack_is_comparable() -> None:
    assert comparable(GOOD) is None


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"kind": "oom"}, "not a training peak (no number: out of memory)"),
        ({"kind": "stage"}, "not a training peak (a stage before training)"),
        ({"tier": "C"}, "the recipe is not known well enough"),
        ({"n_gpus": 2}, "several GPUs"),
        ({"trainer": "litgpt"}, "another trainer than transformers' (litgpt)"),
        ({"kernels": "fused (foak)"}, "kernels are not the stock ones (fused (foak))"),
        ({"sequence": "variable"}, "the length of the longest batch is not published"),
        ({"sequence": "cap"}, "the length of the longest batch is not published"),
        ({"seq_len": None}, "the length of the longest batch is not published"),
        ({"method": "DoRA"}, "method not yet modelled (DoRA)"),
        ({"recipe": None}, "the recipe is not stated fully"),
        ({"measured": ()}, "what was measured, or its unit, is not stated"),
        (
            {"measured": (replace(PEAK, metric="not stated"),)},
            "what was measured, or its unit, is not stated",
        ),
        ({"measured": (replace(PEAK, unit="G"),)}, "what was measured, or its unit, is not stated"),
    ],
)
def test_what_is_missing_is_named(change: dict[str, Any], reason: str) -> None:
    assert comparable(replace(GOOD, **change)) == reason


def test_a_cap_counts_only_where_the_row_asks_for_it() -> None:
    assert comparable(replace(GOOD, sequence="cap", compared_at_cap=True)) is None


def test_the_figures_do_not_enter() -> None:
    absurd = tuple(replace(PEAK, value=value) for value in (1e-9, 1e9))
    assert [comparable(replace(GOOD, measured=(figure,))) for figure in absurd] == [None, None]


def test_units_are_those_that_were_printed() -> None:
    printed = [
        Figure(metric="", value=v, unit=u) for v, u in ((512, "B"), (3, "MiB"), (1.5, "GiB"), (2, "GB"))
    ]
    assert [figure.bytes for figure in printed] == [512, 3 * 2**20, 3 * 2**29, 2 * 10**9]
    assert Figure(metric="", value=6.7, unit="G").bytes is None


def test_the_published_rows() -> None:
    found = rows()
    assert len({row.id for row in found}) == len(found) > 250
    assert all(row.tier in ("A", "B") and row.n_gpus == 1 and row.source for row in found)
    assert all(row.measured for row in found if row.kind == "peak")
    compared = Counter(row.publisher for row in found if comparable(row) is None)
    assert compared == {"fms-acceleration": 12, "PEFT MetaMathQA": 15, "transformers docs": 1}


def test_every_comparable_row_names_a_known_gpu_and_says_its_sizes_once() -> None:
    for row in rows():
        if comparable(row) is not None:
            continue
        assert row.recipe is not None
        assert (row.recipe.method, row.recipe.batch_size, row.recipe.seq_len) == (
            row.method,
            row.batch_size,
            row.seq_len,
        )
        assert lookup(row.gpu).memory_bytes > 15 * GIB


def test_recipes_say_what_the_publishers_ran() -> None:
    by_id = {row.id: row for row in rows()}
    stock = by_id["fms main 56"].recipe
    custom = by_id["fms main 76"].recipe
    looped = by_id["peft lora-rank32"].recipe
    assert stock is not None
    assert custom is not None
    assert looped is not None
    assert (stock.kbit_prepare, custom.kbit_prepare) == ("peft", "off")
    assert custom.target_modules == ("q_proj", "k_proj", "v_proj", "o_proj")
    assert (custom.dropout, custom.gradient_checkpointing, custom.r) == (0.1, "reentrant", 16)
    assert (looped.max_grad_norm, looped.gradient_checkpointing, looped.r) == (0, "off", 32)
