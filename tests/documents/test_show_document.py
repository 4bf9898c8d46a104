"""What `show` says adds up."""

from dataclasses import replace

import pytest
from tiny_models import TINY_LLAMA, TINY_LLAMA_PARAMETERS

from anatomy.architecture.anatomy import anatomy_from
from anatomy.architecture.tree import tree_from_model
from anatomy.blueprint import Blueprint, Origin, TensorHeader
from anatomy.documents.document import Facts, Notes, Sentence, Table, Tree
from anatomy.documents.show.model import bytes_as, show_document


def anatomy_of(config=None, tensors=None):
    origin = Origin(kind="file", location="config.json")
    return anatomy_from(Blueprint(id="tiny", origin=origin, config=config, tensors=tensors))


@pytest.fixture(scope="module")
def tiny():
    return anatomy_of(TINY_LLAMA)


def blocks(document, kind):
    return [block for block in document.blocks if isinstance(block, kind)]


def test_nf4_takes_what_the_paper_says():
    """QLoRA (arXiv:2305.14314): 4 bits, and 0.127 bits of scales a parameter with double quantization."""
    parameters = 64 * 256 * 1000
    assert bytes_as(parameters)[3] * 8 / parameters == pytest.approx(4.127, abs=5e-4)
    assert bytes_as(10) == (40, 20, 10, 5 + 1 + 4)


def test_components_add_up(tiny):
    table = show_document(tiny).table
    total = dict(zip([c.name for c in table.columns], table.total, strict=True))
    assert total["parameters"] == tiny.total == TINY_LLAMA_PARAMETERS
    assert total["share"] == pytest.approx(1)
    for column in range(1, len(table.columns)):
        assert sum(row[column] for row in table.rows) == pytest.approx(table.total[column])


def test_every_line_of_the_tree_is_the_sum_of_those_below(tiny):
    def check(branch):
        if branch.children:
            assert sum(child.cells[0] for child in branch.children) == branch.cells[0]
        for child in branch.children:
            check(child)

    (tree,) = blocks(show_document(tiny), Tree)
    assert tree.root.cells[0] == TINY_LLAMA_PARAMETERS
    check(tree.root)


def test_a_fused_parameter_beside_modules_is_named_for_all_it_holds(tiny):
    """nn.MultiheadAttention owns in_proj_weight, of queries, keys and values, beside its out_proj."""
    from torch import nn

    tree, unknown = tree_from_model(nn.TransformerEncoderLayer(32, 4, 64), {})
    (shown,) = blocks(show_document(replace(tiny, tree=tree, unclassified=unknown)), Tree)
    cells = {child.label: child.cells[2] for child in shown.root.children[0].children}
    assert cells["in_proj_weight"] == cells["in_proj_bias"] == "attention.query, key, value"
    assert cells["out_proj"] == "attention.output"


def test_repeated_layers_are_one_line(tiny):
    (tree,) = blocks(show_document(tiny), Tree)
    model = tree.root.children[0]
    assert [child.label for child in model.children] == ["embed_tokens", "layers.0-1 × 2", "norm"]


@pytest.mark.parametrize(("depth", "levels"), [(0, 1), (1, 2), (2, 3), (None, 5)])
def test_depth(tiny, depth, levels):
    def height(branch):
        return 1 + max(map(height, branch.children), default=0)

    (tree,) = blocks(show_document(tiny, depth=depth), Tree)
    assert height(tree.root) == levels


def test_a_tied_head_is_a_line_that_counts_nothing():
    tied = anatomy_of(TINY_LLAMA | {"tie_word_embeddings": True})
    document = show_document(tied)
    (tree,) = blocks(document, Tree)
    assert tree.root.children[-1].cells == (0, "Linear", "tied to embedding")
    assert any(
        "lm_head.weight = model.embed_tokens.weight" in n for b in blocks(document, Notes) for n in b.items
    )


def test_stored_beside_held_adds_up(tiny):
    names = {f"{n.path}.{o.name}": o.shape for n in tiny.tree.walk() for o in n.own}
    headers = [TensorHeader(name=name, dtype="BF16", shape=shape) for name, shape in names.items()]
    same = show_document(anatomy_of(TINY_LLAMA, tuple(headers)))
    assert any("stores exactly these" in sentence.text for sentence in blocks(same, Sentence))

    headers.append(TensorHeader(name="model.layers.0.self_attn.rotary_emb.inv_freq", dtype="F32", shape=(8,)))
    more = show_document(anatomy_of(TINY_LLAMA, tuple(headers)))
    table = next(b for b in blocks(more, Table) if "stored" in b.title)
    assert table.rows[0] == ("parameters of the model", TINY_LLAMA_PARAMETERS)
    assert sum(count for _, count in table.rows) == table.total[1] == TINY_LLAMA_PARAMETERS + 8


def test_what_no_rule_knows_is_said_loudly():
    headers = (TensorHeader(name="mystery.thing", dtype="F32", shape=(3, 5)),)
    document = show_document(anatomy_of(None, headers))
    loud = next(b for b in blocks(document, Notes) if b.tone == "bad")
    assert loud.title.startswith("WARNING: 1 parameters")
    assert loud.items == ("mystery.thing",)


def test_layer_kinds_are_one_period():
    gemma = {
        "model_type": "gemma3_text",
        "architectures": ["Gemma3ForCausalLM"],
        "hidden_size": 32,
        "num_hidden_layers": 12,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "intermediate_size": 64,
        "head_dim": 16,
        "vocab_size": 64,
    }
    (facts, *_) = blocks(show_document(anatomy_of(gemma)), Facts)
    assert dict(facts.items)["layer kinds"] == "5 sliding_attention, 1 full_attention, and so on"


def test_layer_kinds_in_no_short_period_are_counted(tiny):
    kinds = ("mamba", "moe") * 6 + ("attention",) + ("mamba", "moe")
    mixed = replace(tiny, facts=replace(tiny.facts, layer_kinds=kinds))
    (facts, *_) = blocks(show_document(mixed), Facts)
    assert dict(facts.items)["layer kinds"] == "7 mamba, 7 moe, 1 attention, mixed"


def test_json_contract(tiny):
    data = show_document(tiny).data
    assert {"schema_version", "model", "parameters", "tied", "unclassified", "tree"} <= data.keys()
    assert {"id", "origin", "model_type", "architecture"} <= data["model"].keys()
    assert {"total", "stored", "by_component", "by_dtype"} <= data["parameters"].keys()
    assert {"path", "kind", "component", "parameters", "children"} <= data["tree"].keys()
    assert sum(data["parameters"]["by_component"].values()) == data["parameters"]["total"]


def test_what_was_set_by_hand_is_said(tiny):
    document = show_document(replace(tiny, overrides={"num_hidden_layers": 2}))
    assert document.title == "tiny with num_hidden_layers=2"
    assert document.data["model"]["overrides"] == {"num_hidden_layers": 2}
    assert show_document(tiny).data["model"]["overrides"] == {}


def test_another_total_stands_beside_the_total(tiny):
    (facts, *_) = blocks(show_document(replace(tiny, also=(("with a head of its own", 123_200),))), Facts)
    assert facts.items[:2] == (
        ("parameters", "106.82 K (106,816)"),
        ("or", "123.20 K (123,200) with a head of its own"),
    )


def test_many_unknown_parameters_are_not_all_named(tiny):
    names = tuple(f"blocks.{n}.odd" for n in range(80))
    document = show_document(replace(tiny, unclassified=names))
    (warning,) = [notes for notes in blocks(document, Notes) if notes.tone == "bad"]
    assert warning.title.startswith("WARNING: 80 parameters")
    assert warning.items == (*names[:8], "and 72 more: with --format json")
    assert document.data["unclassified"] == list(names)
    (few,) = [
        n for n in blocks(show_document(replace(tiny, unclassified=names[:9])), Notes) if n.tone == "bad"
    ]
    assert few.items == names[:9]
