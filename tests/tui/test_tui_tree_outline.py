"""A model as rows: every module and parameter once, the same totals as the tree's, repeated layers together."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_trees import dense, experts, outlined

from anatomy.architecture.anatomy import Anatomy
from anatomy.architecture.fold import Folded, fold
from anatomy.architecture.tree import ModuleNode
from anatomy.tui.tree.fold import Fold
from anatomy.tui.tree.growing import outline_of
from anatomy.tui.tree.outline import Outline
from anatomy.tui.tree.view import View

MODELS = {"dense": dense(), "one layer wider": dense(5, wide=2), "experts": experts(), "one layer": dense(1)}


@pytest.fixture(params=MODELS, name="anatomy")
def each_model(request: pytest.FixtureRequest) -> Anatomy:
    return MODELS[request.param]


def test_every_module_has_one_row_and_its_totals(anatomy: Anatomy):
    outline = outline_of(anatomy)
    assert outline.modules.keys() == {node.path for node in anatomy.tree.walk()}
    for node in anatomy.tree.walk():
        item = outline.modules[node.path]
        assert outline.path(item) == outline.paths[item] == node.path
        assert outline.total(item) == node.parameters
        assert outline.component(item) == node.component


def test_parameters_are_rows_where_a_module_has_several_or_children(anatomy: Anatomy):
    outline = outline_of(anatomy)
    rows = {
        outline.paths[item]: own.shape
        for item in range(len(outline))
        if (own := outline.owns[item]) is not None
    }
    expected = {
        f"{node.path}.{own.name}".lstrip("."): own.shape
        for node in anatomy.tree.walk()
        if len(node.own) > 1 or (node.own and node.children)
        for own in node.own
    }
    assert rows == expected


def test_counts_add_up_to_the_model(anatomy: Anatomy):
    outline = outline_of(anatomy)
    assert sum(outline.counts) == outline.total(0) == anatomy.total


def folded_groups(found: Folded) -> dict[str, int]:
    own = {found.node.path: found.times} if found.times > 1 else {}
    for child in found.children:
        own |= folded_groups(child)
    return own


def test_groups_are_those_that_show_folds(anatomy: Anatomy):
    outline = outline_of(anatomy)
    groups = {
        outline.paths[item + 1]: outline.times[item]
        for item in View(outline).reachable()
        if outline.is_group(item)
    }
    assert groups == folded_groups(fold(anatomy.tree))


def test_labels_of_groups():
    labels = [outlined(4).label(item) for item in range(len(outlined(4)))]
    assert "layers.0-3" in labels
    assert "layers" not in labels
    wider = outlined(5, 2)
    assert [wider.label(child) for child in wider.children(wider.modules["model.layers"])] == [
        "0-1",
        "2",
        "3-4",
    ]


def test_a_list_right_in_a_list_stays_a_member():
    """Members that are lists themselves: 'blocks.0-1', each of which holds '0-2'."""

    def linear(path: str) -> ModuleNode:
        return ModuleNode(path=path, kind="Linear", component="", own=(), children=())

    blocks = [
        ModuleNode(
            path=f"blocks.{k}",
            kind="Sequential",
            component="",
            own=(),
            children=tuple(linear(f"blocks.{k}.{j}") for j in range(3)),
        )
        for k in range(2)
    ]
    outer = ModuleNode(path="blocks", kind="ModuleList", component="", own=(), children=tuple(blocks))
    tree = ModuleNode(path="", kind="M", component="", own=(), children=(outer,))
    base = dense()
    outline = outline_of(
        Anatomy(id="m", origin="o", model_type=None, architecture=None, facts=base.facts, tree=tree)
    )
    view = View(outline)
    view.set_fold(outline.modules["blocks"], Fold.OPEN)
    assert [outline.label(item) for item in view.rows()] == ["m", "blocks.0-1", "0-2"]
    assert view.row(view.rows()[-1]).times == 6
    view.unfold_all()
    assert [view.row(item).path for item in view.rows()][-1] == "blocks.1.2"


def test_stored_bytes_are_known_in_one_dtype_only():
    assert outline_of(dense(dtype="bfloat16")).stored_bytes(3) == 6
    assert outline_of(dense(dtype=None)).stored_bytes(3) is None


def test_a_row_stands_for_all_members():
    outline: Outline = outline_of(experts(3, 5))
    view = View(outline)
    item = outline.modules["model.layers.0.mlp.experts.0.up_proj"]
    row = view.row(item)
    assert (row.times, row.parameters) == (15, 15 * 32 * 8)
    assert [outline.paths[start] for start in row.starts()] == [
        f"model.layers.{k}.mlp.experts.{e}.up_proj" for k in range(3) for e in range(5)
    ]
    assert row.place == "model.layers.0-2.mlp.experts.0-4.up_proj"
    view.set_fold(outline.modules["model.layers"], Fold.SPLIT)
    assert view.row(item).times == 5
    assert view.row(item).place == "model.layers.0.mlp.experts.0-4.up_proj"


@given(st.lists(st.sampled_from([8, 16]), min_size=1, max_size=7))
def test_any_mix_of_layers_folds_as_show_folds_it(widths: list[int]):
    base = dense(1)
    layers = [dense(1 + k).tree.children[0].children[1].children[k] for k in range(len(widths))]
    made = tuple(
        ModuleNode(
            path=node.path,
            kind="A" if width == 8 else "B",
            component="",
            own=(),
            children=node.children,
        )
        for node, width in zip(layers, widths, strict=True)
    )
    stack = ModuleNode(path="model.layers", kind="ModuleList", component="", own=(), children=made)
    model = ModuleNode(path="model", kind="", component="", own=(), children=(stack,))
    tree = ModuleNode(path="", kind="M", component="", own=(), children=(model,))
    outline = outline_of(
        Anatomy(id="m", origin="o", model_type=None, architecture=None, facts=base.facts, tree=tree)
    )
    assert outline.total(0) == tree.parameters
    groups = {
        outline.paths[item + 1]: outline.times[item]
        for item in View(outline).reachable()
        if outline.is_group(item)
    }
    assert groups == folded_groups(fold(tree))
