"""Decoders counted from headers and config alone, beside the classes that transformers builds for them."""

import json
import math
import subprocess
import sys

import pytest

from anatomy.architecture.anatomy import anatomy_from
from anatomy.architecture.plain import count_plain
from anatomy.architecture.plain_shapes import DECODERS as ROWS
from anatomy.architecture.skeleton import build_skeleton

SIZES = {
    "hidden_size": 64,
    "intermediate_size": 160,
    "num_hidden_layers": 12,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 256,
    "max_position_embeddings": 128,
    "pad_token_id": 0,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
}
LLAMA = {**SIZES, "model_type": "llama", "architectures": ["LlamaForCausalLM"]}
DECODERS = {
    "llama": LLAMA,
    "llama with biases": {**LLAMA, "attention_bias": True, "mlp_bias": True},
    "llama with wide heads": {**LLAMA, "head_dim": 32},
    "mistral": {**SIZES, "model_type": "mistral", "architectures": ["MistralForCausalLM"]},
    "qwen2, biases": {**SIZES, "model_type": "qwen2", "architectures": ["Qwen2ForCausalLM"]},
    "qwen3, norms of heads": {
        **SIZES, "model_type": "qwen3", "architectures": ["Qwen3ForCausalLM"], "head_dim": 16
    },
    "olmo2, other norms": {**SIZES, "model_type": "olmo2", "architectures": ["Olmo2ForCausalLM"]},
    "gpt-neox, fused and no gate": {
        **SIZES, "model_type": "gpt_neox", "architectures": ["GPTNeoXForCausalLM"], "num_key_value_heads": None
    },
    "phi, bias of the head": {**SIZES, "model_type": "phi", "architectures": ["PhiForCausalLM"]},
}  # fmt: skip


def stored(blueprint_of, config):
    """What transformers would save, ordered by name as files are."""
    model = build_skeleton(blueprint_of(config)).model
    return sorted((name, tuple(tensor.shape)) for name, tensor in model.state_dict().items())


def plain(node):
    """A node without what only the class knows: its name, modules without parameters, the order of siblings."""
    inner = [plain(child) for child in node["children"] if child["parameters"]]
    return (node["path"], node["component"], node["parameters"], sorted(inner))


@pytest.mark.parametrize("name", DECODERS)
def test_the_class_would_say_the_same(name, blueprint_of):
    config = {key: value for key, value in DECODERS[name].items() if value is not None}
    blueprint = blueprint_of(config, stored(blueprint_of, config))
    counted = count_plain(blueprint)
    assert counted is not None
    ours, built = counted.to_dict(), anatomy_from(blueprint).to_dict()
    assert plain(ours.pop("tree")) == plain(built.pop("tree"))
    assert ours.pop("notes")[:-1] == built.pop("notes")
    assert ours == built
    assert "--build" in counted.notes[-1]


def agrees(blueprint):
    """Whether headers alone and the class hold the same parameters; None where headers alone do not do."""
    counted = count_plain(blueprint)
    if counted is None:
        return None
    built = anatomy_from(blueprint)
    return counted.by_component == built.by_component and not built.stored.difference


@pytest.mark.parametrize("model_type", ROWS)
def test_every_row_is_its_class(model_type, blueprint_of):
    """With the defaults, and with every bias there may be or not."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES as classes

    row = ROWS[model_type]
    plainest = {**SIZES, "num_hidden_layers": 2, "num_key_value_heads": 4, "head_dim": 16, **row.only}
    plainest |= {"model_type": model_type, "architectures": [classes[model_type]]}
    for changed in ({}, *({key: not default} for key, (default, _) in row.switched.items())):
        config = {**plainest, **changed}
        assert agrees(blueprint_of(config, stored(blueprint_of, config))) is True, changed


@pytest.mark.parametrize("omitted", ["num_key_value_heads", "head_dim"])
@pytest.mark.parametrize("model_type", ROWS)
def test_what_a_config_omits_is_never_taken_to_be_otherwise_than_by_its_class(
    model_type, omitted, blueprint_of
):
    """Where the class's default does not follow from the other numbers, the class is built."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES as classes

    config = {
        **SIZES,
        "num_hidden_layers": 2,
        "num_key_value_heads": 4,
        "head_dim": 16,
        **ROWS[model_type].only,
    }
    config |= {"model_type": model_type, "architectures": [classes[model_type]]}
    without_it = {key: value for key, value in config.items() if key != omitted}
    assert agrees(blueprint_of(without_it, stored(blueprint_of, config))) in (None, True)


def test_layers_come_by_number(blueprint_of):
    counted = count_plain(blueprint_of(LLAMA, stored(blueprint_of, LLAMA)))
    assert counted is not None
    model, head = counted.tree.children
    embedding, layers, norm = model.children
    assert [embedding.name, norm.name, head.name] == ["embed_tokens", "norm", "lm_head"]
    assert [layer.name for layer in layers.children] == [str(number) for number in range(12)]
    assert [child.name for child in layers.children[0].children][:2] == ["self_attn", "mlp"]


@pytest.mark.parametrize(
    "changed",
    [
        {"tie_word_embeddings": True},
        {"tie_word_embeddings": None},
        {"architectures": ["LlamaModel"]},
        {"architectures": None},
        {"auto_map": {"AutoModelForCausalLM": "modeling.Model"}},
        {"quantization_config": {"quant_method": "fp8"}},
        {"vision_config": {"hidden_size": 8}},
        {"num_nextn_predict_layers": 1},
        {"num_hidden_layers": 11},
        {"num_hidden_layers": None},
        {"hidden_size": 128},
        {"intermediate_size": 161},
        {"num_key_value_heads": 4},
        {"head_dim": 8},
        {"vocab_size": 255},
        {"n_routed_experts": 8},
        {"attention_bias": True},
        {"mlp_bias": True},
        {"model_type": "mistral"},
        {"model_type": "qwen2"},
    ],
    ids=lambda changed: "-".join(map(str, changed)),
)
def test_a_config_that_says_otherwise_is_left_to_the_class(changed, blueprint_of):
    config = {key: value for key, value in {**LLAMA, **changed}.items() if value is not None}
    assert count_plain(blueprint_of(config, stored(blueprint_of, LLAMA))) is None


def inside(name, shape):
    """A parameter of every layer."""
    return [(f"model.layers.{number}.{name}", shape) for number in range(12)]


def without(tensors, ending):
    return [tensor for tensor in tensors if not tensor[0].endswith(ending)]


@pytest.mark.parametrize(
    "change",
    {
        "no head": lambda own: without(own, "lm_head.weight"),
        "no embedding": lambda own: without(own, "embed_tokens.weight"),
        "a layer without its gate": lambda own: without(own, "7.mlp.gate_proj.weight"),
        "all without up": lambda own: without(own, "up_proj.weight"),
        "a head of another size": lambda own: [*without(own, "lm_head.weight"), ("lm_head.weight", (300, 64))],
        "one layer's other norm": lambda own: [*without(own, "3.input_layernorm.weight"),
                                               ("model.layers.3.input_layernorm.weight", (65,))],
        "a stored buffer": lambda own: [*own, ("model.layers.0.self_attn.rotary_emb.inv_freq", (8,))],
        "scales": lambda own: [*own, ("model.layers.0.mlp.up_proj.weight_scale", (1,))],
        "packed": lambda own: [*without(own, "lm_head.weight"), ("lm_head.weight", (256, 64), "I8")],
        "a tower": lambda own: [*own, ("vision_tower.patch.weight", (64, 64))],
        "something unknown": lambda own: [*own, ("model.flux.weight", (3, 3, 3))],
        "no final norm": lambda own: without(own, "model.norm.weight"),
        "no norms after attention": lambda own: without(own, "post_attention_layernorm.weight"),
        "a bias of the final norm": lambda own: [*own, ("model.norm.bias", (64,))],
        "biases of queries": lambda own: [*own, *inside("self_attn.q_proj.bias", (64,))],
        "norms of heads": lambda own: [*own, *inside("self_attn.q_norm.weight", (16,))],
        "a second final norm": lambda own: [*own, ("model.last.norm.weight", (64,))],
        "norms of another width": lambda own: [*without(own, "input_layernorm.weight"),
                                               *inside("input_layernorm.weight", (63,))],
        "all without gates": lambda own: without(own, "gate_proj.weight"),
        "transposed": lambda own: [*without(own, "up_proj.weight"), *inside("mlp.up_proj.weight", (64, 160))],
        "one table more": lambda own: [*own, ("model.extra.embed_tokens.weight", (256, 64))],
    }.items(),
    ids=lambda change: change[0],
)  # fmt: skip
def test_a_checkpoint_that_departs_is_left_to_the_class(change, blueprint_of):
    own = stored(blueprint_of, LLAMA)
    assert count_plain(blueprint_of(LLAMA, own)) is not None
    assert count_plain(blueprint_of(LLAMA, change[1](own))) is None


def test_neither_half_is_enough(blueprint_of):
    assert count_plain(blueprint_of(LLAMA)) is None
    assert count_plain(blueprint_of(None, stored(blueprint_of, LLAMA))) is None


def test_it_needs_no_torch(blueprint_of):
    tensors = stored(blueprint_of, LLAMA)
    script = (
        "import json, sys\n"
        "from anatomy.architecture.plain import count_plain\n"
        "from anatomy.blueprint import Blueprint, Origin, TensorHeader\n"
        "config, tensors = json.load(sys.stdin)\n"
        "heads = tuple(TensorHeader(name=n, shape=tuple(s), dtype='BF16') for n, s in tensors)\n"
        "origin = Origin(kind='hub', location='x')\n"
        "made = count_plain(Blueprint(id='x', origin=origin, config=config, tensors=heads))\n"
        "print(made.total, 'torch' in sys.modules, 'transformers' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        input=json.dumps([LLAMA, tensors]),
        capture_output=True,
        text=True,
        check=True,
    )
    total = sum(math.prod(shape) for _, shape in tensors)
    assert done.stdout.split() == [str(total), "False", "False"]
