"""Pictures and sound: how many tokens the models' makers say they take, and what else a batch then holds."""

from types import SimpleNamespace

import pytest
import torch
from transformers import CONFIG_MAPPING

from anatomy.architecture.skeleton import build_skeleton
from anatomy.blueprint import Blueprint, Origin
from anatomy.errors import RecipeError
from anatomy.training.inputs.batch import plan_batch
from anatomy.training.inputs.media import media_of, needs_media
from anatomy.training.inputs.processors import PREPROCESSOR
from anatomy.training.inputs.streams import streams_of
from anatomy.training.recipe import Recipe

TEXT = {
    "hidden_size": 64,
    "intermediate_size": 64,
    "num_hidden_layers": 1,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "head_dim": 16,
    "layer_types": None,
}
TOWER = {"hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}


def build(model_type, class_name, **settings):
    """The class on meta, from its default config with what is said changed, in nested configs too."""
    config = CONFIG_MAPPING[model_type]().to_dict()
    for key, value in settings.items():
        config[key] = config[key] | value if isinstance(value, dict) else value
    config |= {"model_type": model_type, "architectures": [class_name]}
    origin = Origin(kind="file", location="made up")
    return build_skeleton(Blueprint(id=model_type, origin=origin, config=config), dtype="bfloat16").model


def llava():
    vision = TOWER | {"image_size": 336, "patch_size": 14}
    return build("llava", "LlavaForConditionalGeneration", text_config=TEXT, vision_config=vision)


def qwen2_vl():
    rope = {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [2, 3, 3]}
    text = TEXT | {"rope_parameters": rope}
    vision = {"embed_dim": 64, "hidden_size": 64, "depth": 1, "num_heads": 4}
    return build("qwen2_vl", "Qwen2VLForConditionalGeneration", text_config=text, vision_config=vision)


def paligemma():
    vision = TOWER | {"image_size": 224, "patch_size": 14, "projection_dim": 64}
    return build(
        "paligemma",
        "PaliGemmaForConditionalGeneration",
        text_config=TEXT,
        vision_config=vision,
        projection_dim=64,
    )


def gemma3():
    vision = TOWER | {"image_size": 896, "patch_size": 14}
    return build("gemma3", "Gemma3ForConditionalGeneration", text_config=TEXT, vision_config=vision)


def kosmos2():
    text = {"embed_dim": 64, "layers": 1, "ffn_dim": 64, "attention_heads": 4}
    return build("kosmos-2", "Kosmos2ForConditionalGeneration", text_config=text, vision_config=TOWER)


def whisper():
    sizes = {"d_model": 64, "encoder_ffn_dim": 64, "decoder_ffn_dim": 64}
    layers = {"encoder_layers": 1, "decoder_layers": 1}
    heads = {"encoder_attention_heads": 4, "decoder_attention_heads": 4}
    return build("whisper", "WhisperForConditionalGeneration", **sizes, **layers, **heads)


@pytest.mark.parametrize(
    ("make", "tokens"),
    [
        (llava, 576),  # 24 x 24 patches of 14 in 336 pixels (arXiv 2310.03744)
        (
            qwen2_vl,
            1225,
        ),  # 28 x 28 pixels a token; 1,003,520 pixels at most: 980 x 980 (its processor's defaults)
        (paligemma, 256),  # of 224 pixels (arXiv 2407.07726, section 3.1)
        (gemma3, 256),  # of 896 pixels (arXiv 2503.19786, section 2.1)
        (kosmos2, 64),  # learned queries (arXiv 2306.14824, section 3.2: 64 image embeddings)
    ],
)
def test_a_picture_takes_as_many_tokens_as_published(make, tokens):
    assert media_of(make(), Recipe()).tokens == tokens


def test_whisper_hears_30_seconds_as_3000_frames():
    """80 mel bins every 10 ms of a window of 30 s (arXiv 2212.04356, section 2.2)."""
    media = media_of(whisper(), Recipe())
    assert tuple(media.tensors["input_features"].shape) == (1, 80, 3000)
    assert media.words == "30 seconds of audio a sequence (the extractor's own window)"


def test_two_pictures_take_twice_the_tokens():
    assert media_of(llava(), Recipe(images=2)).tokens == 2 * 576


def test_placeholders_are_where_the_loss_is_not():
    model = llava()
    batch = plan_batch(model, Recipe(batch_size=2, seq_len=600, images=1)).make()
    stands = batch["input_ids"] == model.config.image_token_id
    assert stands.sum(1).tolist() == [576, 576]
    assert torch.equal(stands, batch["labels"] == -100)
    assert batch["pixel_values"].shape == (2, 3, 336, 336)


@pytest.mark.parametrize(
    ("made", "absent"),
    [
        (lambda: llava(), "images"),
        (
            lambda: build(
                "qwen2_audio",
                "Qwen2AudioForConditionalGeneration",
                text_config=TEXT,
                audio_config={"d_model": 64, "encoder_layers": 1, "encoder_attention_heads": 4},
            ),
            "sound",
        ),
        (
            lambda: build(
                "evolla",
                "EvollaForProteinText2Text",
                **(TEXT | {"num_hidden_layers": 2, "aligner_num_add_layers": 1}),
                protein_encoder_config={
                    "hidden_size": 64,
                    "intermediate_size": 64,
                    "num_hidden_layers": 1,
                    "num_attention_heads": 4,
                },
            ),
            "proteins",
        ),
    ],
)
def test_a_tower_that_does_not_run_is_said(made, absent):
    plan = plan_batch(made(), Recipe(method="full", precision="bf16", seq_len=16, images=0))
    assert f"the batch holds text only, no {absent}" in plan.assumptions


def fuyu():
    text = TEXT | {"vocab_size": 1024, "model_type": "persimmon"}
    return build(
        "fuyu", "FuyuForCausalLM", **(TEXT | {"vocab_size": 1024}), text_config=text, image_token_id=7
    )


@pytest.mark.parametrize(
    ("size", "patches"),
    [((300, 300), 10 * 10), ((1080, 1920), 36 * 64), ((31, 30), 2), ((2160, 3840), 36 * 64)],
)
def test_pictures_that_are_cut_by_the_processor_around_theirs(size, patches):
    """Patches of 30 x 30 of at most 1,080 x 1,920 pixels (adept.ai/blog/fuyu-8b; its preprocessor_config.json)."""
    media = media_of(fuyu(), Recipe(image_size=size))
    assert media.tokens == patches
    assert media.tensors["pixel_values"].shape == (patches, 30 * 30 * 3)


LIMITS = {"image_processor_type": "Qwen2VLImageProcessor", "min_pixels": 3136, "max_pixels": 12_845_056}


def test_whose_limits_a_picture_of_an_asked_size_is_resized_to():
    """Qwen2-VL's own file allows 12,845,056 pixels, transformers' default 1,003,520; 28 x 28 of them are a token."""
    asked = Recipe(image_size=(1080, 1920))
    without, with_file = qwen2_vl(), qwen2_vl()
    setattr(with_file, PREPROCESSOR, LIMITS)
    least, most = media_of(without, asked), media_of(with_file, asked)
    assert least.tokens < most.tokens == (1092 // 28) * (1932 // 28)
    assert "transformers' defaults" in least.words
    assert "no preprocessor_config.json is known" in least.words
    assert "the checkpoint's preprocessor settings" in most.words
    assert "defaults" not in most.words
    assert "resized to the config's own size" in media_of(llava(), asked).words


def test_a_type_without_a_processor_takes_the_one_that_its_checkpoint_names():
    """GLM-OCR has none in transformers' table; its preprocessor_config.json names GLM-4.6V's."""
    text = TEXT | {"rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 3, 3]}}
    vision = {"hidden_size": 64, "depth": 1, "num_heads": 4, "intermediate_size": 64, "out_hidden_size": 64}
    model = build("glm_ocr", "GlmOcrForConditionalGeneration", text_config=text, vision_config=vision)
    with pytest.raises(
        RecipeError, match=r"names no image processor .* and no preprocessor_config.json does"
    ):
        media_of(model, Recipe())
    setattr(model, PREPROCESSOR, {"image_processor_type": "Glm46VImageProcessor"})
    assert media_of(model, Recipe(image_size=(336, 336))).tokens == (336 // 28) ** 2


def test_a_sequence_of_pictures_alone_is_refused():
    with pytest.raises(RecipeError, match="576 tokens, which leaves no text in a sequence of 512"):
        plan_batch(llava(), Recipe(seq_len=512, images=1))


def test_a_model_without_a_token_for_pictures_is_told_where_they_stand():
    batch = plan_batch(kosmos2(), Recipe(seq_len=128, images=1)).make()
    assert batch["image_embeds_position_mask"].sum(1).tolist() == [64]
    assert not batch["image_embeds_position_mask"][0, 0]


def test_pictures_that_are_looked_at_come_by_sequence():
    """IDEFICS attends to pictures from its text: pixel_values are [batch, images, channels, height, width]."""
    vision = {
        "embed_dim": 64,
        "num_hidden_layers": 1,
        "num_attention_heads": 4,
        "intermediate_size": 64,
    }
    text = {"hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 4}
    model = build("idefics", "IdeficsForVisionText2Text", **text, vision_config=vision)
    batch = plan_batch(model, Recipe(batch_size=2, seq_len=16, images=1)).make()
    assert batch["pixel_values"].shape[:3] == (2, 1, 3)
    assert batch["image_attention_mask"].shape == (2, 16, 1)


def test_a_sound_beside_every_token_needs_a_sequence_as_long():
    """Voxtral Realtime adds one embedding each 80 ms to the text's: 375 of 30 s."""
    audio = TEXT | {"num_mel_bins": 128}
    text = TEXT | {"vocab_size": 2048}
    model = build(
        "voxtral_realtime",
        "VoxtralRealtimeForConditionalGeneration",
        audio_config=audio,
        text_config=text,
    )
    media = media_of(model, Recipe(audio_seconds=30))
    assert (media.tokens, media.along) == (0, 375)
    with pytest.raises(RecipeError, match="go along with 375 tokens, and a sequence has 512"):
        plan_batch(model, Recipe(seq_len=512, audio_seconds=30))


def test_streams_of_codebooks():
    """Kyutai's model reads a text id and one of each of its 32 codebooks at every position."""
    sizes = TEXT | {"ffn_dim": 64}
    model = build("kyutai_speech_to_text", "KyutaiSpeechToTextForConditionalGeneration", **sizes)
    plan = plan_batch(model, Recipe(seq_len=16))
    batch = plan.make()
    assert batch["input_ids"].shape == (1, 16, 33)
    assert batch["labels"].shape == (1, 16)
    assert "every position holds an id of each of 33 streams of sound" in plan.assumptions


def test_codebooks_of_a_tower_are_not_streams_of_the_sequence():
    """Inkling's tower has 80 of its own, and its text is text."""
    model, tower = torch.nn.Module(), torch.nn.Module()
    tower.register_buffer("audio_tokens_offsets", torch.zeros(80))
    model.audio_tower = tower
    assert streams_of(model, {}) == 1
    model.embed_tokens = torch.nn.Module()
    model.embed_tokens.register_buffer("audio_tokens_offsets", torch.zeros(33))
    assert streams_of(model, {}) == 33


def test_media_without_a_default_are_needed():
    def reads(input_ids=None, pixel_values=None):
        pass

    def needs(pixel_values, input_ids=None):
        pass

    assert not needs_media(SimpleNamespace(forward=reads))
    assert needs_media(SimpleNamespace(forward=needs))
