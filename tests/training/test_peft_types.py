"""Every type that PEFT offers: its row says what its config says, and it is rehearsed, or refused with what it needs."""

from dataclasses import MISSING, fields
from importlib.util import find_spec

import pytest
from peft import PeftType
from sampling import sampled
from tiny_models import TINY_LLAMA

from anatomy.architecture.skeleton import build_skeleton
from anatomy.architecture.tree import module_components
from anatomy.blueprint import Blueprint, Origin
from anatomy.errors import RecipeError
from anatomy.memory.timeline import Category
from anatomy.rehearsal.rehearse import Rehearsal, rehearse
from anatomy.training.peft_types import METHODS, PEFT_TYPES
from anatomy.training.recipe import Recipe

FITTING = {
    "C3A": {"block_size": 16},
    "ROAD": {"group_size": 32},
    "TRAINABLE_TOKENS": {"token_indices": [1, 2, 3]},
    "VBLORA": {"vector_length": 32},
    "WAVEFT": {"n_frequency": 64},
}
"""What a model 64 wide asks for; all other settings are the type's own."""

NEEDS = {
    "CPT": "it projects its prompt by values that it has learned",
    "FROD": "it decomposes the weights themselves",
    "SHIRA": "sparse tensors",
    "XLORA": "adapters that have been trained before",
} | ({} if find_spec("sklearn") else {"ADAMSS": "scikit-learn"})
"""Type -> what a rehearsal of it lacks."""


def rehearsed(recipe: Recipe, config: dict[str, object] = TINY_LLAMA) -> Rehearsal:
    if recipe.adapter_type not in {kind.value for kind in PeftType}:
        pytest.skip("the installed peft has no such type")
    blueprint = Blueprint(id="tiny", origin=Origin(kind="catalog", location="tiny"), config=config)
    skeleton = build_skeleton(blueprint, dtype="bfloat16")
    components = module_components(skeleton.model, skeleton.config)
    return rehearse(skeleton.model, recipe, component_of=lambda path: components.get(path, ""))


def recipe_of(kind: str, **settings: object) -> Recipe:
    return Recipe.from_dict(
        {
            "method": "peft",
            "peft_type": kind,
            "peft": FITTING.get(kind, {}),
            "seq_len": 32,
            "gradient_checkpointing": "off",
            **settings,
        }
    )


def test_every_installed_type_has_a_row() -> None:
    from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING

    assert {kind.value for kind in PEFT_TYPE_TO_CONFIG_MAPPING} <= set(PEFT_TYPES)
    assert len(PEFT_TYPES.keys() - NEEDS.keys()) >= 38


@pytest.mark.parametrize("kind", sorted(PEFT_TYPES))
def test_a_row_names_fields_of_the_installed_config(kind: str) -> None:
    from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING

    configs = {key.value: config for key, config in PEFT_TYPE_TO_CONFIG_MAPPING.items()}
    if kind not in configs:
        pytest.skip("the installed peft has no such type")
    row, known = PEFT_TYPES[kind], {f.name: f for f in fields(configs[kind])}
    named = [name for name in (row.r, row.alpha, row.dropout, *row.options) if name is not None]
    assert set(named) <= known.keys()
    assert (row.targets is not None) == ("target_modules" in known)
    assert row.is_prompt == ("num_virtual_tokens" in known)
    assert ("r" in known) == (row.r is not None) or kind in ("OFT", "SUPERTUNING"), "a rank is not left out"
    if row.r == "r":
        usual = known["r"].default
        assert usual is MISSING or usual == (row.own_rank or 8)


@pytest.mark.parametrize("kind", sampled(sorted(PEFT_TYPES.keys() - NEEDS.keys()), 3))
def test_a_type_is_rehearsed(kind: str) -> None:
    found = rehearsed(recipe_of(kind))
    added = [block for block in found.timeline.blocks if block.category is Category.ADAPTERS]
    assert 0 < found.trainable_parameters < found.total_parameters
    assert added
    states = sum(b.bytes for b in found.timeline.blocks if b.category is Category.OPTIMIZER)
    assert states >= 2 * 2 * found.trainable_parameters, "two moments of every trained number"


@pytest.mark.parametrize("kind", sorted(NEEDS))
def test_a_type_that_cannot_be_rehearsed_says_what_it_needs(kind: str) -> None:
    with pytest.raises(RecipeError, match=NEEDS[kind]):
        rehearsed(recipe_of(kind))


def test_a_setting_that_a_type_does_not_have_is_refused_with_close_names() -> None:
    with pytest.raises(RecipeError, match="'oft_blok_size' is not a setting of PEFT's OFTConfig") as refused:
        rehearsed(recipe_of("OFT", peft={"oft_blok_size": 8}))
    assert "oft_block_size" in refused.value.hint


def test_virtual_tokens_lengthen_the_sequence() -> None:
    """The logits are as long as prompt and text together."""
    short = rehearsed(recipe_of("PROMPT_TUNING"))
    long = rehearsed(recipe_of("PROMPT_TUNING", peft={"num_virtual_tokens": 52}))
    logits = [
        max(
            b.bytes
            for b in r.timeline.blocks
            if b.category is Category.LOGITS and b.module.endswith("lm_head")
        )
        for r in (short, long)
    ]
    assert logits[0] * (32 + 52) == logits[1] * (32 + 20)
    assert "52 virtual tokens come before every sequence: 84 in all" in long.assumptions


@pytest.mark.parametrize("method", [name for name, method in METHODS.items() if method.quantized])
def test_adapters_over_a_4_bit_base(method: str) -> None:
    settings = {"peft_type": "IA3"} if METHODS[method].generic else {}
    found = rehearsed(Recipe.from_dict({"method": method, "seq_len": 32, **settings}))
    assert any(block.category is Category.QUANTIZATION for block in found.timeline.blocks)
    assert found.targets


def test_what_a_method_adds_is_the_adapters_component() -> None:
    for kind in ("PROMPT_TUNING", "P_TUNING", "IA3", "VERA", "LN_TUNING", "BOFT"):
        found = rehearsed(recipe_of(kind))
        blocks = [b for b in found.timeline.blocks if b.category is Category.ADAPTERS]
        assert {b.component for b in blocks} == {"adapter"}, kind
    assert any(b.component == "attention.query" for b in found.timeline.blocks), "the base keeps its own"


LORA_R8 = 2 * 8 * ((64 + 64) * 2 + (64 + 32) * 2 + (64 + 128) * 3)
"""Both blocks of the tiny Llama, every linear layer."""


@pytest.mark.parametrize(
    ("peft", "trainable"),
    [
        ({"modules_to_save": ["lm_head"]}, LORA_R8 + 256 * 64),
        ({"rank_pattern": {"q_proj": 4}}, LORA_R8 - 2 * 4 * (64 + 64)),
        ({"target_modules": ["q_proj"], "layers_to_transform": [0]}, 8 * (64 + 64)),
        ({"trainable_token_indices": [1, 2]}, LORA_R8 + 2 * 64),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_settings_of_lora_by_their_own_names(peft: dict[str, object], trainable: int) -> None:
    recipe = Recipe(r=8, seq_len=32, gradient_checkpointing="off", peft=peft)
    found = rehearsed(recipe)
    assert found.trainable_parameters == trainable
    added = [b for b in found.timeline.blocks if b.category is Category.ADAPTERS]
    assert {b.component for b in added} == {"adapter"}
