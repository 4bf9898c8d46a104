"""Tables of positions end where their papers and configs say; rotary models only warn."""

import pytest

from anatomy.architecture.facts import facts_from_config
from anatomy.architecture.skeleton import build_skeleton
from anatomy.architecture.tree import module_components
from anatomy.blueprint import Blueprint, Origin
from anatomy.errors import RecipeError
from anatomy.planning.sequence import check_sequence, longest_sequence

SMALL = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
OPT = {"ffn_dim": 64, "word_embed_proj_dim": 32}
T5 = {"d_model": 32, "d_kv": 16, "d_ff": 64, "num_layers": 1, "num_heads": 2}
GPT2 = {"n_embd": 32, "n_layer": 1, "n_head": 2}

# The most that each model reads, as published: BERT (arXiv:1810.04805), RoBERTa (514 rows, the first two unused),
# OPT (2,048 tokens; 2,050 rows), GPT-2 (1,024 tokens).
LEARNED = [
    ("bert", SMALL, 512),
    ("roberta", SMALL | {"max_position_embeddings": 514}, 512),
    ("opt", SMALL | OPT, 2048),
    ("gpt2", GPT2, 1024),
]
ENDLESS = [
    ("llama", SMALL, 2048),
    ("t5", T5, None),
    ("deberta-v2", SMALL | {"relative_attention": True, "position_biased_input": False}, None),
]


def check(model_type, config, seq_len):
    blueprint = Blueprint(
        id=model_type, origin=Origin(kind="file", location="x"), config={"model_type": model_type, **config}
    )
    skeleton = build_skeleton(blueprint)
    components = module_components(skeleton.model, skeleton.config)
    stated = facts_from_config(skeleton.config).context
    longest = longest_sequence(skeleton.model, components)
    return check_sequence(skeleton.class_name, seq_len, longest, stated)


@pytest.mark.parametrize(("model_type", "config", "most"), LEARNED)
def test_a_learned_table_ends(model_type, config, most):
    assert check(model_type, config, most) == ()
    with pytest.raises(RecipeError, match=f"{most:,} positions") as caught:
        check(model_type, config, most + 1)
    assert caught.value.hint == f"use --seq-len {most} or less"


@pytest.mark.parametrize(("model_type", "config", "stated"), ENDLESS)
def test_others_go_on(model_type, config, stated):
    warnings = check(model_type, config, 100_000)
    assert all("longer than the" in warning for warning in warnings)
    if stated is not None:
        assert f"{stated:,}" in warnings[0]
        assert check(model_type, config, stated) == ()


TOWER = SMALL | {"projection_dim": 16}


def test_a_model_of_two_towers_has_the_shorter_table():
    """CLIP (arXiv:2103.00020): 76 tokens and the end of the text, 77 positions. It has no one table of tokens."""
    config = {
        "model_type": "clip",
        "architectures": ["CLIPModel"],
        "text_config": TOWER,
        "vision_config": TOWER,
    }
    blueprint = Blueprint(id="clip", origin=Origin(kind="file", location="x"), config=config)
    skeleton = build_skeleton(blueprint)
    assert longest_sequence(skeleton.model, module_components(skeleton.model, skeleton.config)) == 77
