"""'trainable params || all params', as others printed them, from our own recipe on the meta device."""

from dataclasses import dataclass
from typing import Any

import pytest

from anatomy import source
from anatomy.architecture.skeleton import build_skeleton
from anatomy.blueprint import Blueprint, Origin
from anatomy.training.methods import apply_method
from anatomy.training.recipe import Recipe

ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")
LLAMA_LINEAR = (*ATTENTION, "gate_proj", "up_proj", "down_proj")


@dataclass(frozen=True, kw_only=True)
class Printed:
    """One line that peft printed. Where the source names no targets, peft's default for the model is spelled out."""

    model: str
    r: int
    targets: tuple[str, ...]
    trainable: int
    total: int
    source: str
    architecture: str | None = None

    def __str__(self) -> str:
        return f"{self.model}-r{self.r}"


PRINTED = (
    Printed(
        model="mistralai/Mixtral-8x7B-v0.1",
        r=256,
        targets=ATTENTION,
        trainable=218_103_808,
        total=46_920_896_512,
        source="huggingface/peft: examples/KappaTune/README.md",
    ),
    Printed(
        model="google-bert/bert-base-cased",
        architecture="BertForSequenceClassification",
        r=8,
        targets=("query", "key"),
        trainable=296_450,  # the classifier's trainable copy among them
        total=108_608_260,
        source="huggingface/peft: examples/evaluation/lora-lm-eval.ipynb",
    ),
    Printed(
        model="openai/whisper-large-v2",
        r=32,
        targets=("q_proj", "v_proj"),
        trainable=15_728_640,
        total=1_559_033_600,
        source="huggingface/peft: examples/int8_training/peft_bnb_whisper_large_v2_training.ipynb",
    ),
    Printed(
        model="Qwen/Qwen3-14B",
        r=32,
        targets=LLAMA_LINEAR,
        trainable=128_450_560,
        total=14_896_757_760,
        source="axolotl-ai-cloud/axolotl: examples/colab-notebooks/colab-axolotl-example.ipynb",
    ),
    Printed(
        model="meta-llama/Llama-3.1-8B",
        r=16,
        targets=LLAMA_LINEAR,
        trainable=41_943_040,
        total=8_072_204_288,
        source="printed in tutorials on Llama 3.1",
    ),
    Printed(
        model="meta-llama/Llama-2-7b-hf",
        r=8,
        targets=("q_proj", "v_proj"),
        trainable=4_194_304,
        total=6_742_609_920,
        source="pytorch/torchtune: docs/source/tutorials/lora_finetune.rst",
    ),
    Printed(
        model="mistralai/Mistral-7B-v0.1",
        r=16,
        targets=ATTENTION,
        trainable=13_631_488,
        total=7_255_363_584,
        source="printed in tutorials on Zephyr, which has Mistral-7B-v0.1's shape",
    ),
    Printed(
        model="meta-llama/Llama-3.2-3B",
        r=32,
        targets=("q_proj", "v_proj"),
        trainable=9_175_040,
        total=3_221_924_864,
        source="huggingface/peft: method_comparison/MetaMathQA/results/lora--llama-3.2-3B-rank32.json",
    ),
)

# The hub's config of bigscience/mt0-large; peft's documentation (quicktour, 2023) printed its counts.
MT0_LARGE = {
    "model_type": "mt5",
    "architectures": ["MT5ForConditionalGeneration"],
    "d_ff": 2816,
    "d_kv": 64,
    "d_model": 1024,
    "feed_forward_proj": "gated-gelu",
    "num_decoder_layers": 24,
    "num_heads": 16,
    "num_layers": 24,
    "tie_word_embeddings": False,
    "vocab_size": 250_112,
}


def counts(blueprint: Blueprint, r: int, targets: tuple[str, ...]) -> tuple[Any, int, int]:
    import torch

    model = build_skeleton(blueprint, dtype="bfloat16").model
    recipe = Recipe(method="lora", r=r, target_modules=targets, gradient_checkpointing="off")
    with torch.device("meta"):
        adapted = apply_method(model, recipe)
    parameters = list(adapted.parameters())
    trainable = sum(p.numel() for p in parameters if p.requires_grad)
    return adapted, trainable, sum(p.numel() for p in parameters)


@pytest.mark.parametrize("printed", PRINTED, ids=str)
def test_lora_counts_are_those_that_peft_printed(printed: Printed) -> None:
    overrides = {"architectures": [printed.architecture]} if printed.architecture else {}
    blueprint = source.load(printed.model, overrides=overrides, headers=False)
    _, trainable, total = counts(blueprint, printed.r, printed.targets)
    assert trainable == printed.trainable
    assert total == printed.total


def test_mt0_large_lacks_the_head_that_transformers_5_ties() -> None:
    blueprint = Blueprint(
        id="bigscience/mt0-large", origin=Origin(kind="catalog", location="mt0"), config=MT0_LARGE
    )
    adapted, trainable, total = counts(blueprint, 8, ("q", "v"))
    base = adapted.get_base_model()
    assert trainable == 2_359_296
    assert base.lm_head.weight is base.shared.weight
    assert total + base.lm_head.weight.numel() == 1_231_940_608
