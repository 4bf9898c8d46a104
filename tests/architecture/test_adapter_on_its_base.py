"""Adapters as PEFT itself saves them, against what PEFT counts."""

import json
from pathlib import Path

import pytest

from anatomy.architecture.anatomy import Anatomy, anatomy_from
from anatomy.documents.show.model import show_document
from anatomy.errors import ArchitectureError
from anatomy.source import load

SMALL = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 256,
}


def saved(folder: Path, config) -> tuple[Anatomy, int]:
    """The anatomy of what PEFT saves, and the parameters that PEFT says are trained."""
    peft = pytest.importorskip("peft")
    transformers = pytest.importorskip("transformers")
    base = folder / "base"
    model = transformers.AutoModelForCausalLM.from_config(transformers.LlamaConfig(**SMALL))
    model.config.save_pretrained(base)
    model.config._name_or_path = model.name_or_path = str(base)
    adapted = peft.get_peft_model(model, config)
    adapted.save_pretrained(folder / "adapter")
    return anatomy_from(load(str(folder / "adapter"))), adapted.get_nb_trainable_parameters()[0]


@pytest.mark.parametrize(
    ("kind", "options", "modules"),
    [
        ("LoraConfig", {"r": 4, "target_modules": ["q_proj", "v_proj"]}, 4),
        ("LoraConfig", {"r": 4, "target_modules": "all-linear", "use_dora": True}, 14),
        ("LoraConfig", {"r": 4, "target_modules": ["q_proj"], "modules_to_save": ["lm_head"]}, 2),
        (
            "LoraConfig",
            {"r": 4, "target_modules": ["q_proj"], "rank_pattern": {"layers.0.self_attn.q_proj": 8}},
            2,
        ),
        ("IA3Config", {"target_modules": ["k_proj", "down_proj"], "feedforward_modules": ["down_proj"]}, 4),
        ("LoHaConfig", {"r": 4, "target_modules": ["q_proj"]}, 2),
        ("LoKrConfig", {"r": 4, "target_modules": ["q_proj"]}, 2),
        ("OFTConfig", {"oft_block_size": 16, "target_modules": ["q_proj"]}, 2),
        ("HRAConfig", {"r": 4, "target_modules": ["q_proj"]}, 2),
    ],
)
def test_what_peft_saves_is_what_it_trains(tmp_path, kind, options, modules):
    import peft

    anatomy, trained = saved(tmp_path, getattr(peft, kind)(**options))
    assert anatomy.adapter is not None
    assert anatomy.total == trained
    assert sum(item.parameters for item in anatomy.adapter.modules) + anatomy.adapter.copied == trained
    assert anatomy.adapter.placed == (modules, modules)
    assert anatomy.unclassified == ()
    copied = anatomy.by_component.get("head", 0)
    assert anatomy.by_component["adapter"] == trained - copied
    assert copied == (256 * 64 if "modules_to_save" in options else 0)
    show_document(anatomy)


def test_virtual_tokens_adapt_no_module(tmp_path):
    import peft

    anatomy, trained = saved(tmp_path, peft.PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=5))
    assert anatomy.adapter is not None
    assert anatomy.total == trained == 5 * 64
    assert anatomy.adapter.placed is None
    assert anatomy.adapter.settings["num_virtual_tokens"] == 5


def test_an_adapter_of_another_model_does_not_fit(tmp_path):
    import peft

    saved(tmp_path, peft.LoraConfig(r=4, target_modules=["q_proj", "v_proj"]))
    config = json.loads((tmp_path / "base" / "config.json").read_text())
    (tmp_path / "base" / "config.json").write_text(json.dumps({**config, "num_key_value_heads": 4}))
    anatomy = anatomy_from(load(str(tmp_path / "adapter")))
    assert anatomy.adapter is not None
    assert anatomy.adapter.placed == (2, 4)  # the value projections are twice as wide as the adapter is


def test_the_base_is_counted_and_its_share_said(tmp_path):
    import peft

    anatomy, trained = saved(tmp_path, peft.LoraConfig(r=4, target_modules=["q_proj"]))
    base = anatomy_from(load(str(tmp_path / "base"))).total
    assert anatomy.adapter is not None
    assert anatomy.adapter.base_parameters == base
    facts = dict(show_document(anatomy).blocks[0].items)
    assert facts["adapter of base"] == f"{100 * trained / base:.2f} %"
    assert facts["rank"] == "4"


def test_a_plan_of_an_adapter_names_its_base(tmp_path):
    import peft

    from anatomy.api.description import trainable_description

    saved(tmp_path, peft.LoraConfig(r=4, target_modules=["q_proj"]))
    with pytest.raises(ArchitectureError, match="is an adapter") as caught:
        trainable_description(str(tmp_path / "adapter"), None, None)
    assert str(tmp_path / "base") in str(caught.value.hint)
