"""Plans over checkpoints that are quantized already: what stays packed, what is dense and why, what is refused."""

import json
from pathlib import Path
from typing import Any

import pytest
from tiny_models import TINY_LLAMA

from anatomy import api
from anatomy.errors import RecipeError
from anatomy.memory.timeline import Category

GPTQ = {"quant_method": "gptq", "bits": 4, "group_size": 32}
FP8 = {"quant_method": "fp8", "activation_scheme": "dynamic", "weight_block_size": [32, 32]}
NF4 = {
    "quant_method": "bitsandbytes",
    "load_in_4bit": True,
    "bnb_4bit_quant_type": "nf4",
    "bnb_4bit_use_double_quant": False,
    "llm_int8_skip_modules": ["lm_head", "o_proj"],
}

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")


@pytest.fixture
def checkpoint(tmp_path: Path) -> Any:
    def write(settings: dict[str, Any] | None, **changes: Any) -> str:
        config = TINY_LLAMA | changes | ({} if settings is None else {"quantization_config": settings})
        (tmp_path / "config.json").write_text(json.dumps(config))
        return str(tmp_path)

    return write


def test_gptq_weights_stay_packed_under_adapters(checkpoint: Any) -> None:
    plan = api.plan(checkpoint(GPTQ), seq_len=16, precision="fp16")
    assert plan.recipe.dequantize is False
    assert "packed" in plan.adapted["dequantize"]
    assert "dequantize" not in api.plan(checkpoint(GPTQ), seq_len=16, dequantize=False).adapted
    assert not plan.warnings
    assert not any("quantization" in missing for missing in plan.not_modelled)
    assert any("14 layers stay packed" in said and "GPTQModel" in said for said in plan.assumptions)
    assert plan.footprint.by_category[Category.QUANTIZATION] > 0


@pytest.mark.parametrize(
    ("settings", "asked", "words"),
    [
        (GPTQ, {"method": "full"}, "transformers fine-tunes no quantized weights themselves"),
        (GPTQ, {"method": "qlora"}, "refuses to quantize it with bitsandbytes as well"),
        (GPTQ, {"dequantize": True}, "does not dequantize a gptq checkpoint"),
        (NF4, {"method": "full"}, "transformers fine-tunes no quantized weights themselves"),
        (GPTQ, {"method": "dora"}, "does not support DoRA"),
        (GPTQ, {"method": "ia3"}, "PEFT does not apply IA3 here"),
        (None, {"dequantize": True}, "the checkpoint is not quantized"),
    ],
)
def test_what_transformers_and_peft_refuse(
    checkpoint: Any, settings: Any, asked: dict[str, Any], words: str
) -> None:
    with pytest.raises(RecipeError, match=words):
        api.plan(checkpoint(settings), seq_len=16, **asked)


def test_fp8_stays_packed_where_the_gpu_can_multiply_it(checkpoint: Any) -> None:
    model = checkpoint(FP8)
    old, new = (api.plan(model, seq_len=16, gpu=gpu) for gpu in ("A100 80GB SXM", "H100 80GB SXM"))
    assert (old.recipe.dequantize, new.recipe.dequantize) == (True, False)
    assert old.adapted["dequantize"] == "transformers dequantizes fp8 below compute capability 8.9"
    assert "is left behind" in old.warnings[0]
    assert api.plan(model, seq_len=16, gpu="H100 80GB SXM", method="full").recipe.dequantize is True
    assert api.plan(model, seq_len=16, gpu="H100 80GB SXM", dequantize=True).recipe.dequantize is True


@pytest.mark.parametrize("method", ["mxfp4", "compressed-tensors"])
def test_what_is_dense_in_training_is_planned_so_and_said(checkpoint: Any, method: str) -> None:
    plain = api.plan(checkpoint(None), seq_len=16)
    plan = api.plan(checkpoint({"quant_method": method, "format": "x"}), seq_len=16)
    assert plan.recipe.dequantize is True
    assert method in plan.warnings[0]
    assert plan.adapted["dequantize"]
    assert not any("quantization" in missing for missing in plan.not_modelled)
    assert plan.footprint.peak_allocated_bytes == plain.footprint.peak_allocated_bytes


def test_a_bitsandbytes_checkpoint_is_its_own_settings(checkpoint: Any) -> None:
    stored = api.plan(checkpoint(NF4), seq_len=16, method="dora", r=4)
    again = api.plan(
        checkpoint(None),
        seq_len=16,
        method="qdora",
        r=4,
        double_quant=False,
        quant_skip=("lm_head", "o_proj"),
    )
    assert stored.recipe == again.recipe
    assert stored.adapted["method"] == "the checkpoint is stored so"
    assert stored.footprint.peak_allocated_bytes == again.footprint.peak_allocated_bytes
    assert api.plan(checkpoint(NF4), seq_len=16, method="vera").recipe.method == "qpeft"


def test_an_int8_checkpoint(checkpoint: Any) -> None:
    plan = api.plan(checkpoint({"quant_method": "bitsandbytes", "load_in_8bit": True}), seq_len=16)
    assert (plan.recipe.method, plan.recipe.quant_type) == ("qlora", "int8")
