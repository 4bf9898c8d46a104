"""The library's verbs on a tiny model, from its config alone."""

import json
from pathlib import Path

import pytest
from tiny_models import TINY_LLAMA, TINY_LLAMA_PARAMETERS

from anatomy import api
from anatomy.errors import AnatomyError, ArchitectureError, RecipeError, SourceError
from anatomy.hardware.catalog import all_gpus
from anatomy.training.recipe import Recipe


def test_show(tiny_llama):
    stages = []
    anatomy = api.show(str(tiny_llama), progress=stages.append)
    assert anatomy.total == TINY_LLAMA_PARAMETERS
    assert stages[0].startswith("reading")


def test_overrides(tiny_llama):
    four = api.show(str(tiny_llama), overrides={"num_hidden_layers": 4})
    layer = 2 * 64 * 64 + 2 * 64 * 32 + 3 * 64 * 128 + 2 * 64
    assert four.total == TINY_LLAMA_PARAMETERS + 2 * layer


def test_plan_of_lora(tiny_llama):
    """Rank 2 on q and v: (64 + 64) * 2 and (64 + 32) * 2 parameters in each of two layers."""
    plan = api.plan(str(tiny_llama), r=2, target_modules=("q_proj", "v_proj"), seq_len=16)
    assert plan.trainable_parameters == 2 * (2 * (64 + 64) + 2 * (64 + 32))
    assert plan.total_parameters == TINY_LLAMA_PARAMETERS + plan.trainable_parameters
    assert plan.targets == ("q_proj", "v_proj")
    assert plan.recipe == Recipe(r=2, target_modules=("q_proj", "v_proj"), seq_len=16)
    assert len(plan.fits) == len(all_gpus())
    assert all(fit.fits for fit in plan.fits)
    assert sum(plan.footprint.by_category.values()) == plan.footprint.peak_allocated_bytes
    assert plan.footprint.peak_allocated_bytes <= plan.footprint.peak_reserved_bytes < plan.device_bytes


def test_options_stand_on_top_of_a_recipe(tiny_llama):
    plan = api.plan(str(tiny_llama), recipe=Recipe(method="full", seq_len=16), batch_size=2, gpu="T4")
    assert plan.recipe == Recipe(method="full", seq_len=16, batch_size=2)
    assert plan.trainable_parameters == TINY_LLAMA_PARAMETERS
    assert [fit.gpu for fit in plan.fits] == ["Tesla T4"]
    assert any("7.5" in sentence for sentence in plan.assumptions)


def test_the_gpu_rehearsed_is_named(tiny_llama):
    anywhere = api.plan(str(tiny_llama), seq_len=16)
    assert any(api.REHEARSED_ON in sentence for sentence in anywhere.assumptions)
    amd = api.plan(str(tiny_llama), seq_len=16, gpu="MI300X")
    assert any("MI300X are not known" in sentence for sentence in amd.assumptions)


def test_beyond_the_stated_context_is_a_warning(tiny_llama):
    assert not api.plan(str(tiny_llama), seq_len=128).warnings
    (warning,) = api.plan(str(tiny_llama), seq_len=129).warnings
    assert "longer than the 128" in warning


def test_headers_without_a_config_cannot_be_rehearsed(tmp_path):
    import struct

    header = json.dumps({"w.weight": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    (tmp_path / "m.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(4))
    with pytest.raises(ArchitectureError, match="no config"):
        api.plan(str(tmp_path / "m.safetensors"))


def test_errors_are_of_their_kind(tiny_llama, tmp_path):
    with pytest.raises(RecipeError, match="not a setting"):
        api.plan(str(tiny_llama), rank=4)
    with pytest.raises(RecipeError, match="matches nothing"):
        api.plan(str(tiny_llama), target_modules=("nope",))
    with pytest.raises(SourceError):
        api.show(str(tmp_path / "missing"))
    (tiny_llama / "config.json").write_text(json.dumps(TINY_LLAMA | {"model_type": "lama"}))
    with pytest.raises(ArchitectureError, match="no model type 'lama'"):
        api.show(str(tiny_llama))


def test_catalogs_and_environment():
    assert len(api.models()) >= 60
    assert len(api.gpus()) >= 30
    found = api.env()
    assert found.versions["torch"]
    assert found.python.startswith("3.")


TINY_GPT2 = {
    "model_type": "gpt2",
    "n_embd": 32,
    "n_layer": 1,
    "n_head": 2,
    "vocab_size": 64,
    "n_positions": 32,
}
TINY_GPT1 = TINY_GPT2 | {"model_type": "openai-gpt"}


def write_config(folder, config):
    (folder / "config.json").write_text(json.dumps(config))
    return str(folder)


def test_a_default_length_gives_way_to_a_shorter_table(tmp_path):
    model = write_config(tmp_path, TINY_GPT2)
    plan = api.plan(model)
    assert plan.recipe.seq_len == 32
    assert "position table" in plan.adapted["seq_len"]
    assert api.plan(model, seq_len=16).recipe.seq_len == 16
    with pytest.raises(RecipeError, match="32 positions"):
        api.plan(model, seq_len=33)
    with pytest.raises(RecipeError, match="32 positions"):
        api.plan(model, recipe=Recipe())  # a recipe was chosen as a whole ...
    assert api.plan(model, recipe=Recipe(), chosen=()).recipe.seq_len == 32  # ... unless it says otherwise


def test_checkpointing_by_default_only_where_the_class_can(tmp_path):
    """transformers' OpenAIGPT does not support gradient checkpointing."""
    model = write_config(tmp_path, TINY_GPT1)
    plan = api.plan(model, method="full")
    assert plan.recipe.gradient_checkpointing == "off"
    assert plan.adapted.keys() == {"seq_len", "gradient_checkpointing"}
    assert "does not support gradient checkpointing: planned without it" in plan.warnings[0]
    with pytest.raises(RecipeError, match="does not support gradient checkpointing"):
        api.plan(model, method="full", gradient_checkpointing="non-reentrant")


def test_a_plans_recipe_and_overrides_lead_to_the_same_plan(tmp_path):
    model = write_config(tmp_path, TINY_GPT1)
    overrides = {"n_layer": 2}
    first = api.plan(model, overrides=overrides).to_dict()
    assert first["model"]["overrides"] == overrides
    again = api.plan(
        model, recipe=Recipe.from_dict(first["recipe"]), overrides=first["model"]["overrides"]
    ).to_dict()
    for said in ("recipe", "peak", "breakdown", "fits", "parameters"):
        assert again[said] == first[said]


@pytest.mark.parametrize(
    ("settings", "weights"),
    [({}, "in bfloat16"), ({"method": "qlora", "precision": "fp16"}, "quantized from float16")],
)
def test_a_checkpoints_own_quantization_is_not_passed_over(tiny_llama, settings, weights):
    plain = api.plan(str(tiny_llama), seq_len=16, **settings)
    model = write_config(tiny_llama, TINY_LLAMA | {"quantization_config": {"quant_method": "hqq"}})
    plan = api.plan(model, seq_len=16, **settings)
    (warning,) = plan.warnings
    assert warning.startswith("the checkpoint's own quantization (hqq) is not modelled")
    assert warning.endswith(weights)
    assert plan.not_modelled[-1] == "the checkpoint's own quantization (hqq)"
    assert plan.footprint.peak_allocated_bytes == plain.footprint.peak_allocated_bytes


def test_an_unknown_optimizer_is_refused_before_the_model_is_read():
    with pytest.raises(RecipeError, match="'adam' is not an optimizer") as caught:
        api.plan("no/such-model", optimizer="adam")
    assert "adamw_torch, adamw_torch_fused" in caught.value.hint


def test_a_model_can_be_named_by_a_path(tiny_llama):
    found = api.show(Path(tiny_llama))
    assert found == api.show(str(tiny_llama))
    assert not api.diff(Path(tiny_llama), str(tiny_llama)).facts


@pytest.mark.parametrize(
    "verb", [api.load, api.show, api.examine, api.plan, api.compare, api.profile, api.report]
)
def test_what_names_no_model_is_refused(verb):
    with pytest.raises(
        AnatomyError, match=r"is named by a text or a path, not by object|There is no report of object"
    ):
        verb(object())


@pytest.mark.parametrize(
    ("arguments", "said", "hint"),
    [
        ({"recipe": "recipe.toml"}, "recipe is 'recipe.toml', which is no anatomy.Recipe", "config='FILE'"),
        ({"recipe": {"method": "lora"}}, "which is no anatomy.Recipe", "keywords: method='lora'"),
        ({"gpu": 24}, "A GPU is named by a text, not by 24", "anatomy gpus"),
    ],
)
def test_arguments_of_another_type_are_refused(tiny_llama, arguments, said, hint):
    for verb in (api.plan, api.compare):
        with pytest.raises(RecipeError, match=said) as refused:
            verb(str(tiny_llama), **arguments)
        assert hint in refused.value.hint


def test_one_text_is_no_list_of_methods(tiny_llama):
    with pytest.raises(RecipeError, match="'lora' is one text") as refused:
        api.compare(str(tiny_llama), methods="lora")
    assert refused.value.hint == "write ['lora']"


def test_threads_take_turns(tiny_llama):
    """The rehearsal's stand-ins are put in for the whole process."""
    from concurrent.futures import ThreadPoolExecutor

    methods = ("full", "lora", "full", "lora")
    with ThreadPoolExecutor(4) as threads:
        found = [*threads.map(lambda method: api.plan(str(tiny_llama), method=method, seq_len=16), methods)]
    alone = {method: api.plan(str(tiny_llama), method=method, seq_len=16) for method in methods[:2]}
    assert [plan.to_dict() for plan in found] == [alone[method].to_dict() for method in methods]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"overrides": "num_hidden_layers=4"}, "is no mapping of facts"),
        ({"lengths": [10, "20"]}, "hold '20'"),
    ],
)
def test_slips_of_a_program_are_refused(tiny_llama, arguments, said):
    with pytest.raises(AnatomyError, match=said):
        api.plan(str(tiny_llama), **arguments)


def test_what_cannot_be_drawn_or_exported_is_refused(tmp_path):
    with pytest.raises(AnatomyError, match="There is no picture of Gpus"):
        api.plot(api.gpus(), tmp_path / "gpus.svg")
    with pytest.raises(AnatomyError, match="Gpus is no replay") as refused:
        api.export(api.gpus(), tmp_path / "gpus.json")
    assert "plan.replay" in refused.value.hint
    assert not [*tmp_path.iterdir()]
