"""Every loss that runs on a CPU, really taken under torch.profiler: the levels of the rehearsal at every boundary."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import transformers
from families import FAMILIES, tiny_recipe
from test_observed_steps import KERNEL_SCRATCH, assert_same_levels, component_of, levels

from anatomy.garbage import without_garbage_collection
from anatomy.memory.timeline import Category, Phase, Timeline
from anatomy.profiling.observe import Observation
from anatomy.profiling.real import set_up
from anatomy.profiling.weights import materialise
from anatomy.rehearsal.cuda import Target
from anatomy.rehearsal.rehearse import rehearse
from anatomy.training.recipe import Recipe

LARGEST_NUMBER = 512
"""More than a number that autograd or the host wraps, and than a row of sums."""

LOGSUMEXP = 31 * 512 * 4
"""A sequence's logits once more: what its kernel takes for itself, on CUDA a row of the table of workspaces."""

LLAMA = {
    "vocab_size": 512,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "pad_token_id": 0,
}
BERT = {
    "vocab_size": 512,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
}
BART = {
    "vocab_size": 512,
    "d_model": 64,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 128,
    "decoder_ffn_dim": 128,
    "dropout": 0.0,
}
TASKS: dict[str, Callable[[], Any]] = {
    "llama-classes": lambda: transformers.LlamaForSequenceClassification(
        transformers.LlamaConfig(**LLAMA, num_labels=5)
    ),
    "bert-classes": lambda: transformers.BertForSequenceClassification(
        transformers.BertConfig(**BERT, num_labels=3)
    ),
    "bert-several-classes": lambda: transformers.BertForSequenceClassification(
        transformers.BertConfig(**BERT, num_labels=3, problem_type="multi_label_classification")
    ),
    "bert-number": lambda: transformers.BertForSequenceClassification(
        transformers.BertConfig(**BERT, num_labels=1)
    ),
    "bert-tokens": lambda: transformers.BertForTokenClassification(
        transformers.BertConfig(**BERT, num_labels=9)
    ),
    "bart": lambda: transformers.BartForConditionalGeneration(transformers.BartConfig(**BART)),
    **FAMILIES,
}


def on_meta(task: str, recipe: Recipe) -> Any:
    with torch.device("meta"):
        return TASKS[task]().to(getattr(torch, recipe.weight_dtype))


def observed(task: str, recipe: Recipe) -> Timeline:
    model = materialise(on_meta(task, recipe), recipe, "cpu")
    observation = Observation(set_up(model, recipe, "cpu", component_of), "cpu")
    with without_garbage_collection():
        observation.run(2, lambda text: None)
    return observation.timeline({"kind": "measurement"})[0]


def rehearsed(task: str, recipe: Recipe, target: str = "cpu") -> Timeline:
    model = on_meta(task, recipe)
    return rehearse(model, recipe, component_of=component_of, target=Target(name=target)).timeline


@pytest.mark.parametrize(
    ("task", "changes"),
    [
        *((task, {}) for task in TASKS if task not in FAMILIES),
        ("llama-classes", {"method": "lora", "padded": True}),
        ("bert-tokens", {"padded": True}),
        *((task, {"label_smoothing": 0.1}) for task in ("llama", "t5", "bart", "bert-classes")),
        ("llama", {"label_smoothing": 0.1, "grad_accum": 2, "method": "lora"}),
        ("llama", {"loss": "chunked"}),
        ("llama", {"objective": "dpo"}),
        ("llama", {"objective": "dpo", "method": "lora", "gradient_checkpointing": "non-reentrant"}),
        ("gpt2", {"objective": "dpo", "dpo_reference": "precomputed", "grad_accum": 2}),
        ("llama", {"objective": "dpo", "dpo_reference": "model", "method": "lora", "dropout": 0.1}),
        ("gpt2", {"loss": "chunked", "grad_accum": 2, "method": "lora", "padded": True}),
    ],
    ids=str,
)
def test_levels_of_a_loss(task: str, changes: dict[str, Any]) -> None:
    recipe = tiny_recipe(task, **changes)
    real, foreseen = observed(task, recipe), rehearsed(task, recipe)
    if task == "bert-number":  # the CPU's mse_loss keeps a wrapped number, which is no tensor's
        assert {a[2] - b[2] for a, b in zip(levels(real), levels(foreseen), strict=True)} <= {0, 4}
    else:
        assert_same_levels(real, foreseen, scratch=LOGSUMEXP if recipe.objective == "dpo" else KERNEL_SCRATCH)
    assert Phase.LOSS in {mark.phase for mark in foreseen.marks}
    assert logits_of(real) == logits_of(foreseen)


def logits_of(timeline: Timeline) -> int:
    """Bytes of what a loss made, without numbers that the host alone sees and scratch."""
    made = [b for b in timeline.blocks if b.category is Category.LOGITS and b.op != "aten.logsumexp"]
    return sum(block.bytes for block in made if block.bytes > LARGEST_NUMBER)
