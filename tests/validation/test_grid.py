"""Grids as text: what they may say, and what is said of those that are wrong."""

import pytest

from anatomy.errors import AnatomyError, RecipeError, SourceError
from anatomy.training.recipe import Recipe
from anatomy.validation.cell import Cell, cell_of
from anatomy.validation.grid import PASSES, read_grid, shipped, shipped_text

GRID = """
title = "two models"
device = "cpu"
[profile]
steps = 2
passes = ["events"]
[defaults]
seq_len = 32
precision = "fp32"
[models.tiny]
config = { model_type = "llama", hidden_size = 64 }
family = "llama"
target_modules = ["q_proj"]
[models.cut]
reference = "org/large"
set = { num_hidden_layers = 4, hidden_size = 8 }
[[cells]]
name = "plain"
model = "org/other"
method = "full"
[[cells]]
name = "{model}-{method}-b{batch_size}"
hold_out = ["tiny-lora-b4", "cut-full-b1"]
quick = true
sweep = { model = ["tiny", "cut"], method = ["full", "lora"], batch_size = [1, 4] }
[[cells]]
name = "cut-{r}"
model = "cut"
seq_len = 64
set = { hidden_size = 16 }
sweep = { r = [4, 8] }
"""


@pytest.fixture
def cells() -> dict[str, Cell]:
    return {cell.name: cell for cell in read_grid(GRID, "two.toml").cells}


def test_names_and_order(cells):
    assert list(cells) == [
        "plain",
        *(
            f"{model}-{method}-b{b}"
            for model in ("tiny", "cut")
            for method in ("full", "lora")
            for b in (1, 4)
        ),
        *("cut-4", "cut-8"),
    ]
    grid = read_grid(GRID, "two.toml")
    assert (grid.name, grid.title, grid.device) == ("two", "two models", "cpu")


def test_a_cell_is_laid_over_its_model_and_that_over_the_defaults(cells):
    plain, tiny, cut = cells["plain"], cells["tiny-lora-b4"], cells["cut-8"]
    assert plain.recipe == Recipe(method="full", seq_len=32, precision="fp32")
    assert tiny.recipe == Recipe(seq_len=32, precision="fp32", batch_size=4, target_modules=("q_proj",))
    assert cut.recipe == Recipe(seq_len=64, precision="fp32", r=8)
    assert cut.overrides == {"num_hidden_layers": 4, "hidden_size": 16}
    assert (plain.model, plain.config, plain.family) == ("org/other", None, "other")
    assert (tiny.model, tiny.config, tiny.family) == (
        "tiny",
        {"model_type": "llama", "hidden_size": 64},
        "llama",
    )
    assert (cut.model, cut.family) == ("org/large", "cut")
    assert plain.profile == {"device": "cpu", "steps": 2, "passes": ["events"]}


def test_what_is_chosen_is_what_the_grid_states(cells):
    assert cells["plain"].chosen == ("method", "precision", "seq_len")
    assert "target_modules" in cells["tiny-lora-b1"].chosen
    assert "gradient_checkpointing" not in cells["plain"].chosen


def test_held_out_and_quick(cells):
    assert {name for name, cell in cells.items() if cell.hold_out} == {"tiny-lora-b4", "cut-full-b1"}
    assert sum(cell.quick for cell in cells.values()) == 8


def test_a_setting_of_the_model_gives_way_where_the_method_has_no_use_for_it(cells):
    assert cells["tiny-full-b1"].recipe.method == "full"


def test_cells_survive_their_labels(cells):
    for cell in cells.values():
        assert cell_of(cell.labels) == Cell.from_dict(cell.to_dict()) == cell
    assert cells["cut-full-b1"].labels["hold_out"] == "yes"


def test_a_record_of_no_cell_is_refused():
    with pytest.raises(SourceError, match="does not say which cell"):
        cell_of({"family": "llama"})
    with pytest.raises(SourceError, match="not a cell"):
        Cell.from_dict({"name": "x"})


def test_only(cells):
    grid = read_grid(GRID)
    assert [cell.name for cell in grid.only(("cut-4", "plain", "plain")).cells] == ["cut-4", "plain"]
    assert grid.only(()).cells == grid.cells
    with pytest.raises(SourceError, match="'cut-44' is not a cell") as caught:
        grid.only(("cut-44",))
    assert "cut-4" in caught.value.hint


CELL = '[[cells]]\nname = "one"\nmodel = "m"\n'


@pytest.mark.parametrize(
    ("text", "says", "hints"),
    [
        ("cells = [", "is not TOML", "examples"),
        ("title = 'x'", "has no cells", "[[cells]]"),
        ("cells = 3", "has no cells", "[[cells]]"),
        ("cells = [1]", "has no cells", "[[cells]]"),
        ("[[cells]]\nmodel = 'm'", "has no name", "name ="),
        ("[[cells]]\nname = 'x'", "has no model", "model ="),
        (CELL + "metod = 'full'", "has 'metod', which means nothing there", "method"),
        (CELL + "method = 'ful'", "cell 'one': method is 'ful'", "full"),
        (CELL + "method = 'full'\nr = 4", "r means nothing for method 'full'", "leave r out"),
        (CELL + "batch_size = 0", "batch_size is 0", "default"),
        (CELL + "batch_size = '4'", "cell 'one'", "print-recipe"),
        (CELL + "batch_size = [1, 2]", "cell 'one'", "print-recipe"),
        (CELL + "hold_out = 'yes'", "hold_out is 'yes'", "true, false"),
        (CELL + "hold_out = ['two']", "hold_out names 'two', which is not here", "one"),
        (CELL + "quick = 1", "quick is 1", "true or false"),
        (CELL + "set = 3", "set is 3", "num_hidden_layers"),
        (CELL + "sweep = 3", "sweep is 3", "lists"),
        (CELL + "sweep = { r = 4 }", "sweep's r is not a list", "[first, second]"),
        (CELL + "sweep = { r = [] }", "sweep's r is not a list", "[first, second]"),
        (CELL + "sweep = { rank = [4] }", "has 'rank'", "there are"),
        (CELL + "r = 4\nsweep = { r = [4, 8] }", "r is set, and swept as well", "one of the two"),
        (CELL + "sweep = { r = [4, 8] }", "2 cells named 'one'", "what differs"),
        (CELL + CELL.replace("one", "ONE"), "2 cells named 'one'", "what differs"),
        (CELL.replace("one", "a b"), "'a b' cannot name a file", "letters"),
        (CELL.replace("one", "../a"), "cannot name a file", "letters"),
        (CELL.replace("one", "x-{r}"), "a place for 'r', which the cell does not set", "sweep"),
        ("[models.m]\nfamily = 'x'\n" + CELL, "needs either a reference or a config", "model_type"),
        ("[models.m]\nreference = 'a'\nconfig = {}\n" + CELL, "needs either", "model_type"),
        ("[models]\nm = 3\n" + CELL, "model 'm' is not a table", "examples"),
        ("[defaults]\nsequence = 3\n" + CELL, "[defaults] of the grid has 'sequence'", "seq_len"),
        ("[profile]\nstep = 3\n" + CELL, "[profile] of the grid has 'step'", "steps"),
        ("[profile]\nsteps = 'x'\n" + CELL, "steps is 'x'", "steps = 3"),
        ("[profile]\npasses = ['event']\n" + CELL, "there is no pass 'event'", "events"),
        ("device = 'tpu'\n" + CELL, "has the device 'tpu'", "cuda"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(text, says, hints):
    with pytest.raises(AnatomyError) as caught:
        read_grid(text)
    assert isinstance(caught.value, SourceError | RecipeError)
    assert says in caught.value.message
    assert hints in (caught.value.hint or "")


def test_passes_are_those_of_the_measurement():
    measure = pytest.importorskip("anatomy.profiling.measure")
    assert set(PASSES) == set(measure.PASSES)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            '[models.l]\nconfig = "m/config.json"\n[[cells]]\nname = "a"\nmodel = "l"\n',
            "holds the facts themselves",
        ),
        ('models = "m"\n[[cells]]\nname = "a"\nmodel = "l"\n', "models is no table"),
        ('defaults = 3\n[[cells]]\nname = "a"\nmodel = "l"\n', "defaults is no table"),
    ],
)
def test_what_people_write_first(text, words):
    with pytest.raises(SourceError, match=words) as caught:
        read_grid(text, "mine.toml")
    assert caught.value.hint


def test_the_text_of_a_shipped_grid_is_a_grid():
    assert read_grid(shipped_text("cpu"), "cpu") == shipped("cpu")
    with pytest.raises(SourceError, match="not a shipped grid"):
        shipped_text("tpu")
