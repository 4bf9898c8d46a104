"""GGUF sizes against the ones that llama.cpp and publishers of its files give."""

import pytest

from anatomy.formats.gguf import gguf_sizes
from anatomy.formats.mixes import Place, uses_more_bits

LLAMA_3_1_8B = {
    "Q2_K": 3.1593, "Q3_K_S": 3.6429, "Q3_K_L": 4.2979, "Q4_K_S": 4.6672, "Q4_K_M": 4.8944, "Q5_K_S": 5.5704,
    "Q5_K_M": 5.7036, "Q6_K": 6.5633, "Q8_0": 8.5008, "F16": 16.0005,
}  # fmt: skip
"""Bits per weight in llama.cpp's tools/quantize/README.md."""

PUBLISHED_FILES = (
    ("meta-llama/Llama-2-7b-hf", "Q4_K_M", 4_081_004_224),
    ("meta-llama/Llama-2-7b-hf", "Q8_0", 7_161_089_728),
    ("meta-llama/Llama-3.1-8B", "Q3_K_M", 4.02e9),
    ("meta-llama/Llama-3.1-8B", "Q4_0", 4.66e9),
    ("meta-llama/Llama-3.1-70B", "Q4_K_M", 42.52e9),
    ("mistralai/Mixtral-8x7B-v0.1", "Q4_K_M", 28.45e9),
    ("Qwen/Qwen3-30B-A3B", "Q4_K_M", 18.56e9),
    ("Qwen/Qwen3-8B", "Q4_K_M", 5.03e9),
    ("Qwen/Qwen2-72B", "Q4_K_M", 47.42e9),
    ("google/gemma-2-9b", "Q4_K_M", 5.76e9),
    ("google/gemma-2-27b", "Q4_K_M", 16.65e9),
    ("microsoft/Phi-3-mini-128k-instruct", "Q4_K_M", 2.39e9),
    ("deepseek-ai/DeepSeek-V3", "Q4_K_M", 404.4e9),
)
"""(model, type, bytes of the file): from the repositories of TheBloke (Llama 2, to the byte), bartowski and Qwen."""


def by_name(anatomy):
    return {size.name: size for size in gguf_sizes(anatomy)}


@pytest.mark.parametrize("kind", LLAMA_3_1_8B)
def test_llama_3_1_as_in_the_quantizers_readme(described, kind):
    anatomy, _ = described("meta-llama/Llama-3.1-8B")
    assert by_name(anatomy)[f"gguf {kind}"].bits == pytest.approx(LLAMA_3_1_8B[kind], abs=6e-5)


@pytest.mark.parametrize(("model", "kind", "published"), PUBLISHED_FILES)
def test_files_of_others(described, model, kind, published):
    """A file has the vocabulary on top: a few megabytes."""
    anatomy, _ = described(model)
    assert by_name(anatomy)[f"gguf {kind}"].total_bytes == pytest.approx(published, rel=5e-3)


def test_parts_add_up(described):
    anatomy, _ = described("meta-llama/Llama-3.1-8B")
    for size in gguf_sizes(anatomy):
        assert size.packed_bytes + size.scale_bytes + size.kept_bytes == size.total_bytes
        assert sum(size.tensors.values()) == 291  # as llama.cpp loads it, its rope factors aside
        # Numbers alone: at least the type's bits for every quantized weight.
        assert size.packed_bytes < size.total_bytes


def test_tied_embedding_is_kept_as_a_head_is(described):
    anatomy, _ = described("meta-llama/Llama-3.2-3B")
    sizes = by_name(anatomy)
    assert anatomy.facts.tied
    # 28 layers of Q2_K and so on; one matrix, the embedding, at Q6_K.
    assert sizes["gguf Q2_K"].tensors["Q6_K"] == 1
    assert sizes["gguf Q3_K_S"].tensors == {"Q3_K": 196, "F32": 57, "Q6_K": 1}


def test_rows_that_are_no_multiple_of_256_fall_back(described):
    """Gemma 3 1B's rows of 1,152: published Q4_K_M files list Q5_0 and Q8_0 tensors, 0.81e9 bytes."""
    anatomy, _ = described("google/gemma-3-1b-it")
    size = by_name(anatomy)["gguf Q4_K_M"]
    assert size.tensors["Q5_0"] == 117
    assert size.total_bytes == pytest.approx(0.806e9, rel=1e-2)


def test_falcon_has_rules_of_its_own(described):
    anatomy, _ = described("tiiuae/falcon-7b")
    sizes = by_name(anatomy)
    assert sizes["gguf Q4_K_M"].tensors["Q8_0"] >= 1  # the head, whatever the type
    assert "Q6_K" not in sizes["gguf Q3_K_S"].tensors


@pytest.mark.parametrize(
    "model", ["google-bert/bert-base-uncased", "facebook/opt-1.3b", "openai/gpt-oss-20b"]
)
def test_what_is_not_known_is_said(described, model):
    anatomy, _ = described(model)
    (row,) = gguf_sizes(anatomy)
    assert row.total_bytes is None
    assert row.bits is None
    assert "llama.cpp" in row.why_not


def test_rows_of_31_numbers_are_refused(described):
    config = {"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], "n_embd": 62, "n_head": 2}
    anatomy, _ = described({**config, "n_layer": 1, "vocab_size": 16, "n_positions": 8})
    sizes = by_name(anatomy)
    assert "no multiple of 32" in sizes["gguf Q8_0"].why_not
    assert sizes["gguf F16"].total_bytes


def test_more_bits_for_the_ends_and_every_third():
    """Of 32 layers: four at each end, and 6, 9, ... 27 between."""
    chosen = [i for i in range(32) if uses_more_bits(Place(index=i, count=32, grouped=1))]
    assert chosen == [0, 1, 2, 3, 6, 9, 12, 15, 18, 21, 24, 27, 28, 29, 30, 31]
