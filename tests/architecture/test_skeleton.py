"""Building the real class on meta, and refusing in sentences."""

import os
import subprocess
import sys

import pytest

from anatomy.architecture.skeleton import build_skeleton
from anatomy.errors import ArchitectureError

TINY = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "vocab_size": 48}
LLAMA = {"model_type": "llama", **TINY, "num_attention_heads": 4, "num_key_value_heads": 2}


def refusal(blueprint, **options):
    with pytest.raises(ArchitectureError) as caught:
        build_skeleton(blueprint, **options)
    error = caught.value
    assert error.message.endswith(".")
    assert "\n" not in error.message
    return error


def test_everything_is_on_meta(blueprint_of):
    model = build_skeleton(blueprint_of(LLAMA)).model
    assert {p.device.type for p in model.parameters()} == {"meta"}
    assert {b.device.type for b in model.buffers()} <= {"meta"}


def test_dtype_is_the_configs_then_the_callers(blueprint_of):
    import torch

    assert next(build_skeleton(blueprint_of(LLAMA)).model.parameters()).dtype == torch.float32
    half = {**LLAMA, "torch_dtype": "bfloat16"}
    assert next(build_skeleton(blueprint_of(half)).model.parameters()).dtype == torch.bfloat16
    assert next(build_skeleton(blueprint_of(half), dtype="fp16").model.parameters()).dtype == torch.float16


def test_attention_is_passed_on_and_flash_needs_no_package(blueprint_of):
    for asked, used in (("eager", "eager"), ("sdpa", "sdpa"), ("flash_attention_2", "sdpa")):
        assert build_skeleton(blueprint_of(LLAMA), attn=asked).config._attn_implementation == used


def test_a_class_without_sdpa_says_so(blueprint_of):
    skeleton = build_skeleton(blueprint_of({"model_type": "deberta-v2", "num_hidden_layers": 1}), attn="sdpa")
    assert skeleton.config._attn_implementation == "eager"
    assert any("no sdpa" in note for note in skeleton.notes)


@pytest.mark.parametrize(
    ("config", "class_name"),
    [
        (LLAMA, "LlamaForCausalLM"),
        ({**LLAMA, "architectures": ["LlamaForSequenceClassification"]}, "LlamaForSequenceClassification"),
        ({"model_type": "deberta-v2", "num_hidden_layers": 1}, "DebertaV2ForMaskedLM"),
        (
            {"model_type": "t5", "num_layers": 1, "architectures": ["T5WithLMHeadModel"]},
            "T5ForConditionalGeneration",
        ),
        ({"model_type": "bart", "encoder_layers": 1, "decoder_layers": 1}, "BartForConditionalGeneration"),
        ({"model_type": "vit", "num_hidden_layers": 1}, "ViTForImageClassification"),
    ],
)
def test_class_is_the_configs_or_the_types(config, class_name, blueprint_of):
    assert build_skeleton(blueprint_of(config)).class_name == class_name


def test_the_callers_config_is_not_changed(blueprint_of):
    config = {**LLAMA, "rope_scaling": {"type": "linear", "factor": 2.0}, "transformers_version": "4.30.0"}
    before = {**config, "rope_scaling": dict(config["rope_scaling"])}
    build_skeleton(blueprint_of(config))
    assert config == before


def test_own_code_is_not_needed_when_transformers_has_the_class(blueprint_of):
    config = {**LLAMA, "auto_map": {"AutoConfig": "evil.Config", "AutoModelForCausalLM": "evil.Model"}}
    assert build_skeleton(blueprint_of(config)).class_name == "LlamaForCausalLM"


def test_own_code_is_never_run_unasked(blueprint_of, tmp_path, monkeypatch):
    (tmp_path / "evil.py").write_text("open('ran', 'w').close()\n")
    monkeypatch.chdir(tmp_path)
    config = {"model_type": "evil", "auto_map": {"AutoConfig": "evil.Config", "AutoModel": "evil.Model"}}
    error = refusal(blueprint_of(config, name=str(tmp_path)))
    assert "its own repository" in error.message
    assert "--trust-remote-code" in error.hint
    assert not (tmp_path / "ran").exists()


def test_unknown_type_has_close_matches(blueprint_of):
    error = refusal(blueprint_of({"model_type": "lama"}))
    assert "no model type 'lama'" in error.message
    assert "llama" in error.hint
    assert "headers" in error.hint


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"hidden_size": 8}, "model_type"),
        ({"model_type": 7}, "model_type is 7"),
        ({**LLAMA, "num_attention_heads": 0}, "num_attention_heads is 0"),
        ({**LLAMA, "hidden_act": "zorg"}, "does not know 'zorg': hidden_act"),
        ({**LLAMA, "rope_scaling": {"rope_type": "zorg"}}, "does not know 'zorg': rope_scaling.rope_type"),
        ({**LLAMA, "num_key_value_heads": None, "architectures": "LlamaModel"}, "a list of class names"),
        ({"model_type": "qwen3", **TINY, "num_attention_heads": 3}, "num_key_value_heads (32)"),
        (
            {"model_type": "distilbert", "n_layers": 1, "activation": "zorg"},
            "does not know 'zorg': activation",
        ),
        ({"model_type": "convbert", "num_hidden_layers": 1, "head_ratio": 0}, "one of its zeros: head_ratio"),
        ({"model_type": "vit", "patch_size": [0, 16]}, "patch_size is 0"),
        ({**LLAMA, "architectures": ["BertForMaskedLM"]}, "contradicts itself"),
        ({**LLAMA, "hidden_size": "4096"}, "must be an integer"),
    ],
)
def test_invalid_configs_are_one_sentence(config, said, blueprint_of):
    assert said in refusal(blueprint_of(config)).message


def test_close_words_for_a_word_that_the_class_does_not_know(blueprint_of):
    assert "gelu" in refusal(blueprint_of({**LLAMA, "hidden_act": "gelo"})).hint
    assert "yarn" in refusal(blueprint_of({**LLAMA, "rope_scaling": {"rope_type": "yarm"}})).hint


def test_no_config(blueprint_of):
    assert "no config.json" in refusal(blueprint_of(None)).message


def test_unknown_dtype(blueprint_of):
    assert "'bf61'" in refusal(blueprint_of(LLAMA), dtype="bf61").message


def test_building_prints_nothing():
    """An old rope_scaling spelling and an unknown key make transformers talk; none of it may reach the user."""
    code = (
        "from anatomy.blueprint import Blueprint, Origin\n"
        "from anatomy.architecture.skeleton import build_skeleton\n"
        f"config = {{**{LLAMA!r}, 'rope_scaling': {{'type': 'yarn', 'factor': 4, 'odd': 1}}, 'odd_key': 1}}\n"
        "build_skeleton(Blueprint(id='x', origin=Origin(kind='file', location='x'), config=config))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")


def test_own_code_runs_once_it_is_trusted(tmp_path):
    """A repository with its own config and model class, built on meta after the user typed that they trust it."""
    repository = tmp_path / "repository"
    repository.mkdir()
    (repository / "own.py").write_text(
        "from torch import nn\n"
        "from transformers import PretrainedConfig, PreTrainedModel\n"
        "class Config(PretrainedConfig):\n"
        "    model_type = 'own'\n"
        "class Model(PreTrainedModel):\n"
        "    config_class = Config\n"
        "    def __init__(self, config):\n"
        "        super().__init__(config)\n"
        "        self.lm_head = nn.Linear(3, config.width)\n"
        "        self.post_init()\n"
    )
    code = (
        "from anatomy.blueprint import Blueprint, Origin\n"
        "from anatomy.architecture.anatomy import anatomy_from\n"
        "config = {'model_type': 'own', 'width': 5, 'auto_map': {'AutoConfig': 'own.Config', 'AutoModel': 'own.Model'}}\n"
        f"origin = Origin(kind='folder', location={str(repository)!r})\n"
        "made = anatomy_from(Blueprint(id='own', origin=origin, config=config), trust_remote_code=True)\n"
        "print(made.architecture, made.by_component)\n"
    )
    environment = {**os.environ, "HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert done.stdout.strip() == "Model {'head': 20}", done.stderr


def test_parameters_of_torchs_old_constructors_are_on_meta_too(blueprint_of):
    """ImageGPT's norms are made with torch.Tensor(n), which knows no default device."""
    config = {"model_type": "imagegpt", "architectures": ["ImageGPTForImageClassification"], "n_layer": 1}
    model = build_skeleton(blueprint_of(config)).model
    assert {p.device.type for p in model.parameters()} == {"meta"}


def test_a_part_without_sdpa_is_left_to_transformers(blueprint_of):
    """VibeVoice's language model has sdpa, and its audio tokenizer has not: each gets its own."""
    layers = {"text_config": {"model_type": "qwen2", "num_hidden_layers": 1}}
    config = {"model_type": "vibevoice", "architectures": ["VibeVoiceForConditionalGeneration"], **layers}
    model = build_skeleton(blueprint_of(config), attn="sdpa").model
    assert model.config.text_config._attn_implementation == "sdpa"


def test_a_head_width_that_varies_by_layer_is_not_made_up(blueprint_of):
    """Gemma 4's local and global layers have heads of two widths, and neither is width over heads."""
    from anatomy.architecture.anatomy import anatomy_from

    text = {**TINY, "model_type": "gemma4_text", "num_attention_heads": 4, "num_key_value_heads": 2}
    text |= {"num_hidden_layers": 6, "head_dim": 16, "global_head_dim": 32, "vocab_size_per_layer_input": 48}
    facts = anatomy_from(blueprint_of({**text, "architectures": ["Gemma4ForCausalLM"]})).facts
    assert (facts.heads, facts.head_dim) == (4, None)


@pytest.mark.parametrize(
    "config",
    [
        {"model_type": "whisper", "architectures": ["WhisperForConditionalGeneration"], "num_mel_bins": 8}
        | {"pad_token_id": 0},
        {"model_type": "bart", "architectures": ["BartForConditionalGeneration"]},
        {"model_type": "t5", "architectures": ["T5ForConditionalGeneration"], "num_layers": 3, "d_ff": 64}
        | {"num_decoder_layers": 5, "num_heads": 2, "d_kv": 16},
    ],
)
def test_each_side_of_an_encoder_decoder_has_its_own_depth(config, blueprint_of):
    """Neither the other's, nor the class's default."""
    from anatomy.architecture.anatomy import anatomy_from

    sides = {"encoder_layers": 3, "decoder_layers": 5, "encoder_ffn_dim": 64, "decoder_ffn_dim": 64}
    heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 2, "max_source_positions": 16}
    flat = {} if config["model_type"] == "t5" else {**sides, **heads}
    facts = anatomy_from(blueprint_of({**config, **flat, "d_model": 32, "vocab_size": 48})).facts
    assert (facts.encoder_layers, facts.layers, facts.heads, facts.ffn_width) == (3, 5, 2, 64)
