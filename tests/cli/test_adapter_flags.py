"""Adapters by PEFT's own names: --peft-type, --peft, --peft-config, as `plan` understands them."""

import json
import tomllib

import pytest

from anatomy.cli import main

SAVED = {
    "peft_type": "LORA",
    "task_type": "CAUSAL_LM",
    "base_model_name_or_path": "somewhere/else",
    "inference_mode": True,
    "revision": None,
    "r": 32,
    "lora_alpha": 64,
    "target_modules": ["q_proj", "v_proj"],
    "use_dora": True,
    "rank_pattern": {},
    "megatron_config": None,
}


@pytest.fixture
def printed(capfd):
    """The recipe that `anatomy plan FLAGS --print-recipe` prints, or what it says instead."""

    def call(*flags):
        with pytest.raises(SystemExit) as done:
            main(["plan", *map(str, flags), "--print-recipe"])
        out, err = capfd.readouterr()
        return tomllib.loads(out) if done.value.code == 0 else err

    return call


@pytest.fixture
def saved(tmp_path):
    file = tmp_path / "adapter_config.json"
    file.write_text(json.dumps(SAVED))
    return file


def test_a_type_and_settings(printed):
    found = printed(
        "--peft-type", "oft", "--peft", "oft_block_size=16", "--peft", "coft=true", "--peft", "bias=all"
    )
    assert (found["method"], found["peft_type"]) == ("peft", "OFT")
    assert found["peft"] == {"oft_block_size": 16, "coft": True, "bias": "all"}


def test_settings_of_a_named_method(printed, tmp_path):
    found = printed("--method", "lora", "--peft", 'rank_pattern={"q_proj": 4, "^model.layers.0.*": 8}')
    assert found["peft"] == {"rank_pattern": {"q_proj": 4, "^model.layers.0.*": 8}}
    file = tmp_path / "recipe.toml"
    file.write_text('method = "lora"\npeft = { bias = "all", use_rslora = true }\n')
    assert printed("--recipe", file, "--peft", "bias=none")["peft"] == {"bias": "none", "use_rslora": True}
    assert printed("--recipe", file, "--method", "ia3")["peft"] == {}, "they are another type's"


def test_a_saved_adapter(printed, saved):
    found = printed("--peft-config", saved)
    assert (found["method"], found["peft_type"]) == ("peft", "LORA")
    assert found["peft"] == {key: SAVED[key] for key in ("r", "lora_alpha", "target_modules", "use_dora")}
    assert printed("--peft-config", saved, "--r", 8)["r"] == 8, "a flag wins"
    assert "r" not in printed("--peft-config", saved, "--r", 8)["peft"]
    quantized = printed("--peft-config", saved, "--method", "qlora")
    assert quantized["method"] == "qlora"
    assert quantized["peft"] == found["peft"]


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--peft-type", "LORRA"], "peft_type 'LORRA' is unknown"),
        (["--peft", "bias"], "--peft 'bias' is not KEY=VALUE"),
        (["--method", "lora", "--peft-type", "OFT"], "both say what is trained"),
        (["--method", "peft"], "needs a peft_type"),
        (["--peft", "bias=null"], "peft.bias is null"),
        (["--peft-config", "nowhere.json"], "cannot be read"),
        (["--method", "full", "--peft", "bias=all"], "peft means nothing for method 'full'"),
        (["--method", "ia3", "--r", "8"], "r means nothing for method 'ia3'"),
    ],
)
def test_what_is_wrong_is_said(printed, flags, said):
    assert said in printed(*flags)


def test_a_type_and_a_file_that_contradict_each_other(printed, saved):
    assert "contradicts" in printed("--peft-config", saved, "--peft-type", "OFT")
