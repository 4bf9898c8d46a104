"""Checkpoints that are quantized already: which scheme a config names, and the bytes of the layers that it stands for."""

import pytest
import torch
import transformers

from anatomy.training.quantized.stored.linears import AwqLinear, GptqLinear
from anatomy.training.quantized.stored.scheme import METHODS, scheme_of
from anatomy.training.quantized.stored.swap import keep_packed, stored_modules

GPTQ = {"quant_method": "gptq", "bits": 4, "group_size": 128, "desc_act": False, "sym": True}
AWQ = {"quant_method": "awq", "bits": 4, "group_size": 128, "version": "gemm", "zero_point": True}


def llama_2_7b(settings: dict[str, object]) -> torch.nn.Module:
    config = transformers.LlamaConfig(intermediate_size=11008, quantization_config=settings)
    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float16)
    keep_packed(model)
    return model


def stored_bytes(model: torch.nn.Module) -> int:
    return sum(t.nbytes for t in model.state_dict().values())


@pytest.mark.parametrize(
    ("settings", "published"),
    [(GPTQ, 3.90e9), (AWQ, 3.89e9)],  # TheBloke/Llama-2-7B-GPTQ (main) and TheBloke/Llama-2-7B-AWQ
    ids=["gptq", "awq"],
)
def test_bytes_of_published_checkpoints(settings: dict[str, object], published: float) -> None:
    assert stored_bytes(llama_2_7b(settings)) == pytest.approx(published, rel=0.002)


def test_every_layer_of_the_blocks_is_packed_and_the_head_is_not() -> None:
    model = llama_2_7b(GPTQ)
    assert len(stored_modules(model)) == 32 * 7
    assert type(model.lm_head) is torch.nn.Linear


def test_of_a_block_the_layers_that_the_config_lists() -> None:
    model = llama_2_7b(
        {**GPTQ, "modules_in_block_to_quantize": [["self_attn.q_proj", "self_attn.v_proj"], ["mlp.up_proj"]]}
    )
    assert len(stored_modules(model)) == 32 * 3


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_packed_codes_are_the_weights_that_they_stand_for(bits: int) -> None:
    """GPTQ packs 32 / bits codes along the inputs, zero points along the outputs."""
    inputs, outputs, group, each = 64, 32, 16, 32 // bits
    layer = GptqLinear(torch.nn.Linear(inputs, outputs, bias=False), bits=bits, group_size=group)
    codes = torch.randint(0, 2**bits, (inputs, outputs))
    zeros = torch.randint(0, 2**bits, (inputs // group, outputs))
    shifts = torch.arange(each) * bits
    packed = (codes.reshape(-1, each, outputs) << shifts[None, :, None]).sum(1)
    packed_zeros = (zeros.reshape(len(zeros), -1, each) << shifts).sum(2)
    layer.qweight.copy_(packed.to(torch.int32))  # the last code's sign bit wraps, as it does in a checkpoint
    layer.qzeros.copy_(packed_zeros.to(torch.int32))
    layer.scales.fill_(0.5)
    layer.g_idx.copy_(torch.arange(inputs) // group)
    expected = 0.5 * (codes - zeros.repeat_interleave(group, 0))
    assert torch.equal(layer.dequantized().float(), expected)


def test_awq_packs_along_the_outputs() -> None:
    layer = AwqLinear(torch.nn.Linear(256, 64, bias=True), bits=4, group_size=128)
    shapes = {name: tuple(buffer.shape) for name, buffer in layer.named_buffers()}
    assert shapes == {"qweight": (256, 8), "qzeros": (2, 8), "scales": (2, 64), "bias": (64,)}


@pytest.mark.parametrize(
    ("config", "kept"),
    [
        ({"quantization_config": GPTQ}, True),
        ({"text_config": {"quantization_config": GPTQ}}, True),
        ({"compression_config": {"format": "pack-quantized", "quant_method": "compressed-tensors"}}, False),
        ({"quantization_config": {**GPTQ, "bits": 3}}, False),
        ({"quantization_config": {**GPTQ, "dynamic": {"lm_head": {"bits": 8}}}}, False),
        ({"quantization_config": {**AWQ, "version": "gemv"}}, False),
        ({"quantization_config": {"quant_method": "mxfp4"}}, False),
        ({"quantization_config": {"quant_method": "hqq"}}, False),
        ({"quantization_config": {"quant_method": "bitsandbytes", "load_in_8bit": True}}, True),
    ],
)
def test_what_can_stay_packed(config: dict[str, object], kept: bool) -> None:
    scheme = scheme_of(config)
    assert scheme is not None
    assert scheme.kept is kept


def test_no_scheme_where_nothing_is_quantized() -> None:
    assert scheme_of({}) is None
    assert scheme_of(transformers.LlamaConfig()) is None


def test_what_transformers_trains_over_is_what_its_quantizers_say() -> None:
    """The table's "does not train" are the quantizers whose `is_trainable` is plainly False."""
    import inspect

    from transformers.quantizers.auto import AUTO_QUANTIZER_MAPPING

    for name, method in METHODS.items():
        if method.why_dense != "transformers does not train over them":
            continue
        assert "return False" in inspect.getsource(AUTO_QUANTIZER_MAPPING[name].is_trainable.fget or len)


def test_what_transformers_dequantizes_at_loading() -> None:
    import inspect

    from transformers.quantizers.auto import AUTO_QUANTIZER_MAPPING

    for name in ("gptq", "awq", "fp8", "mxfp4", "mxfp8", "compressed-tensors"):
        source = inspect.getsource(AUTO_QUANTIZER_MAPPING[name])
        assert ('"dequantize": ' in source) is METHODS[name].dequantizes
