"""The questions of `anatomy show`, in every format."""

import csv
import io
import json

import pytest


@pytest.mark.parametrize("format_", ["table", "md", "csv", "json"])
def test_formats(run, tiny_llama, format_):
    code, out, err = run("show", tiny_llama, "--formats", "--format", format_)
    assert (code, err) == (0, "")
    if format_ == "json":
        data = json.loads(out)
        sizes = {row["name"]: row for row in data["formats"]}
        assert sizes["fp32"]["bytes"] == 4 * data["parameters"]["total"]
        assert data["tree"]  # what `show` says stands beside
    elif format_ == "csv":
        rows = {row["format"]: row for row in csv.DictReader(io.StringIO(out))}
        assert int(rows["bf16"]["bytes"]) * 2 == int(rows["fp32"]["bytes"])
        assert float(rows["gguf F16"]["bits_per_weight"]) > 16  # norms stay in 32 bits
    else:
        assert "Formats" in out
        assert "gguf Q4_K_M" in out
        assert "Modules" not in out


@pytest.mark.parametrize("format_", ["table", "md", "csv", "json"])
def test_kv_cache(run, tiny_llama, format_):
    """Two layers, two heads of 16: 2 x 2 x 2 x 16 numbers a token."""
    args = ("--kv-cache", "--context", "64", "--batch", "3", "--format", format_)
    code, out, err = run("show", tiny_llama, *args)
    assert (code, err) == (0, "")
    if format_ == "json":
        cache = json.loads(out)["kv_cache"]
        assert cache["token_bytes"] == 2 * 128
        assert cache["bytes"] == 3 * 64 * 256
        assert {row["cache_dtype"] for row in cache["by_dtype"]} == {"fp32", "bf16", "fp8", "int8", "int4"}
        assert all(gpu["fits"] for gpu in cache["gpus"])
    elif format_ == "csv":
        rows = {row["cache_dtype"]: row for row in csv.DictReader(io.StringIO(out))}
        assert int(rows["fp32"]["bytes"]) == 3 * 64 * 512
    else:
        assert "Weights and cache on GPUs" in out


def test_the_cache_stands_beside_16_bits_of_a_checkpoint_that_takes_less(run, tiny_llama, tmp_path):
    config = json.loads((tiny_llama / "config.json").read_text(encoding="utf-8"))
    folder = tmp_path / "published_in_fp8"
    folder.mkdir()
    quantized = {**config, "quantization_config": {"quant_method": "fp8"}}
    (folder / "config.json").write_text(json.dumps(quantized), encoding="utf-8")
    code, out, _ = run("show", folder, "--kv-cache")
    assert code == 0
    assert "(in 16 bits; the checkpoint, in fp8, takes less)" in out


def test_formats_and_cache_together(run, tiny_llama):
    code, out, _ = run("show", tiny_llama, "--formats", "--kv-cache", "--json")
    assert code == 0
    assert {"formats", "kv_cache", "tree"} <= json.loads(out).keys()


def test_an_option_without_its_question_is_refused(run, tiny_llama):
    code, out, err = run("show", tiny_llama, "--context", "64")
    assert (code, out) == (2, "")
    assert "--context belongs to --kv-cache" in err


def test_an_unknown_format_of_a_cache_is_refused(run, tiny_llama):
    code, _, err = run("show", tiny_llama, "--kv-cache", "--cache-dtype", "fp3")
    assert code == 2
    assert "fp3" in err
    assert "int4" in err


@pytest.mark.parametrize(("name", "real"), [("float32", "fp32"), ("bfloat16", "bf16")])
def test_states_take_the_model_s_format(run, tmp_path, name, real):
    """Of Mamba: convolutions' in the model's, the others in fp32 whatever that is; beside a cache that is really filled."""
    import torch
    from transformers import MambaConfig, MambaForCausalLM

    config = MambaConfig(vocab_size=64, hidden_size=32, num_hidden_layers=2, state_size=4)
    config.architectures = ["MambaForCausalLM"]
    config.save_pretrained(tmp_path)
    model = MambaForCausalLM(config).to(getattr(torch, name)).eval()
    with torch.no_grad():
        layers = model(torch.ones((1, 8), dtype=torch.long), use_cache=True).cache_params.layers
    states = [
        s for one in layers for n in ("conv_states", "recurrent_states") for s in getattr(one, n).values()
    ]
    code, out, _ = run("show", tmp_path, "--kv-cache", "--cache-dtype", real, "--json")
    answer = json.loads(out)["kv_cache"]
    rows = {row["cache_dtype"]: row["bytes"] for row in answer["by_dtype"]}
    held = sum(state.numel() * state.element_size() for state in states)
    assert (code, rows[real], answer["state_bytes"], answer["bytes"]) == (0, held, held, held)


@pytest.fixture
def deeper(tiny_llama, tmp_path):
    """The tiny model with a third layer."""
    config = json.loads((tiny_llama / "config.json").read_text())
    folder = tmp_path / "deeper"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 3}))
    return folder


@pytest.mark.parametrize("format_", ["table", "md", "csv", "json"])
def test_diff(run, tiny_llama, deeper, format_):
    code, out, err = run("show", tiny_llama, deeper, "--diff", "--format", format_)
    assert (code, err) == (0, "")
    layer = 2 * 64 * 64 + 2 * 64 * 32 + 3 * 64 * 128 + 2 * 64
    if format_ == "json":
        data = json.loads(out)
        assert data["right"]["parameters"] - data["left"]["parameters"] == layer
        assert sum(row["parameters"] for row in data["tensors"]) == layer
    elif format_ == "csv":
        rows = list(csv.DictReader(io.StringIO(out)))
        assert sum(int(row["difference"]) for row in rows if row["component"] != "total") == layer
    else:
        assert f"+{layer:,}" in out
        assert "layers" in out


def test_what_one_config_leaves_to_its_class_is_explained(run, tiny_llama, deeper):
    config = json.loads((deeper / "config.json").read_text(encoding="utf-8"))
    _, out, _ = run("show", tiny_llama, deeper, "--diff")
    assert "class's default" not in out  # both say everything that differs
    (deeper / "config.json").write_text(json.dumps({**config, "rope_theta": 20000.0}), encoding="utf-8")
    _, out, _ = run("show", tiny_llama, deeper, "--diff")
    assert "where the config does not say it: its class's default holds" in " ".join(out.split())


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--diff"], "compares two models"),
        (["OTHER"], "belongs to --diff"),
        (["OTHER", "--diff", "--formats"], "goes alone"),
    ],
)
def test_diff_takes_two_models_and_nothing_else(run, tiny_llama, deeper, args, said):
    code, out, err = run("show", tiny_llama, *(deeper if arg == "OTHER" else arg for arg in args))
    assert (code, out) == (2, "")
    assert said in err


@pytest.mark.parametrize("format_", ["table", "md", "csv", "json"])
def test_filter_and_sort(run, tiny_llama, format_):
    code, out, err = run(
        "show", tiny_llama, "--filter", "*.layers.1.mlp.*", "--sort", "name", "--format", format_
    )
    assert (code, err) == (0, "")
    names = [f"model.layers.1.mlp.{name}_proj.weight" for name in ("down", "gate", "up")]
    if format_ == "json":
        entries = json.loads(out)["entries"]
        assert [entry["path"] for entry in entries] == names
        assert entries[0]["shape"] == [64, 128]
    elif format_ == "csv":
        assert [row["path"] for row in csv.DictReader(io.StringIO(out))] == names
    else:
        assert all(name in out for name in names)
        assert "64 x 128" in out


def test_a_module_s_class_has_a_column_of_its_own(run, tiny_llama):
    code, out, _ = run("show", tiny_llama, "--filter", "*.layers.1.mlp*", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert (code, rows[0]["class"], rows[0]["shape"]) == (0, "LlamaMLP", "")
    assert {(row["class"], row["shape"]) for row in rows[1:]} == {("", "(128, 64)"), ("", "(64, 128)")}


@pytest.fixture
def with_tokenizer(tiny_llama):
    vocabulary = {f"token {number}": number for number in range(250)}
    added = [{"id": 249, "content": "token 249", "special": True}]
    data = {"added_tokens": added, "model": {"type": "BPE", "vocab": vocabulary, "merges": []}}
    (tiny_llama / "tokenizer.json").write_text(json.dumps(data))
    return tiny_llama


@pytest.mark.parametrize("format_", ["table", "md", "csv", "json"])
def test_tokenizer(run, with_tokenizer, format_):
    """250 tokens of 256 rows: eight more need two rows of 64 in embedding and head."""
    code, out, err = run("show", with_tokenizer, "--tokenizer", "--add-tokens", "8", "--format", format_)
    assert (code, err) == (0, "")
    if format_ == "json":
        found = json.loads(out)["tokenizer"]
        assert (found["size"], found["rows_beyond"], found["added_parameters"]) == (250, 6, 2 * 2 * 64)
        assert found["special_tokens"] == ["token 249"]
    else:
        assert "250 tokens" in out
        assert "256 parameters" in out


def test_a_tokenizer_in_the_folder_is_shown_with_the_model(run, with_tokenizer):
    _, out, _ = run("show", with_tokenizer)
    assert "Modules" in out
    assert "250 tokens, ids up to 249" in out
    _, out, _ = run("show", with_tokenizer, "--json")
    assert json.loads(out)["tokenizer"]["highest_id"] == 249


def test_without_files_there_is_no_tokenizer(run, tiny_llama):
    code, out, err = run("show", tiny_llama, "--tokenizer")
    assert code != 0
    assert "no tokenizer's files" in err
    _, out, _ = run("show", tiny_llama, "--json")
    assert "tokenizer" not in json.loads(out)


def test_more_tokens_belong_to_the_tokenizer(run, tiny_llama):
    code, _, err = run("show", tiny_llama, "--add-tokens", "3")
    assert code == 2
    assert "--add-tokens belongs to --tokenizer" in err


def test_a_broken_tokenizer_keeps_no_model_from_being_shown(run, tiny_llama):
    (tiny_llama / "tokenizer.json").write_text('{"model": ')
    code, out, err = run("show", tiny_llama)
    assert (code, err) == (0, "")
    assert "could not be read" in out
    code, out, _ = run("show", tiny_llama, "--json")
    assert any("tokenizer" in note for note in json.loads(out)["notes"])
    code, _, err = run("show", tiny_llama, "--tokenizer")
    assert code != 0
    assert "tokenizer.json" in err


def test_a_sound_is_heard_as_the_checkpoints_extractor_makes_it(run, tmp_path):
    """Speech2Text with 40 mel bins instead of 80: 30 s are 3,000 frames, of which two convolutions leave a quarter."""
    config = {
        "model_type": "speech_to_text", "architectures": ["Speech2TextForConditionalGeneration"], "vocab_size": 64,
        "d_model": 32, "encoder_layers": 1, "decoder_layers": 2, "encoder_attention_heads": 4,
        "decoder_attention_heads": 4, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32, "input_feat_per_channel": 40,
        "conv_channels": 16, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 1,
    }  # fmt: skip
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    settings = {
        "feature_extractor_type": "Speech2TextFeatureExtractor",
        "feature_size": 40,
        "num_mel_bins": 40,
    }
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(settings), encoding="utf-8")
    code, out, err = run("show", tmp_path, "--kv-cache", "--context", "10", "--json")
    assert (code, err) == (0, "")
    cache = json.loads(out)["kv_cache"]
    assert cache["encoder_tokens"] == 750
    assert cache["bytes"] == 2 * (2 * 2 * 32) * (10 + 750)
