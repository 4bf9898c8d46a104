"""Which rows are seen: folding, splitting, order, filter, search."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_trees import dense, experts, outlined

from anatomy.tui.tree.find import Query
from anatomy.tui.tree.fold import Fold
from anatomy.tui.tree.growing import outline_of
from anatomy.tui.tree.outline import Outline
from anatomy.tui.tree.view import View


def labels(view: View) -> list[str]:
    return [view.outline.label(item) for item in view.rows()]


def paths(view: View, items: list[int]) -> list[str]:
    return [view.row(item).place for item in items]


def test_first_rows_lead_down_to_the_layers():
    view = View(outlined())
    assert labels(view) == ["MadeForCausalLM", "model", "embed_tokens", "layers.0-3", "lm_head"]


def test_an_open_group_shows_what_each_member_has():
    view = View(outlined())
    view.set_fold(view.outline.modules["model.layers"], Fold.OPEN)
    assert labels(view)[3:-1] == ["layers.0-3", "self_attn", "mlp", "norm"]
    assert {view.row(item).times for item in view.rows()[4:-1]} == {4}


def test_a_split_group_shows_its_members():
    view = View(outlined())
    view.set_fold(view.outline.modules["model.layers"], Fold.SPLIT)
    assert labels(view)[3:-1] == ["layers.0-3", "0", "1", "2", "3"]
    assert [view.row(item).times for item in view.rows()[3:-1]] == [4, 1, 1, 1, 1]


def test_only_groups_split():
    view = View(outlined())
    attention = view.outline.modules["model.layers.0.self_attn"]
    view.set_fold(attention, Fold.SPLIT)
    assert view.fold(attention) is Fold.OPEN


def test_a_leaf_does_not_open():
    view = View(outlined())
    table = view.outline.modules["model.embed_tokens"]
    view.set_fold(table, Fold.OPEN)
    assert view.fold(table) is Fold.CLOSED


@pytest.mark.parametrize("by_size", [False, True])
def test_unfold_all_shows_everything_once(by_size: bool):
    outline = outline_of(experts())
    view = View(outline)
    view.sort(by_size)
    view.unfold_all()
    assert sorted(view.rows()) == list(range(len(outline)))
    view.fold_all()
    assert labels(view) == labels(View(outline)) or by_size


def test_sorting_puts_heavy_siblings_first_and_parents_before_children():
    outline = outlined(5, 2)
    view = View(outline)
    view.unfold_all()
    view.sort(True)
    rows = view.rows()
    place = {item: k for k, item in enumerate(rows)}
    for item in rows:
        children = sorted(outline.children(item), key=place.__getitem__)
        sizes = [outline.total(child) for child in children]
        assert all(place[child] > place[item] for child in children)
        if not outline.is_group(item):
            assert sizes == sorted(sizes, reverse=True)
    view.sort(False)
    assert view.rows() == list(range(len(outline)))


def test_sorted_members_of_a_group_are_sorted_alike():
    outline = outline_of(experts(2, 2))
    view = View(outline)
    view.sort(True)
    view.unfold_all()
    first, second = outline.modules["model.layers.0"], outline.modules["model.layers.1"]
    rows = view.rows()
    stride = second - first
    inside = [item for item in rows if first <= item < second]
    assert [item + stride for item in inside] == [item for item in rows if second <= item < second + stride]
    assert inside[1] == outline.modules["model.layers.0.mlp"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("q_proj", ["model.layers.0-3.self_attn.q_proj"]),
        ("Q_PROJ", ["model.layers.0-3.self_attn.q_proj"]),
        ("embedding", ["model.embed_tokens"]),
        ("rmsnorm", ["model.layers.0-3.norm"]),
        ("32x8", ["model.layers.0-3.mlp.up_proj"]),
        ("2x8", []),
        ("8×8", ["model.layers.0-3.self_attn.q_proj.weight", "model.layers.0-3.self_attn.v_proj.weight"]),
        ("bias", ["model.layers.0-3.self_attn.q_proj.bias", "model.layers.0-3.self_attn.v_proj.bias"]),
        ("bias query", ["model.layers.0-3.self_attn.q_proj.bias"]),
        ("layers.2.mlp", ["model.layers.2.mlp", "model.layers.2.mlp.up_proj"]),
        ("100", ["model.embed_tokens"]),
        ("nothing", []),
        ("", []),
    ],
)
def test_what_a_search_finds(text: str, found: list[str]):
    view = View(outlined())
    items = view.matches(Query(text))
    for item in items:
        view.reveal_itself(item)
    assert paths(view, items) == found


def test_a_number_finds_the_layer_and_splits_its_group():
    view = View(outlined())
    (item,) = view.matches(Query("3"))
    assert view.reveal_itself(item) == item
    assert view.row(item).path == "model.layers.3"
    assert item in view.rows()


def test_revealing_a_member_splits_only_what_hides_it():
    outline = outline_of(experts())
    view = View(outline)
    view.reveal_itself(outline.modules["model.layers.2.mlp.experts.0.up_proj"])
    assert view.row(outline.modules["model.layers.2.mlp.experts.0.up_proj"]).times == 5
    assert view.fold(outline.modules["model.layers"]) is Fold.SPLIT


def test_jumping_goes_round():
    view = View(outlined())
    found = view.matches(Query("8x8"))
    assert view.jump(found, 0) == found[0]
    assert view.jump(found, found[0]) == found[1]
    assert view.jump(found, found[1]) == found[0]
    assert view.jump(found, 0, forward=False) == found[-1]
    assert view.jump([], 0) is None


def test_matches_follow_the_order_of_rows():
    view = View(outlined(5, 2))
    view.sort(True)
    found = view.matches(Query("up_proj"))
    order = view.reachable()
    assert found == sorted(found, key=order.index)
    assert [view.row(item).times for item in found] == [2, 2, 1]


def test_a_filter_keeps_matches_and_what_is_around_them():
    view = View(outlined())
    before = view.rows()
    assert view.set_filter(Query("up_proj")) == 1
    assert labels(view) == ["MadeForCausalLM", "model", "layers.0-3", "mlp", "up_proj"]
    view.set_filter(Query("norm"))
    assert labels(view) == ["MadeForCausalLM", "model", "layers.0-3", "norm"]
    view.set_filter(Query(""))
    assert view.rows() == before


def test_a_filter_for_one_layer_shows_that_layer():
    view = View(outlined())
    view.set_filter(Query("layers.1.mlp"))
    assert paths(view, view.rows()) == [
        "",
        "model",
        "model.layers.0-3",
        "model.layers.1",
        "model.layers.1.mlp",
        "model.layers.1.mlp.up_proj",
    ]


def test_a_filter_without_a_match_leaves_the_model():
    view = View(outlined())
    assert view.set_filter(Query("nothing")) == 0
    assert labels(view) == ["MadeForCausalLM"]


def test_what_is_inside_a_match_can_be_unfolded():
    view = View(outlined())
    view.set_filter(Query("attention"))
    attention = view.outline.modules["model.layers.0.self_attn"]
    assert attention in view.rows()


def test_marks_are_words_too():
    outline = outlined()
    chosen = outline.modules["model.layers.2.mlp.up_proj"]
    found = View(outline).matches(Query("trainable up"), {"trainable": {chosen}}.__getitem__)
    assert found == [chosen]


def test_the_heaviest_come_first():
    view = View(outlined())
    heavy = paths(view, view.heaviest())
    assert heavy[:2] == ["model.layers.0-3.mlp.up_proj", "model.embed_tokens"]
    view.set_fold(view.outline.modules["model.layers"], Fold.SPLIT)
    assert paths(view, view.heaviest())[1:3] == ["model.layers.0.mlp.up_proj", "model.layers.1.mlp.up_proj"]


@pytest.mark.parametrize("split", [False, True])
def test_the_heaviest_are_so_by_what_their_rows_say(split: bool):
    view = View(outlined())
    if split:
        view.unfold_all()
    said = [view.row(item).parameters for item in view.heaviest()]
    assert said == sorted(said, reverse=True)
    assert sum(said) == view.outline.total(0), "all that the model has, each once"


def test_folding_leaves_the_cursor_on_what_holds_it():
    view = View(outlined())
    group = view.outline.modules["model.layers"]
    view.set_fold(group, Fold.SPLIT)
    deep = view.outline.modules["model.layers.2.self_attn"]
    view.reveal(deep)
    assert view.visible(deep) == deep
    view.set_fold(group, Fold.OPEN)
    assert view.visible(deep) == view.outline.modules["model.layers.0.self_attn"]
    view.set_fold(group, Fold.CLOSED)
    assert view.visible(deep) == group
    assert view.visible(view.outline.modules["model.layers.3"]) == group


MOVES = st.sampled_from(["open", "split", "close", "all", "none", "sort", "filter", "clear", "reveal"])


@given(st.lists(st.tuples(MOVES, st.integers(0, 10_000)), max_size=12))
def test_any_moves_leave_rows_whole(moves: list[tuple[str, int]]):
    """Rows are seen once, parents before children, and every item has a row that shows it."""
    outline: Outline = OUTLINE
    view = View(outline)
    for move, number in moves:
        item = number % len(outline)
        match move:
            case "open":
                view.set_fold(item, Fold.OPEN)
            case "split":
                view.set_fold(item, Fold.SPLIT)
            case "close":
                view.set_fold(item, Fold.CLOSED)
            case "all":
                view.unfold_all()
            case "none":
                view.fold_all()
            case "sort":
                view.sort(not view.by_size)
            case "filter":
                view.set_filter(Query(["proj", "mlp", "layers.1", "2"][number % 4]))
            case "clear":
                view.set_filter(Query(""))
            case "reveal":
                view.set_filter(Query(""))
                assert view.reveal_itself(item) in view.rows()
        rows = view.rows()
        assert len(set(rows)) == len(rows)
        seen = set(rows)
        for row in rows:
            assert set(view.indent(row)) <= seen
            assert view.visible(row) == row
        assert all(view.visible(other) in seen for other in range(0, len(outline), 7))


OUTLINE = outline_of(experts(3, 3))


def test_the_whole_is_the_sum_of_what_is_seen():
    """Whatever is unfolded, leaves and closed rows together are the model."""
    view = View(OUTLINE)
    for item in [*view.reachable()]:
        view.set_fold(item, Fold.OPEN)
    leaves = [item for item in view.rows() if not view.can_open(item) or not view.fold(item)]
    assert sum(view.row(item).parameters for item in leaves) == OUTLINE.total(0) == experts(3, 3).total


def test_dense_is_what_it_says():
    assert dense().total == 100 * 8 + 4 * (2 * (64 + 8) + 32 * 8 + 8)
