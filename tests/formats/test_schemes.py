"""Sizes of torch formats against published checkpoints and against the libraries' own layers."""

import pytest

from anatomy.architecture.linears import bitsandbytes_linears
from anatomy.documents.document import Notes
from anatomy.documents.show.formats import formats_answer
from anatomy.formats.schemes import torch_sizes
from anatomy.formats.weights import weights_of

TINY = {"vocab_size": 512, "num_hidden_layers": 2, "hidden_size": 128}
LLAMA = {
    **TINY, "model_type": "llama", "architectures": ["LlamaForCausalLM"], "intermediate_size": 256,
    "num_attention_heads": 4, "num_key_value_heads": 2,
}  # fmt: skip
GPT2 = {
    "model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], "n_embd": 128, "n_layer": 2, "n_head": 4,
    "vocab_size": 512, "n_positions": 64,
}  # fmt: skip
MIXTRAL = {
    **LLAMA, "model_type": "mixtral", "architectures": ["MixtralForCausalLM"], "num_local_experts": 4,
}  # fmt: skip


def sizes_of(described, model):
    anatomy, skeleton = described(model)
    return {size.name: size for size in torch_sizes(anatomy, bitsandbytes_linears(skeleton.model))}


@pytest.mark.parametrize(
    ("kind", "published"),
    [
        ("gptq 4-bit", 3.90e9),  # TheBloke/Llama-2-7B-GPTQ, groups of 128
        ("awq 4-bit", 3.89e9),  # TheBloke/Llama-2-7B-AWQ
        ("bf16", 2 * 6_738_415_616),
    ],
)
def test_llama_2_as_published(described, kind, published):
    assert sizes_of(described, "meta-llama/Llama-2-7b-hf")[kind].total_bytes == pytest.approx(
        published, rel=3e-3
    )


def test_gpt_oss_as_published(described):
    """OpenAI's model card gives the checkpoint of the smaller model as 12.8 GiB: experts in MXFP4, the rest in bf16."""
    size = sizes_of(described, "openai/gpt-oss-20b")["mxfp4"]
    assert size.total_bytes / 2**30 == pytest.approx(12.8, abs=0.05)


@pytest.mark.parametrize("config", [LLAMA, GPT2, MIXTRAL])
@pytest.mark.parametrize(("kind", "double"), [("nf4", False), ("nf4 double", True)])
def test_nf4_is_what_bitsandbytes_makes(described, config, kind, double):
    """Every chosen matrix goes through bitsandbytes' own quantizer, on the CPU."""
    torch = pytest.importorskip("torch")
    functional = pytest.importorskip("bitsandbytes").functional
    anatomy, skeleton = described(config)
    linears = bitsandbytes_linears(skeleton.model)
    total = 0
    for weight in weights_of(anatomy):
        if weight.owner in linears and weight.name == "weight":
            dense = torch.zeros(weight.shape, dtype=torch.float16)
            packed, state = functional.quantize_4bit(dense, quant_type="nf4", compress_statistics=double)
            parts = [packed, state.absmax, state.code]
            parts += [state.offset, state.state2.absmax, state.state2.code] if state.nested else []
            total += sum(part.numel() * part.element_size() for part in parts)
        else:
            total += 2 * weight.elements
    assert sizes_of(described, config)[kind].total_bytes == total


def test_bitsandbytes_leaves_what_transformers_leaves(described):
    """The chosen layers are those that transformers replaces; the head and stacked experts are none of them."""
    pytest.importorskip("bitsandbytes")
    from transformers import BitsAndBytesConfig
    from transformers.integrations.bitsandbytes import replace_with_bnb_linear
    from transformers.quantizers.base import get_keys_to_not_convert

    for config in (LLAMA, GPT2, MIXTRAL):
        _, skeleton = described(config, tie_word_embeddings=False)  # a model of its own: it is changed
        chosen = bitsandbytes_linears(skeleton.model)
        kept = get_keys_to_not_convert(skeleton.model)
        replace_with_bnb_linear(
            skeleton.model,
            modules_to_not_convert=kept,
            quantization_config=BitsAndBytesConfig(load_in_4bit=True),
        )
        replaced = {p for p, m in skeleton.model.named_modules() if type(m).__name__ == "Linear4bit"}
        assert chosen == replaced
        assert replaced


def test_experts_stay_where_bitsandbytes_has_no_layer(described):
    anatomy, _ = described(MIXTRAL)
    experts = anatomy.by_component["experts.routed"]
    sizes = sizes_of(described, MIXTRAL)
    assert sizes["nf4"].kept_bytes >= 2 * experts
    assert sizes["gptq 4-bit"].packed_bytes >= experts // 2
    kept = {name: size.kept_experts for name, size in sizes.items() if size.kept_experts}
    assert kept == dict.fromkeys(("int8", "nf4", "nf4 double"), experts)


def test_why_nf4_saves_little_with_stacked_experts(described):
    """Half of gpt-oss-20b in nf4 would be read as a mistake: 91 % of its weights are not quantized, and that is said."""
    anatomy, _ = described("openai/gpt-oss-20b")
    answer = formats_answer(tuple(sizes_of(described, "openai/gpt-oss-20b").values()))
    (notes,) = (block for block in answer.blocks if isinstance(block, Notes))
    assert notes.items[0].startswith("int8, nf4, nf4 double: 9")
    assert "bitsandbytes replaces nn.Linear layers alone" in notes.items[0]
    nf4 = next(row for row in answer.data if row["name"] == "nf4")
    routed = anatomy.by_component["experts.routed"]
    assert 0 < routed - nf4["kept_expert_parameters"] < routed / 1000  # the biases of experts


def test_nothing_is_said_of_experts_where_there_are_none(described):
    sizes = tuple(sizes_of(described, LLAMA).values())
    assert not any(isinstance(block, Notes) for block in formats_answer(sizes).blocks)


def test_fp8_scales_of_deepseek_v3(described):
    """One float32 for each tile: 1 / 4096 of the quantized weights, and a little for tiles that are not full."""
    size = sizes_of(described, "deepseek-ai/DeepSeek-V3")["fp8"]
    assert size.scale_bytes / size.packed_bytes == pytest.approx(4 / 128**2, rel=0.01)
    # The published checkpoint has 688.6e9 bytes with the prediction layer, whose 11.6e9 weights are not held here.
    assert size.total_bytes == pytest.approx(688.6e9 - 15e9, rel=5e-3)
