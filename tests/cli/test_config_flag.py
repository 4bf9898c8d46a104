"""--config: a trainer's own file on the command line of `plan` and `profile`."""

import csv
import io
import json
import tomllib

import pytest
from tiny_models import TINY_LLAMA

AXOLOTL = """
base_model: {model}
adapter: lora
lora_r: 4
lora_alpha: 8
lora_target_linear: true
lora_mlp_kernel: true
sequence_len: 32
micro_batch_size: 1
optimizer: adamw_torch
bf16: auto
learning_rate: 2e-5
lora_drpout: 0.1
"""


@pytest.fixture
def tiny(tmp_path):
    folder = tmp_path / "tiny"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(TINY_LLAMA))
    return folder


@pytest.fixture
def config(tmp_path, tiny):
    file = tmp_path / "axolotl.yml"
    file.write_text(AXOLOTL.format(model=tiny))
    return file


GPU = ("--gpu", "A100 80GB SXM", "--no-progress")


def test_the_file_names_the_model_and_every_key_has_a_fate(run, config, tiny):
    code, out, err = run("plan", "--config", config, *GPU, "--json")
    assert (code, err) == (0, "")
    said = json.loads(out)
    assert said["model"]["id"] == str(tiny)
    assert (said["recipe"]["method"], said["recipe"]["r"], said["recipe"]["seq_len"]) == ("lora", 4, 32)
    found = said["config"]
    assert (found["kind"], found["trainer"], found["model"]) == ("axolotl", "axolotl 0.19.0", str(tiny))
    assert {"key": "lora_r", "value": 4, "settings": {"r": 4}} in found["used"]
    assert {"key": "max_grad_norm", "value": 1.0, "settings": {"max_grad_norm": 1.0}} in found["defaults"]
    assert "learning_rate" in {key["key"] for key in found["ignored"]}
    assert [key["key"] for key in found["not_modelled"]] == ["lora_mlp_kernel"]
    assert [key["key"] for key in found["not_understood"]] == ["lora_drpout"]
    assert found["overridden"] == []
    assert any("lora_mlp_kernel" in text for text in said["not_modelled"])
    assert any(
        "lora_drpout is not understood; did you mean lora_dropout?" in text for text in said["warnings"]
    )


def test_every_format_says_what_the_numbers_lack(run, config):
    for form in ("table", "md", "csv", "json"):
        _, out, _ = run("plan", "--config", config, *GPU, "--format", form)
        flat = " ".join(out.split())
        assert "fused LoRA kernels" in flat, form
        assert "lora_drpout" in flat, form
        assert "lora_dropout" in flat, form
    _, out, _ = run("plan", "--config", config, *GPU, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    fates = {row["name"]: row["section"] for row in rows if row["section"].startswith("config: ")}
    assert fates["lora_r"] == "config: used"
    assert fates["weight_decay"] == "config: default"
    assert fates["learning_rate"] == "config: ignored"
    assert fates["lora_drpout"] == "config: not understood"


def test_the_table_says_where_each_setting_comes_from(run, config):
    _, out, _ = run("plan", "--config", config, *GPU, "--r", "16")
    recipe = out[out.index("\nRecipe\n") : out.index("\nRead from ")]
    lines = {line.split()[0]: line for line in recipe.splitlines() if line and not line.startswith(" ")}
    assert {"file", "axolotl's", "default"} <= lines.keys()
    flat = " ".join(recipe.split())
    assert "file method lora, alpha 8" in flat
    assert "changed by flags r" in " ".join(out.split())


def test_flags_win_and_are_said(run, config):
    _, out, _ = run("plan", "--config", config, *GPU, "--r", "16", "--precision", "bf16", "--json")
    said = json.loads(out)
    assert (said["recipe"]["r"], said["recipe"]["precision"], said["recipe"]["load_dtype"]) == (
        16,
        "bf16",
        None,
    )
    assert sorted(said["config"]["overridden"]) == ["load_dtype", "precision", "r"]


def test_an_argument_wins_over_the_files_model_and_it_is_said(run, tmp_path, tiny):
    file = tmp_path / "other.yml"
    file.write_text(AXOLOTL.format(model="org/another"))
    _, out, _ = run("plan", tiny, "--config", file, *GPU, "--json")
    said = json.loads(out)
    assert said["model"]["id"] == str(tiny)
    assert any("names the model org/another; planned is" in text for text in said["warnings"])


def test_the_printed_recipe_gives_the_same_answer(run, config, tiny, tmp_path):
    code, toml, _ = run("plan", "--config", config, "--r", "8", "--print-recipe")
    assert code == 0
    assert tomllib.loads(toml)["r"] == 8
    comments = [line for line in toml.splitlines() if line.startswith("# ")]
    assert f"# Read from {config} as axolotl 0.19.0." in comments
    assert f"# MODEL is {tiny}." in comments
    assert any("fused LoRA kernels" in line for line in comments)
    written = tmp_path / "recipe.toml"
    written.write_text(toml)
    _, direct, _ = run("plan", "--config", config, "--r", "8", *GPU, "--json")
    for flag in ("--recipe", "--config"):
        _, again, _ = run("plan", tiny, flag, written, *GPU, "--json")
        for part in ("peak", "breakdown_by_component", "resting", "recipe", "fits"):
            assert json.loads(again)[part] == json.loads(direct)[part]


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--config", "{config}", "--recipe", "{config}"), "--config and --recipe both give a whole recipe"),
        (("--config-kind", "axolotl"), "--config-kind needs --config"),
        (("--config", "absent.yml"), "absent.yml cannot be read: No such file"),
        (("--config", "{tiny}"), "Is a directory"),
        (("--config", "{config}", "--config-kind", "trl"), "Which model? MODEL is missing"),
    ],
)
def test_refused_in_a_sentence(run, config, tiny, flags, words):
    code, out, err = run("plan", *(flag.format(config=config, tiny=tiny) for flag in flags))
    assert (code, out) == (2, "")
    assert words in " ".join(err.split())


def test_a_file_without_a_model_needs_one(run, tmp_path):
    file = tmp_path / "arguments.json"
    file.write_text('{"output_dir": "out", "per_device_train_batch_size": 1}')
    code, _, err = run("plan", "--config", file)
    assert code == 2
    assert "MODEL is missing" in err


def test_weights_stored_otherwise_than_assumed_are_said(run, tmp_path, tiny):
    (tiny / "config.json").write_text(json.dumps({**TINY_LLAMA, "dtype": "float32"}))
    file = tmp_path / "arguments.json"
    file.write_text('{"output_dir": "out", "per_device_train_batch_size": 1, "bf16": true}')
    _, out, _ = run("plan", tiny, "--config", file, "--seq-len", "16", *GPU, "--json")
    assert any("stored in float32" in text for text in json.loads(out)["warnings"])
    _, out, _ = run("plan", tiny, "--config", file, "--seq-len", "16", "--load-dtype", "fp32", *GPU, "--json")
    assert not any("stored in float32" in text for text in json.loads(out)["warnings"])


@pytest.mark.slow
def test_profile_takes_it_as_well(run, config):
    code, out, _ = run(
        "profile", "--config", config, "--device", "cpu", "--steps", "1", "--warmup", "0", "--no-progress", "--json"
    )  # fmt: skip
    assert code == 0
    said = json.loads(out)
    assert (said["recipe"]["r"], said["recipe"]["seq_len"]) == (4, 32)
    assert any("lora_mlp_kernel" in text for text in said["not_modelled"])
    assert any("lora_drpout" in text for text in said["notes"])


@pytest.mark.parametrize("command", ["plan", "compare", "profile"])
def test_an_optimizer_that_only_the_trainer_knows_is_refused(run, config, command):
    config.write_text(config.read_text().replace("adamw_torch", "came_pytorch"))
    code, out, err = run(command, "--config", config, "--no-progress")
    assert (code, out) == (2, "")
    assert "optimizer came_pytorch: transformers has no optimizer of this name" in err
    assert "--optimizer X" in err


def test_a_flag_takes_its_place_and_the_warnings_say_so(run, config):
    config.write_text(config.read_text().replace("adamw_torch", "came_pytorch"))
    code, out, _ = run("plan", "--config", config, "--optimizer", "sgd", *GPU, "--json")
    said = json.loads(out)
    assert (code, said["recipe"]["optimizer"]) == (0, "sgd")
    assert any("leave out optimizer" in text or ", optimizer" in text for text in said["warnings"])
    code, _, _ = run("compare", "--config", config, "--methods", "lora", "--precisions", "bf16",
                     "--optimizers", "sgd,adamw_torch", *GPU)  # fmt: skip
    assert code == 0
