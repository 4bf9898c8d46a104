"""The grids that come with the package: what was promised of them, read off the files."""

from collections import Counter

import pytest

from anatomy.source import catalog
from anatomy.validation.grid import SHIPPED, Grid, shipped

ON_GPU = ("gpu-24gb", "gpu-140gb")


@pytest.fixture(scope="module")
def grids() -> dict[str, Grid]:
    return {name: shipped(name) for name in SHIPPED}


@pytest.mark.parametrize("name", ON_GPU)
def test_a_third_is_held_out(grids, name):
    cells = grids[name].cells
    assert sum(cell.hold_out for cell in cells) / len(cells) == pytest.approx(1 / 3, abs=0.02)


@pytest.mark.parametrize("name", ON_GPU)
@pytest.mark.parametrize("by", [lambda c: c.family, lambda c: c.recipe.method], ids=["family", "method"])
def test_every_family_and_method_is_on_both_sides(grids, name, by):
    sides = {
        held: {by(cell) for cell in grids[name].cells if cell.hold_out is held} for held in (True, False)
    }
    assert sides[True] == sides[False]


def test_the_large_grid_covers_what_it_should(grids):
    cells = grids["gpu-140gb"].cells
    assert 65 <= len(cells) <= 75
    recipes = [cell.recipe for cell in cells]
    assert {r.method for r in recipes} == {
        *("full", "lora", "qlora", "dora", "qdora", "ia3", "prompt-tuning")
    }
    assert {r.precision for r in recipes} == {"bf16", "bf16-mixed", "fp16-mixed", "fp32"}
    assert {r.gradient_checkpointing for r in recipes} == {"off", "non-reentrant", "reentrant"}
    assert {r.optimizer for r in recipes} == {
        *("adamw_torch_fused", "adamw_torch", "adamw_bnb_8bit", "adafactor", "sgd")
    }
    assert {"moe", "encoder", "encoder-decoder"} < {cell.family for cell in cells}
    vocabularies = [catalog.lookup(cell.model).get("vocab_size", 0) for cell in cells]
    assert min(size for size in vocabularies if size) < 52_000 < 128_000 < max(vocabularies)


@pytest.mark.parametrize("name", ON_GPU)
def test_models_are_shipped(grids, name):
    """No run on a GPU waits for a network."""
    assert all(catalog.find(cell.model) for cell in grids[name].cells)


def test_the_grid_of_the_cpu_has_forty_quick_cells_of_twelve_families(grids):
    cells = grids["cpu"].cells
    quick = [cell for cell in cells if cell.quick]
    assert len(quick) >= 40
    assert len({cell.family for cell in quick}) >= 12
    # Virtual tokens are not among them: a copy that a GPU makes and a CPU does not is predicted there.
    assert {cell.recipe.method for cell in quick} == {"full", "lora", "dora", "ia3"}
    assert {cell.recipe.gradient_checkpointing for cell in quick} == {"off", "non-reentrant", "reentrant"}
    assert len({cell.recipe.optimizer for cell in quick}) >= 4
    assert all(cell.config is not None for cell in cells)


@pytest.mark.parametrize("name", SHIPPED)
def test_no_two_cells_are_the_same_run(grids, name):
    runs = Counter(str((c.model, c.overrides, c.recipe)) for c in grids[name].cells)
    assert [run for run, count in runs.items() if count > 1] == []


@pytest.mark.slow
@pytest.mark.parametrize(("name", "gpu"), [("gpu-140gb", "H200"), ("gpu-24gb", "RTX 4090")])
def test_every_cell_fits(grids, name, gpu):
    """By our own plan, without giving cached memory back."""
    from anatomy import api

    for cell in grids[name].cells:
        plan = api.plan(cell.model, recipe=cell.recipe, chosen=cell.chosen, gpu=gpu, overrides=cell.overrides)
        (fit,) = plan.fits
        assert fit.fits, cell.name
        assert not fit.tight, cell.name
