"""A tiny model's config and made-up GPUs, for the tests of the upper floors."""

from anatomy.hardware.catalog import Gpu

MIB = 1 << 20

TINY_LLAMA = {
    "model_type": "llama",
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 256,
    "max_position_embeddings": 128,
    "tie_word_embeddings": False,
}
TINY_LLAMA_PARAMETERS = 2 * 256 * 64 + 2 * (2 * 64 * 64 + 2 * 64 * 32 + 3 * 64 * 128 + 2 * 64) + 64


def make_gpu(name: str, memory_mib: int, *, bf16: bool = True, nominal: bool = False) -> Gpu:
    """A GPU of the given memory; its context takes what the catalog assumes for an unknown one (1024 MiB)."""
    return Gpu(
        name=name,
        vendor="NVIDIA",
        memory_bytes=memory_mib * MIB,
        read_from="nominal" if nominal else "torch",
        source="made up",
        nominal_bytes=memory_mib * MIB,
        compute_capability="0.0",
        multiprocessors=1,
        bf16=bf16,
    )
