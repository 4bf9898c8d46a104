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
