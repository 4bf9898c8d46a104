"""What a GGUF file's metadata say of the model, in the words of transformers' configs.

The keys are those of llama.cpp (gguf-py/gguf/constants.py, Keys); what they are called in a config is also in
transformers' GGUF_CONFIG_MAPPING (integrations/ggml.py). Only numbers that shape the model are taken over.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from anatomy.blueprint import TensorHeader
from anatomy.source.gguf import GgufHeader, Long, Value
from anatomy.source.quoting import brief

_KEYS: dict[str, str] = {
    "block_count": "num_hidden_layers",
    "context_length": "max_position_embeddings",
    "embedding_length": "hidden_size",
    "feed_forward_length": "intermediate_size",
    "attention.head_count": "num_attention_heads",
    "attention.head_count_kv": "num_key_value_heads",
    "attention.key_length": "head_dim",
    "attention.sliding_window": "sliding_window",
    "attention.q_lora_rank": "q_lora_rank",
    "attention.kv_lora_rank": "kv_lora_rank",
    "expert_count": "num_experts",
    "expert_used_count": "num_experts_per_tok",
    "expert_shared_count": "n_shared_experts",
    "expert_feed_forward_length": "moe_intermediate_size",
    "expert_shared_feed_forward_length": "shared_expert_intermediate_size",
    "ssm.conv_kernel": "conv_kernel",
    "ssm.state_size": "state_size",
}
"""llama.cpp's key, after the architecture -> the config's."""

_MODEL_TYPES: dict[str, str] = {
    "llama": "llama",
    "qwen2": "qwen2",
    "qwen3": "qwen3",
    "qwen2moe": "qwen2_moe",
    "qwen3moe": "qwen3_moe",
    "gemma2": "gemma2",
    "gemma3": "gemma3_text",
    "phi3": "phi3",
    "starcoder2": "starcoder2",
}
"""llama.cpp's architecture -> transformers' model type, where a config with the keys above builds the model. 'llama' is
also Mistral, whose classes hold the same parameters."""

FILE_TYPES: dict[int, str] = {
    number: name
    for first, names in (
        (0, "F32 F16 Q4_0 Q4_1"),
        (
            7,
            "Q8_0 Q5_0 Q5_1 Q2_K Q3_K_S Q3_K_M Q3_K_L Q4_K_S Q4_K_M Q5_K_S Q5_K_M Q6_K IQ2_XXS IQ2_XS Q2_K_S",
        ),
        (22, "IQ3_XS IQ3_XXS IQ1_S IQ4_NL IQ3_S IQ3_M IQ2_S IQ2_M IQ4_XS IQ1_M BF16"),
        (36, "TQ1_0 TQ2_0 MXFP4_MOE"),
    )
    for number, name in enumerate(names.split(), first)
}
"""`general.file_type` -> the mix that llama.cpp was asked for (`enum llama_ftype` in llama.h)."""


def config_of(header: GgufHeader) -> dict[str, Any]:
    """The config that the metadata and the embedding table justify; {} where no architecture is named.

    It names a `model_type` only where transformers' class of that type is known to take these numbers.
    """
    architecture = header.metadata.get("general.architecture")
    if not isinstance(architecture, str):
        return {}
    said = {
        key.removeprefix(f"{architecture}."): _plain(value)
        for key, value in header.metadata.items()
        if key.startswith(f"{architecture}.") and not isinstance(value, Long)
    }
    config = {name: said[key] for key, name in _KEYS.items() if _is_number(said.get(key))}
    config |= _latent_attention(said, config) | _embedding(header.tensors)
    if architecture == "llama" and "head_dim" not in config and _is_number(said.get("rope.dimension_count")):
        config["head_dim"] = said["rope.dimension_count"]  # its heads are rotated whole
    if architecture in _MODEL_TYPES:
        config["model_type"] = _MODEL_TYPES[architecture]
    return config


def notes_of(header: GgufHeader) -> tuple[str, ...]:
    """What the file is, in a sentence or two."""
    architecture = header.metadata.get("general.architecture")
    kind = header.metadata.get("general.file_type")
    mix = f", quantized as {FILE_TYPES[kind]}" if isinstance(kind, int) and kind in FILE_TYPES else ""
    named = (
        f"architecture {brief(architecture)}" if isinstance(architecture, str) else "no architecture named"
    )
    notes = [f"GGUF version {header.version}{', big-endian' * header.big_endian}: {named}{mix}."]
    if base := base_model(header.metadata):
        notes.append(f"It was made of {base}, as its metadata say.")
    return tuple(notes)


def base_model(metadata: Mapping[str, Value]) -> str | None:
    """The model that the file was converted from, by its hub's address or id; None where the metadata do not say."""
    for key in (
        "general.source.huggingface.repository",
        "general.source.repo_url",
        "general.base_model.0.repo_url",
    ):
        if isinstance(said := metadata.get(key), str) and said.isprintable() and len(said) <= 200:
            return said.removeprefix("https://huggingface.co/")
    return None


def _latent_attention(said: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    """Of a model whose keys and values come from one small vector (MLA): the heads as its class counts them.

    llama.cpp describes them twice: 'key_length' as its kernels see them, one head as wide as the vector, and
    'key_length_mla' as they are in the model.
    """
    if "kv_lora_rank" not in config:
        return {}
    key = said.get("attention.key_length_mla", said.get("attention.key_length"))
    value = said.get("attention.value_length_mla", said.get("attention.value_length"))
    rotated = said.get("rope.dimension_count")
    if not (type(key) is int and type(value) is int and type(rotated) is int):
        return {}
    heads = config.get("num_attention_heads")
    found = {"head_dim": key, "v_head_dim": value, "qk_nope_head_dim": key - rotated}
    return {**found, **({"num_key_value_heads": heads} if heads else {})}


def _embedding(tensors: Sequence[TensorHeader]) -> dict[str, Any]:
    """The table's rows, padding included, and whether the head is it: llama.cpp uses it where 'output' is not stored."""
    shapes = {tensor.name: tensor.shape for tensor in tensors}
    table = shapes.get("token_embd.weight")
    if table is None or len(table) != 2:
        return {}
    return {"vocab_size": table[0], "tie_word_embeddings": "output.weight" not in shapes}


def _plain(value: Value) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _is_number(value: object) -> bool:
    numbers = value if isinstance(value, list) else [value]
    return bool(numbers) and all(type(number) is int for number in numbers)
