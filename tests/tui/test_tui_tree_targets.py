"""Rows toggled as targets, proved with PEFT on the real classes: what the new list adapts is what was meant."""

import copy
from typing import Any

import pytest
from families import FAMILIES
from made_trees import dense, experts, outlined

from anatomy.architecture.anatomy import Anatomy
from anatomy.architecture.facts import Facts
from anatomy.architecture.tree import tree_from_model
from anatomy.errors import RecipeError
from anatomy.tui.tree.fold import Fold
from anatomy.tui.tree.growing import outline_of
from anatomy.tui.tree.outline import Outline
from anatomy.tui.tree.targets import is_linear, shortest, targeted, toggle
from anatomy.tui.tree.view import View


def expert_lists() -> Any:
    """Experts as lists of linear layers inside numbered layers: a folded group in a folded group."""
    import torch
    import transformers

    def one(**children: torch.nn.Module) -> torch.nn.Module:
        made = torch.nn.Module()
        for name, child in children.items():
            made.add_module(name, child)
        return made

    def expert() -> torch.nn.Module:
        return one(up_proj=torch.nn.Linear(4, 8), down_proj=torch.nn.Linear(8, 4))

    def layer() -> torch.nn.Module:
        experts = torch.nn.ModuleList(expert() for _ in range(3))
        return one(q_proj=torch.nn.Linear(4, 4), mlp=one(experts=experts, stack=sequence()))

    def sequence() -> torch.nn.Module:
        return torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Linear(4, 4))

    model = one(layers=torch.nn.ModuleList(layer() for _ in range(3)))
    model.config = transformers.PretrainedConfig()  # type: ignore[assignment]
    return model


@pytest.fixture(scope="module", params=["llama", "gpt2", "bert", "t5", "experts"], name="family")
def each_family(request: pytest.FixtureRequest) -> tuple[Any, Outline]:
    model = FAMILIES[request.param]() if request.param in FAMILIES else expert_lists()
    tree, _ = tree_from_model(model, model.config)
    anatomy = Anatomy(
        id="m", origin="o", model_type=None, architecture=type(model).__name__, facts=Facts(), tree=tree
    )
    return model, outline_of(anatomy)


def adapted(model: Any, targets: Any) -> set[str]:
    """The modules that PEFT puts LoRA on."""
    import peft

    wrapped = peft.get_peft_model(copy.deepcopy(model), peft.LoraConfig(r=2, target_modules=targets))
    prefix = "base_model.model."
    return {
        path.removeprefix(prefix).removesuffix(".lora_A")
        for path, _ in wrapped.named_modules()
        if path.endswith(".lora_A")
    }


def names_of(found: set[str]) -> set[str]:
    return {path.rpartition(".")[2] for path in found}


def paths(outline: Outline, items: Any) -> set[str]:
    return {outline.paths[item] for item in items}


def test_all_linear_means_what_peft_means(family: tuple[Any, Outline]):
    model, outline = family
    wanted = adapted(model, "all-linear")
    assert paths(outline, targeted(outline, "all-linear", names_of(wanted))) == wanted


def test_every_row_toggled_adapts_what_it_stands_for(family: tuple[Any, Outline]):
    """Each linear row of the folded tree, off from all of them and on from none but another."""
    model, outline = family
    view = View(outline)
    everything = shortest(outline, targeted(outline, "all-linear", names_of(adapted(model, "all-linear"))))
    before = adapted(model, list(everything))
    rows = [view.row(item) for item in view.reachable() if is_linear(outline, item)]
    for row in rows:
        meant = paths(outline, outline.modules_of(row))
        if not meant <= before or meant == before:
            continue
        without = toggle(outline, row, everything).targets
        assert adapted(model, list(without)) == before - meant
        assert {outline.paths[i] for i in toggle(outline, row, everything).items} == before - meant
        assert adapted(model, list(toggle(outline, row, without).targets)) == before


def test_one_layer_alone(family: tuple[Any, Outline]):
    """One layer's own, of those that share its name, off: the others stay, written as ends of paths."""
    model, outline = family
    view = View(outline)
    view.unfold_all()
    linear = [item for item in view.rows() if is_linear(outline, item)]
    names = [outline.segments[item] for item in linear]
    item = next(i for i in reversed(linear) if names.count(outline.segments[i]) > 1)
    row = view.row(item)
    assert row.times == 1
    everything = shortest(outline, targeted(outline, "all-linear", names_of(adapted(model, "all-linear"))))
    before = adapted(model, list(everything))
    without = toggle(outline, row, everything).targets
    assert adapted(model, list(without)) == before - {row.path}
    assert adapted(model, list(toggle(outline, row, without).targets)) == before
    alone = shortest(outline, [item])
    assert adapted(model, list(alone)) == {row.path}
    assert len(alone) == 1


def test_what_the_matching_rule_finds(family: tuple[Any, Outline]):
    model, outline = family
    linear = sorted(adapted(model, "all-linear"))
    for targets in ([linear[0]], [linear[0].partition(".")[2]], [linear[-1].rpartition(".")[2]]):
        assert paths(outline, targeted(outline, tuple(targets))) == adapted(model, targets)


def test_a_regular_expression(family: tuple[Any, Outline]):
    model, outline = family
    name = max(adapted(model, "all-linear")).rpartition(".")[2]
    rule = rf".*\.{name}"
    assert paths(outline, targeted(outline, rule)) == adapted(model, rule)


def test_a_folded_row_becomes_a_name():
    view = View(outlined())
    row = view.row(view.outline.modules["model.layers.0.self_attn.q_proj"])
    assert toggle(view.outline, row, ("v_proj",)).targets == ("q_proj", "v_proj")
    assert toggle(view.outline, row, ("q_proj", "v_proj")).targets == ("v_proj",)


def test_fused_experts_stay_targets():
    view = View(outlined())
    row = view.row(view.outline.modules["model.layers.0.self_attn.q_proj"])
    fused = ("gate", "w1", "w2", "w3")
    assert toggle(view.outline, row, "all-linear", ("q_proj", "v_proj"), fused).targets == ("v_proj", *fused)
    assert toggle(view.outline, row, ("v_proj", "w2"), (), fused).targets == ("q_proj", "v_proj", "w2")
    assert toggle(view.outline, row, ("q_proj", "v_proj"), (), fused).targets == ("v_proj",)


def test_all_linear_before_a_plan_leaves_the_head_out():
    view = View(outlined())
    row = view.row(view.outline.modules["model.layers.0.self_attn.q_proj"])
    assert toggle(view.outline, row, "all-linear", ("q_proj", "v_proj", "up_proj")).targets == (
        "v_proj",
        "up_proj",
    )


def test_one_layer_of_four():
    view = View(outlined())
    view.set_fold(view.outline.modules["model.layers"], Fold.SPLIT)
    row = view.row(view.outline.modules["model.layers.2.self_attn.q_proj"])
    assert toggle(view.outline, row, ("q_proj",)).targets == (
        "layers.0.self_attn.q_proj",
        "layers.1.self_attn.q_proj",
        "layers.3.self_attn.q_proj",
    )
    assert toggle(view.outline, row, ("v_proj",)).targets == ("v_proj", "layers.2.self_attn.q_proj")


def test_the_order_is_the_models():
    view = View(outlined())
    items = [view.outline.modules[f"model.layers.{k}.mlp.up_proj"] for k in (3, 0)]
    assert shortest(view.outline, items) == ("layers.0.mlp.up_proj", "layers.3.mlp.up_proj")


@pytest.mark.parametrize(
    "path", ["model.embed_tokens", "model.layers.0.norm", "model.layers.0.self_attn", "model.layers"]
)
def test_what_is_no_linear_layer_is_refused(path: str):
    view = View(outlined())
    with pytest.raises(RecipeError, match="is no linear layer"):
        toggle(view.outline, view.row(view.outline.modules[path]), "all-linear")


def test_the_refusal_names_what_is_inside():
    view = View(outlined())
    with pytest.raises(RecipeError) as refused:
        toggle(view.outline, view.row(view.outline.modules["model.layers.0.self_attn"]), "all-linear")
    assert refused.value.hint == "inside it are q_proj, v_proj"


def test_a_parameter_is_refused():
    view = View(outlined())
    weight = view.outline.modules["model.layers.0.self_attn.q_proj"] + 1
    with pytest.raises(RecipeError, match="weight is no linear layer"):
        toggle(view.outline, view.row(weight), "all-linear")


def test_the_last_target_is_refused():
    view = View(outlined())
    row = view.row(view.outline.modules["model.layers.0.self_attn.q_proj"])
    with pytest.raises(RecipeError, match="last target"):
        toggle(view.outline, row, ("q_proj",))


def test_from_headers_alone_matrices_are_linear_and_tables_are_not():
    outline = outline_of(experts())
    linear = {outline.segments[i] for i in View(outline).reachable() if is_linear(outline, i)}
    assert linear == {"q_proj", "k_proj", "v_proj", "o_proj", "gate", "up_proj", "down_proj"}


def test_no_list_can_say_it():
    """A module at the root whose name ends another's path: every entry for it adapts that one too."""
    from anatomy.architecture.tree import ModuleNode

    def linear(path: str) -> ModuleNode:
        return ModuleNode(path=path, kind="Linear", component="", own=(), children=())

    inner = ModuleNode(path="inner", kind="", component="", own=(), children=(linear("inner.proj"),))
    tree = ModuleNode(path="", kind="", component="", own=(), children=(linear("proj"), inner))
    base = dense()
    outline = outline_of(
        Anatomy(id="m", origin="o", model_type=None, architecture=None, facts=base.facts, tree=tree)
    )
    assert shortest(outline, [outline.modules["inner.proj"]]) == ("inner.proj",)
    with pytest.raises(RecipeError, match="No list of names"):
        shortest(outline, [outline.modules["proj"]])
