"""Five tiny families for checking rehearsals on the CPU: fp32, no dropout."""

from collections.abc import Callable
from typing import Any

import torch
import transformers

from anatomy.training.recipe import Recipe

FAMILIES: dict[str, Callable[[], Any]] = {
    "llama": lambda: transformers.LlamaForCausalLM(
        transformers.LlamaConfig(
            vocab_size=512,
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=3,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=128,
        )
    ),
    "gpt2": lambda: transformers.GPT2LMHeadModel(
        transformers.GPT2Config(
            vocab_size=512,
            n_embd=64,
            n_layer=3,
            n_head=4,
            n_positions=128,
            resid_pdrop=0.0,
            embd_pdrop=0.0,
            attn_pdrop=0.0,
            bos_token_id=1,
            eos_token_id=2,
        )
    ),
    "bert": lambda: transformers.BertForMaskedLM(
        transformers.BertConfig(
            vocab_size=512,
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=3,
            num_attention_heads=4,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
        )
    ),
    "t5": lambda: transformers.T5ForConditionalGeneration(
        transformers.T5Config(
            vocab_size=512,
            d_model=64,
            d_kv=16,
            d_ff=128,
            num_layers=2,
            num_heads=4,
            dropout_rate=0.0,
            decoder_start_token_id=0,
        )
    ),
    "mamba": lambda: transformers.MambaForCausalLM(
        transformers.MambaConfig(vocab_size=512, hidden_size=64, num_hidden_layers=2, state_size=8)
    ),
}

TARGETS = {"mamba": ("in_proj", "x_proj")}
"""PEFT refuses LoRA on Mamba's out_proj."""


def make(family: str, device: str) -> Any:
    """The tiny model of a family, on a device."""
    with torch.device(device):
        return FAMILIES[family]()


def tiny_recipe(family: str, **changes: Any) -> Recipe:
    """A recipe small enough to run for real."""
    base: dict[str, Any] = {
        "method": "full",
        "r": 4,
        "precision": "fp32",
        "batch_size": 2,
        "seq_len": 32,
        "optimizer": "adamw_torch",
        "gradient_checkpointing": "off",
        "target_modules": TARGETS.get(family, "all-linear"),
    }
    return Recipe(**{**base, **changes})
