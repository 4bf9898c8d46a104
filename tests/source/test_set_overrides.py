import json
from pathlib import Path
from typing import Any

import pytest
from checkpoints import checkpoint
from hypothesis import given
from hypothesis import strategies as st

from anatomy.errors import SourceError
from anatomy.source import load, parse_override

CONFIG: dict[str, Any] = {
    "model_type": "llava",
    "hidden_size": 64,
    "num_attention_heads": 4,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
    "text_config": {"num_hidden_layers": 8, "decoder_layers": 2, "rope_scaling": None},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    (tmp_path / "model.safetensors").write_bytes(checkpoint({"w": ("BF16", [2, 2])}))
    return tmp_path


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hidden_size=1024", ("hidden_size", 1024)),
        (" hidden_size = 1024", ("hidden_size", 1024)),
        ("rope_theta=5e5", ("rope_theta", 500000.0)),
        ("tie_word_embeddings=true", ("tie_word_embeddings", True)),
        ("sliding_window=null", ("sliding_window", None)),
        ('layer_types=["full_attention"]', ("layer_types", ["full_attention"])),
        ("hidden_act=gelu", ("hidden_act", "gelu")),
        ('hidden_act="gelu"', ("hidden_act", "gelu")),
        ("note=a=b", ("note", "a=b")),
        ("text_config.hidden_size=4", ("text_config.hidden_size", 4)),
        ("empty=", ("empty", "")),
    ],
)
def test_values_are_json_where_they_parse(text: str, expected: tuple[str, Any]) -> None:
    assert parse_override(text) == expected


@pytest.mark.parametrize("text", ["", "hidden_size", "=4", " =4", "a..b=4", ".a=4"])
def test_what_sets_nothing_is_refused(text: str) -> None:
    with pytest.raises(SourceError, match="does not set a fact"):
        parse_override(text)


@given(st.text(max_size=40))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    try:
        key, _ = parse_override(text)
    except SourceError:
        return
    assert key == text.partition("=")[0].strip()


def test_facts_are_set_and_headers_no_longer_count(folder: Path) -> None:
    blueprint = load(str(folder), overrides={"hidden_size": 32, "text_config.num_hidden_layers": 4})
    assert blueprint.config is not None
    assert blueprint.config["hidden_size"] == 32
    assert blueprint.config["text_config"] == {**CONFIG["text_config"], "num_hidden_layers": 4}
    assert blueprint.overrides == {"hidden_size": 32, "text_config.num_hidden_layers": 4}
    assert blueprint.tensors is None
    assert "hidden_size, text_config.num_hidden_layers" in blueprint.notes[-1]


def test_facts_that_shape_nothing_or_change_nothing_keep_the_headers(folder: Path) -> None:
    blueprint = load(str(folder), overrides={"hidden_size": 64, "torch_dtype": "float32"})
    assert blueprint.tensors is not None
    assert blueprint.notes == ()


def test_a_key_that_the_config_omits_is_set(folder: Path) -> None:
    """Configs omit what equals their class's default, so an absent key may be a true one: the class will tell."""
    blueprint = load(str(folder), overrides={"head_dim": 16})
    assert blueprint.config is not None
    assert blueprint.config["head_dim"] == 16
    assert not any("head_dim is" in note for note in blueprint.notes)


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("hiden_size", "hidden_size"),
        ("hidden_sizes", "hidden_size"),
        ("hidedn_size", "hidden_size"),
        ("hiddem_size", "hidden_size"),
        ("hidden-size", "hidden_size"),
        ("hiddenSize", "hidden_size"),
        ("num_attention_head", "num_attention_heads"),
        ("text_config.num_hidden_layer", "text_config.num_hidden_layers"),
        ("txt_config.num_hidden_layers", "text_config"),
    ],
)
def test_a_slip_is_refused_with_what_was_meant(folder: Path, key: str, meant: str) -> None:
    with pytest.raises(SourceError, match="is not in the config") as caught:
        load(str(folder), overrides={key: 4})
    assert str(caught.value.hint) == f"did you mean {meant}?"


@pytest.mark.parametrize(
    "key",
    [
        "num_key_value_heads",
        "num_hidden_layers",
        "text_config.encoder_layers",
        "text_config.hidden_size",
        "moe_hidden_size",
        "dtype",
    ],
)
def test_other_keys_that_resemble_one_are_not_slips(folder: Path, key: str) -> None:
    load(str(folder), overrides={key: 4})


@pytest.mark.parametrize(
    ("key", "value", "fault"),
    [
        ("hidden_size", "four", "is a number in the config"),
        ("tie_word_embeddings", "yes", "is true or false in the config"),
        ("vision_config.hidden_size", 4, "no nested 'vision_config'"),
        ("hidden_size.x", 4, "no nested 'hidden_size'"),
    ],
)
def test_what_cannot_be_set_is_refused(folder: Path, key: str, value: Any, fault: str) -> None:
    with pytest.raises(SourceError, match=fault) as caught:
        load(str(folder), overrides={key: value})
    assert caught.value.hint


def test_headers_alone_have_no_facts_to_set(folder: Path) -> None:
    with pytest.raises(SourceError, match="no config whose facts could be set"):
        load(str(folder / "model.safetensors"), overrides={"hidden_size": 4})
