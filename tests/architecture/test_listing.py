"""Tensors and modules as a list."""

import pytest
from tiny_models import TINY_LLAMA, TINY_LLAMA_PARAMETERS

from anatomy.architecture.anatomy import anatomy_from
from anatomy.architecture.listing import covered, entries_of
from anatomy.errors import ArchitectureError


@pytest.fixture
def tiny(blueprint_of):
    return anatomy_from(blueprint_of({**TINY_LLAMA, "torch_dtype": "bfloat16"}))


def test_everything_adds_up(tiny):
    found = entries_of(tiny, None)
    assert sum(entry.parameters for entry in found) == covered(found) == TINY_LLAMA_PARAMETERS
    assert all(entry.size == 2 * entry.parameters for entry in found)


def test_a_pattern_finds_modules_and_tensors(tiny):
    found = {entry.path: entry for entry in entries_of(tiny, None, pattern="*.layers.0.mlp*")}
    assert set(found) == {
        "model.layers.0.mlp",
        *(f"model.layers.0.mlp.{name}_proj.weight" for name in ("gate", "up", "down")),
    }
    assert found["model.layers.0.mlp"].parameters == 3 * 64 * 128
    assert found["model.layers.0.mlp"].kind == "LlamaMLP"
    assert covered(found.values()) == 3 * 64 * 128  # not twice, though listed with the module


def test_the_largest_first(tiny):
    sizes = [entry.parameters for entry in entries_of(tiny, None, order="bytes")]
    assert sizes == sorted(sizes, reverse=True)
    names = [entry.path for entry in entries_of(tiny, None, order="name")]
    assert names == sorted(names)


def test_what_is_stored_is_listed_as_stored(blueprint_of):
    tensors = [("model.embed_tokens.weight", (256, 64), "F32"), ("model.norm.weight", (64,), "BF16")]
    blueprint = blueprint_of(TINY_LLAMA, tensors)
    found = entries_of(anatomy_from(blueprint), blueprint.tensors, order="bytes")
    assert [(e.path, e.dtype, e.size, e.component) for e in found] == [
        ("model.embed_tokens.weight", "F32", 256 * 64 * 4, "embedding"),
        ("model.norm.weight", "BF16", 128, "norm"),
    ]


def test_nothing_found_says_what_is_like_it(tiny):
    with pytest.raises(ArchitectureError) as error:
        entries_of(tiny, None, pattern="*.q_prj.weight")
    assert "q_proj" in error.value.hint


def test_without_a_dtype_there_are_no_bytes(blueprint_of):
    assert {e.size for e in entries_of(anatomy_from(blueprint_of(TINY_LLAMA)), None, pattern="*norm*")} == {
        None
    }


def test_the_model_s_own_order(blueprint_of):
    """A module, what it owns, what is in it; layers by number, in whatever order the file has them."""
    config = {**TINY_LLAMA, "num_hidden_layers": 12}
    own = entries_of(anatomy_from(blueprint_of(config)), None)
    tensors = sorted((e.path, e.shape) for e in own)
    blueprint = blueprint_of(config, [*tensors, ("model.layers.12.more", (2,)), ("added.weight", (3,))])
    anatomy = anatomy_from(blueprint)
    names = [entry.path for entry in entries_of(anatomy, blueprint.tensors)]
    model = [entry.path for entry in own]
    assert [name for name in names if name in model] == model
    at = names.index("model.layers.12.more")  # what the class lacks, after the layers that it has
    assert names[at - 1].startswith("model.layers.11.")
    assert names[at + 1] == "model.norm.weight"
    listed = [e.path for e in entries_of(anatomy, blueprint.tensors, pattern="model.layers.1*.mlp*")]
    assert listed[:2] == ["model.layers.1.mlp", "model.layers.1.mlp.gate_proj.weight"]
    assert listed.index("model.layers.10.mlp") > listed.index("model.layers.1.mlp.down_proj.weight")


@pytest.mark.parametrize("order", ["bytes", "parameters", "name"])
def test_what_is_as_large_stays_in_order(order, blueprint_of):
    anatomy = anatomy_from(blueprint_of({**TINY_LLAMA, "num_hidden_layers": 11}))
    found = entries_of(anatomy, None, pattern="*.q_proj.weight", order=order)
    assert [entry.path.split(".")[2] for entry in found] == [str(layer) for layer in range(11)]


def test_a_base_model_s_checkpoint_has_the_model_s_order(blueprint_of):
    config = {"model_type": "gpt2", "n_embd": 8, "n_layer": 11, "n_head": 2, "vocab_size": 16}
    own = entries_of(anatomy_from(blueprint_of(config)), None)
    tensors = sorted((e.path.removeprefix("transformer."), e.shape) for e in own)
    blueprint = blueprint_of(config, tensors)
    names = [entry.path for entry in entries_of(anatomy_from(blueprint), blueprint.tensors)]
    assert names == [e.path.removeprefix("transformer.") for e in own]
