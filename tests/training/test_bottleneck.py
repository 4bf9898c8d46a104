"""Bottleneck adapters, and vocabularies that grow."""

import pytest

from anatomy.api.description import trainable_description
from anatomy.api.staged import stage
from anatomy.architecture.skeleton import build_skeleton
from anatomy.errors import RecipeError
from anatomy.planning.settings import make_recipe
from anatomy.rehearsal.rehearse import rehearse
from anatomy.training.methods import apply_method
from anatomy.training.vocabulary import add_tokens

BERT = "google-bert/bert-base-uncased"


def built(reference, **overrides):
    return build_skeleton(trainable_description(reference, overrides, None), dtype="bfloat16").model


def trained(model, **settings):
    adapted = apply_method(model, make_recipe({"gradient_checkpointing": "off", **settings}))
    return {name: p.numel() for name, p in adapted.named_parameters() if p.requires_grad}


@pytest.mark.parametrize(("method", "to_a_block"), [("pfeiffer", 1), ("houlsby", 2)])
def test_bert_base_has_the_published_number_of_weights(method, to_a_block):
    """12 blocks, 768 wide: Houlsby et al. count 2 m d + d + m to an adapter."""
    found = trained(built(BERT), method=method, bottleneck=64)
    assert sum(n for name, n in found.items() if name.endswith("weight")) == to_a_block * 1_179_648
    assert sum(found.values()) == to_a_block * 12 * (2 * 64 * 768 + 768 + 64)


def test_a_new_classifier_is_trained_beside_them():
    found = trained(built(BERT, architectures=["BertForSequenceClassification"]), method="pfeiffer")
    assert found["classifier.weight"] == 2 * 768
    assert not any("embeddings" in name for name in found)


def test_blocks_without_one_feed_forward_output_are_refused():
    with pytest.raises(RecipeError, match=r"no layer of the component ffn\.down"):
        trained(built("mistralai/Mixtral-8x7B-v0.1"), method="pfeiffer")


@pytest.mark.parametrize("reference", ["openai-community/gpt2", "google/flan-t5-large", "google/gemma-2b"])
def test_the_rehearsed_adapters_belong_to_the_component_adapter(reference):
    staged = stage(
        trainable_description(reference, None, None),
        make_recipe({"method": "houlsby", "seq_len": 32, "bottleneck": 8}),
        (),
        trust_remote_code=False,
    )
    rehearsal = rehearse(staged.skeleton.model, staged.recipe, component_of=staged.component_of)
    adapters = [b for b in rehearsal.timeline.blocks if b.category == "adapters"]
    assert sum(b.bytes for b in adapters) == 2 * rehearsal.trainable_parameters
    assert {b.component for b in adapters} == {"adapter"}


def test_added_tokens_lengthen_the_table_and_the_head():
    """gemma ties its head to the table: 2,048 a token once; BERT's head has a bias as well."""
    for reference, each in (
        ("google/gemma-2b", 2048),
        (BERT, 768 + 1),
        ("mistralai/Mistral-7B-v0.1", 2 * 4096),
    ):
        model = built(reference)
        before = sum(p.numel() for p in model.parameters())
        add_tokens(model, 10)
        assert sum(p.numel() for p in model.parameters()) - before == 10 * each


def test_a_model_without_a_vocabulary_gets_no_tokens():
    with pytest.raises(RecipeError, match="cannot resize its embeddings"):
        add_tokens(built("google/vit-base-patch16-224"), 8)


def test_attention_to_an_encoder_gets_no_adapter():
    """flan-t5-large: 24 blocks a stack; attention and feed-forward each, 1,024 wide, as the adapters library counts."""
    found = trained(built("google/flan-t5-large"), method="houlsby", bottleneck=64)
    assert sum(found.values()) == 2 * 24 * 2 * (2 * 64 * 1024 + 1024 + 64) == 12_687_360
