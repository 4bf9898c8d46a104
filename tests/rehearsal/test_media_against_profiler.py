"""Images and sound: the rehearsed step of tiny models beside torch.profiler's, with no mode active."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import transformers
from families import tiny_recipe
from test_against_profiler import levels_of, rehearsed

TEXT = {
    "vocab_size": 512,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}
TOWER = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "image_size": 28,
    "patch_size": 14,
}
MODELS: dict[str, Callable[[], Any]] = {
    "llava": lambda: transformers.LlavaForConditionalGeneration(
        transformers.LlavaConfig(
            text_config=transformers.LlamaConfig(**TEXT),
            vision_config=transformers.CLIPVisionConfig(**TOWER),
            image_token_index=500,
        )
    ),
    "qwen2_vl": lambda: transformers.Qwen2VLForConditionalGeneration(
        transformers.Qwen2VLConfig(
            text_config={
                **TEXT,
                "rope_parameters": {"rope_type": "default", "mrope_section": [2, 3, 3], "rope_theta": 1e4},
            },
            vision_config={"depth": 2, "embed_dim": 32, "hidden_size": 64, "num_heads": 4, "mlp_ratio": 2},
            image_token_id=500,
            video_token_id=501,
            vision_start_token_id=502,
            vision_end_token_id=503,
        )
    ),
    "vit": lambda: transformers.ViTForImageClassification(
        transformers.ViTConfig(**TOWER, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    ),
    "whisper": lambda: transformers.WhisperForConditionalGeneration(
        transformers.WhisperConfig(
            vocab_size=512,
            d_model=64,
            encoder_layers=2,
            decoder_layers=2,
            encoder_attention_heads=4,
            decoder_attention_heads=4,
            encoder_ffn_dim=128,
            decoder_ffn_dim=128,
            num_mel_bins=80,
            max_target_positions=64,
            dropout=0.0,
            pad_token_id=0,
            decoder_start_token_id=1,
        )
    ),
}
EXTRA = {"qwen2_vl": {"image_size": (112, 112), "seq_len": 64}}

CONVOLVES = ("vit", "whisper")


def made(name: str, device: str) -> Any:
    with torch.device(device):
        return MODELS[name]().to(device)


@pytest.mark.parametrize(("name", "method"), [*((name, "full") for name in MODELS), ("llava", "lora")])
def test_levels_agree_without_any_mode(name: str, method: str) -> None:
    recipe = tiny_recipe(name, method=method, **EXTRA.get(name, {}))
    real, predicted = levels_of(made(name, "cpu"), recipe), rehearsed(name, recipe, made(name, "meta"))
    assert [phase for phase, _, _ in real] == [phase for phase, _, _ in predicted]
    for (phase, end, peak), (_, predicted_end, predicted_peak) in zip(real, predicted, strict=True):
        wrapped = end - predicted_end  # Python numbers that autograd saves, on the host
        assert wrapped % 8 == 0
        assert 0 <= wrapped <= (50 * 8 if phase == "forward" else 0)
        assert predicted_peak <= peak * 1.005
        if name not in CONVOLVES:  # the CPU's convolutions take scratch that no mode sees
            assert peak == pytest.approx(predicted_peak, rel=0.005)
