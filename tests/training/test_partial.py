"""Methods that train some of a model's own weights."""

import pytest
from tiny_models import TINY_LLAMA

from anatomy import source
from anatomy.architecture.skeleton import build_skeleton
from anatomy.architecture.tree import module_components
from anatomy.blueprint import Blueprint, Origin
from anatomy.errors import RecipeError
from anatomy.memory.timeline import Category
from anatomy.planning.settings import make_recipe
from anatomy.rehearsal.rehearse import rehearse
from anatomy.training.methods import apply_method

BLOCK = 2 * 64 * 64 + 2 * 64 * 32 + 3 * 64 * 128 + 2 * 64
HEAD = 256 * 64


def trained(model, **settings):
    adapted = apply_method(model, make_recipe({"gradient_checkpointing": "off", **settings}))
    return sum(p.numel() for p in adapted.parameters() if p.requires_grad)


def tiny():
    blueprint = Blueprint(id="tiny", origin=Origin(kind="catalog", location="tiny"), config=TINY_LLAMA)
    return build_skeleton(blueprint, dtype="bfloat16")


@pytest.mark.parametrize(
    ("settings", "count"),
    [
        ({"last_n": 1}, BLOCK + HEAD),
        ({"last_n": 2, "train_head": False}, 2 * BLOCK),
        ({"last_n": 0}, HEAD),
    ],
)
def test_last_blocks_and_head(settings, count):
    assert trained(tiny().model, method="last-n", **settings) == count


def test_more_blocks_than_there_are():
    with pytest.raises(RecipeError, match="has 2 blocks, fewer than the last 3"):
        trained(tiny().model, method="last-n", last_n=3)


def test_an_encoder_decoders_last_blocks_are_the_decoders():
    model = build_skeleton(source.load("google/flan-t5-large", headers=False), dtype="bfloat16").model
    wanted = sum(p.numel() for p in model.decoder.block[-1].parameters())
    assert trained(model, method="last-n", last_n=1, train_head=False) == wanted


def test_bitfit_trains_the_biases_of_bert_base():
    """12 blocks of 4 x 768 + 3,072 + 768 and two norms' 768 each; the embeddings' norm; the head's beside."""
    blueprint = source.load("google-bert/bert-base-uncased", headers=False)
    model = build_skeleton(blueprint, dtype="float32").model
    head = sum(p.numel() for name, p in model.named_parameters() if "cls." in name and name.endswith("bias"))
    assert trained(model, method="bitfit") - head == 12 * (4 * 768 + 3072 + 768 + 2 * 768) + 768


def test_a_model_without_biases():
    with pytest.raises(RecipeError, match="has no biases"):
        trained(tiny().model, method="bitfit")


@pytest.mark.parametrize("checkpointing", ["off", "non-reentrant", "reentrant"])
def test_gradients_are_the_last_blocks_alone(checkpointing):
    skeleton = tiny()
    components = module_components(skeleton.model, skeleton.config)
    recipe = make_recipe(
        {"method": "last-n", "last_n": 1, "seq_len": 32, "gradient_checkpointing": checkpointing}
    )
    found = rehearse(skeleton.model, recipe, component_of=lambda path: components.get(path, ""))
    gradients = [b for b in found.timeline.blocks if b.category is Category.GRADIENTS]
    assert found.trainable_parameters == BLOCK + HEAD
    assert sum(b.bytes for b in gradients) >= 2 * 2 * (BLOCK + HEAD), "two steps in bf16"
    assert not any(".layers.0." in b.module for b in gradients)
