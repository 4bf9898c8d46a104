"""Questions that headers answer alone: no class is built for them."""

import json

import pytest
from test_import_hygiene import heavy_imports
from tiny_models import TINY_LLAMA, TINY_LLAMA_PARAMETERS

from anatomy import api
from anatomy.documents.show.diff import diff_document
from anatomy.render import render
from anatomy.render.style import Style

LAYER = {
    "self_attn.q_proj": [64, 64], "self_attn.k_proj": [32, 64], "self_attn.v_proj": [32, 64],
    "self_attn.o_proj": [64, 64], "mlp.gate_proj": [128, 64], "mlp.up_proj": [128, 64],
    "mlp.down_proj": [64, 128], "input_layernorm": [64], "post_attention_layernorm": [64],
}  # fmt: skip


def safetensors(shapes):
    header, at = {}, 0
    for name, shape in shapes.items():
        size = 2
        for length in shape:
            size *= length
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + bytes(at)


@pytest.fixture
def llama(tmp_path):
    """(name, layers) -> a folder with config and headers that agree."""

    def make(name, layers=2):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps({**TINY_LLAMA, "num_hidden_layers": layers}))
        shapes = {
            "lm_head.weight": [256, 64],
            "model.embed_tokens.weight": [256, 64],
            "model.norm.weight": [64],
            **{f"model.layers.{n}.{m}.weight": shape for n in range(layers) for m, shape in LAYER.items()},
        }
        (folder / "model.safetensors").write_bytes(safetensors(shapes))
        return folder

    return make


@pytest.fixture
def adapter(tmp_path, llama):
    folder = tmp_path / "adapter"
    folder.mkdir()
    settings = {"peft_type": "LORA", "r": 4, "base_model_name_or_path": str(llama("base"))}
    (folder / "adapter_config.json").write_text(json.dumps(settings))
    module = "base_model.model.model.layers.0.self_attn.k_proj"
    shapes = {f"{module}.lora_A.weight": [4, 64], f"{module}.lora_B.weight": [32, 4]}
    (folder / "adapter_model.safetensors").write_bytes(safetensors(shapes))
    return folder


def test_two_plain_models_differ_without_torch(llama):
    loaded, code, out = heavy_imports("show", str(llama("two")), str(llama("three", 3)), "--diff", "--json")
    data = json.loads(out)
    layer = 2 * 64 * 64 + 2 * 64 * 32 + 3 * 64 * 128 + 2 * 64
    assert (loaded, code) == (set(), 0)
    assert data["right"]["parameters"] - data["left"]["parameters"] == layer
    assert sum(row["parameters"] for row in data["tensors"]) == layer


def test_an_adapter_stands_on_its_base_without_torch(adapter):
    loaded, code, out = heavy_imports("show", str(adapter), "--json")
    found = json.loads(out)["adapter"]
    assert (loaded, code) == (set(), 0)
    assert found["base_parameters"] == TINY_LLAMA_PARAMETERS
    assert found["placed"] == {"fitting": 1, "of": 1}


def test_headers_and_classes_see_the_same_difference(llama):
    sides = str(llama("two")), str(llama("three", 3))
    by_headers, built = api.diff(*sides), api.diff(*sides, build=True)
    assert "headers" in by_headers.left.notes[-1]
    assert not built.left.notes
    assert {change.name: change for change in by_headers.components} == {
        change.name: change for change in built.components
    }
    assert by_headers.facts == built.facts
    assert sorted(map(repr, by_headers.tensors)) == sorted(map(repr, built.tensors))


def test_one_plain_model_alone_is_built_too(llama, tiny_llama):
    found = api.diff(str(llama("two")), str(tiny_llama))
    assert not any("headers" in note and "not built" in note for note in found.left.notes)
    assert found.left.tree.kind == found.right.tree.kind == "LlamaForCausalLM"


@pytest.mark.parametrize("width", [80, 100, 120])
def test_the_tensors_that_differ_have_room(llama, tiny_llama, width):
    config = {**TINY_LLAMA, "model_type": "qwen3", "architectures": ["Qwen3ForCausalLM"], "hidden_size": 96}
    (tiny_llama / "config.json").write_text(json.dumps(config))
    document = diff_document(api.diff(str(llama("two")), str(tiny_llama)))
    text = render(document, "table", Style(width=width))
    lines = text.partition("Tensors")[2].partition("\n\n")[0].splitlines()
    assert len(lines) > 5
    assert max(map(len, lines)) <= width
