"""The same tree from names and shapes alone."""

import subprocess
import sys

import pytest

from anatomy.architecture.anatomy import anatomy_from
from anatomy.architecture.skeleton import build_skeleton
from anatomy.errors import ArchitectureError

TINY = {"hidden_size": 64, "intermediate_size": 112, "num_hidden_layers": 2, "vocab_size": 96}
HEADS = {"num_attention_heads": 4, "num_key_value_heads": 2}


@pytest.mark.parametrize(
    "config",
    [
        {"model_type": "llama", **TINY, **HEADS},
        {"model_type": "gpt2", "n_layer": 2},
        {"model_type": "phi3", **TINY, **HEADS, "pad_token_id": 0},
        {"model_type": "bert", "num_hidden_layers": 2, "architectures": ["BertForMaskedLM"]},
        {"model_type": "falcon", "num_hidden_layers": 2},
        {"model_type": "mamba", "num_hidden_layers": 2},
        {"model_type": "t5", "num_layers": 2},
        {"model_type": "mixtral", "num_hidden_layers": 1},
        {"model_type": "modernbert", "num_hidden_layers": 2},
    ],
    ids=lambda config: config["model_type"],
)
def test_headers_give_the_components_of_the_built_model(config, blueprint_of):
    model = build_skeleton(blueprint_of(config)).model
    tensors = [(name, tuple(parameter.shape)) for name, parameter in model.named_parameters()]
    built = anatomy_from(blueprint_of(config))
    counted = anatomy_from(blueprint_of(tensors=tensors))
    assert counted.by_component == built.by_component
    assert counted.architecture is None
    assert counted.unclassified == ()


def internlm2(layers=2, width=64, inner=160, kv=16, vocabulary=100):
    """Names of a published architecture that transformers has no class for (InternLM 2, arXiv 2403.17297)."""
    yield "model.tok_embeddings.weight", (vocabulary, width)
    for layer in range(layers):
        stem = f"model.layers.{layer}"
        yield f"{stem}.attention.wqkv.weight", (width + 2 * kv, width)
        yield f"{stem}.attention.wo.weight", (width, width)
        yield f"{stem}.feed_forward.w1.weight", (inner, width)
        yield f"{stem}.feed_forward.w3.weight", (inner, width)
        yield f"{stem}.feed_forward.w2.weight", (width, inner)
        yield f"{stem}.attention_norm.weight", (width,)
        yield f"{stem}.ffn_norm.weight", (width,)
    yield "model.norm.weight", (width,)
    yield "output.weight", (vocabulary, width)


def test_published_total_of_an_architecture_without_a_class(blueprint_of):
    """InternLM2.5-7B-chat: 7,737,708,544 (safetensors.total of its page at huggingface.co)."""
    tensors = internlm2(layers=32, width=4096, inner=14336, kv=1024, vocabulary=92544)
    anatomy = anatomy_from(blueprint_of({"model_type": "internlm2", "hidden_size": 4096}, tensors))
    assert anatomy.total == 7_737_708_544
    assert "no model type 'internlm2'" in anatomy.notes[0]
    assert anatomy.by_component["attention.key"] == 32 * 1024 * 4096


def test_facts_that_shapes_state(blueprint_of):
    facts = anatomy_from(blueprint_of(tensors=internlm2())).facts
    assert (facts.layers, facts.hidden_size, facts.vocabulary, facts.ffn_width) == (2, 64, 100, 160)
    assert facts.heads is None


def test_unfused_experts(blueprint_of):
    tensors = [
        ("model.layers.0.mlp.gate.weight", (4, 8)),
        ("model.layers.0.mlp.shared_expert.up_proj.weight", (6, 8)),
    ]
    tensors += [(f"model.layers.0.mlp.experts.{e}.up_proj.weight", (6, 8)) for e in range(4)]
    anatomy = anatomy_from(blueprint_of(tensors=tensors))
    assert anatomy.by_component == {"router": 32, "experts.routed": 192, "experts.shared": 48}
    assert anatomy.facts.experts == 4


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("method", ["gptq", "awq"])
def test_group_quantized_weights_unpack(method, bits, blueprint_of):
    """GPTQ packs 32-bit words along the inputs, AWQ along the outputs."""
    inputs, outputs, group = 256, 512, 128
    packed = (inputs * bits // 32, outputs) if method == "gptq" else (inputs, outputs * bits // 32)
    stem = "model.layers.0.self_attn.q_proj"
    tensors = [
        (f"{stem}.qweight", packed, "I32"),
        (f"{stem}.qzeros", (inputs // group, outputs * bits // 32), "I32"),
        (f"{stem}.scales", (inputs // group, outputs), "F16"),
        (f"{stem}.g_idx", (inputs,), "I32"),
    ]
    anatomy = anatomy_from(blueprint_of(tensors=tensors))
    assert anatomy.by_component == {"attention.query": inputs * outputs}
    assert anatomy.total + sum(n for _, n in anatomy.stored.difference) == anatomy.stored.elements


def test_mxfp4_experts_unpack(blueprint_of):
    stem = "model.layers.0.mlp.experts.down_proj"
    tensors = [(f"{stem}_blocks", (4, 64, 3, 16), "U8"), (f"{stem}_scales", (4, 64, 3), "U8")]
    assert anatomy_from(blueprint_of(tensors=tensors)).by_component == {"experts.routed": 4 * 64 * 3 * 32}


def test_packing_that_is_not_known_is_said(blueprint_of):
    anatomy = anatomy_from(
        blueprint_of(tensors=[("model.layers.0.mlp.up_proj.weight_packed", (8, 8), "I32")])
    )
    assert any("counted as stored" in note for note in anatomy.notes)


def test_nothing_to_count(blueprint_of):
    with pytest.raises(ArchitectureError) as caught:
        anatomy_from(blueprint_of())
    assert "nothing to count" in caught.value.message


def test_neither_torch_nor_transformers():
    code = (
        "import sys\n"
        "from anatomy.blueprint import Blueprint, Origin, TensorHeader\n"
        "from anatomy.architecture.anatomy import anatomy_from\n"
        "head = TensorHeader(name='lm_head.weight', dtype='BF16', shape=(4, 2))\n"
        "made = anatomy_from(Blueprint(id='x', origin=Origin(kind='file', location='x'), tensors=(head,)))\n"
        "made.to_dict()\n"
        "print(made.total, sorted({'torch', 'transformers'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "8 []"
