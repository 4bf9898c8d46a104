"""Every model of the catalog, built by transformers without weights, holds the published number of parameters."""

import copy
from typing import Any

import pytest
import torch
import transformers
from transformers import AutoConfig

from anatomy.architecture.anatomy import anatomy_from
from anatomy.source import catalog, load
from anatomy.source.catalog import CatalogEntry

# Entries that share their facts are built once.
BUILT: dict[str, int] = {}

# What the papers print: 125M to 175.0B (Brown et al. 2020, table 2.1).
GPT3_NOMINAL = {
    "gpt3/125m": 125e6,
    "gpt3/350m": 350e6,
    "gpt3/760m": 760e6,
    "gpt3/1.3b": 1.3e9,
    "gpt3/2.7b": 2.7e9,
    "gpt3/6.7b": 6.7e9,
    "gpt3/13b": 13e9,
    "gpt3/175b": 175e9,
}


def skeleton(facts: dict[str, Any]) -> torch.nn.Module:
    facts = copy.deepcopy(facts)
    config = AutoConfig.for_model(facts.pop("model_type"), **facts)
    with torch.device("meta"):
        model = getattr(transformers, facts["architectures"][0])(config)
    if facts.get("tie_word_embeddings") is False:
        untie_head(model)
    return model


def untie_head(model: Any) -> None:
    """Give the head its own matrix, as the checkpoint does: transformers 5 ties T5's whatever the config says."""
    head = model.get_output_embeddings()
    if head.weight is model.get_input_embeddings().weight:
        head.weight = torch.nn.Parameter(torch.empty_like(head.weight))


def held(entry: CatalogEntry) -> int:
    key = repr(sorted(entry.config.items(), key=str))
    if key not in BUILT:
        BUILT[key] = sum(p.numel() for p in skeleton(dict(entry.config)).parameters())
    return BUILT[key]


@pytest.mark.parametrize("entry", catalog.entries(), ids=lambda e: e.id)
def test_the_model_holds_the_parameters_that_its_source_states(entry: CatalogEntry) -> None:
    assert held(entry) == entry.parameters


@pytest.mark.parametrize(
    "entry", [e for e in catalog.entries() if e.config["model_type"] == "t5"], ids=lambda e: e.id
)
def test_where_the_class_alone_holds_another_number_both_are_reported(entry: CatalogEntry) -> None:
    """The T5 family: transformers 5 ties its head, but Flan-T5's checkpoints store one of its own."""
    built = anatomy_from(load(entry.id, headers=False))
    if built.total == entry.parameters:
        assert not built.also
        return
    assert [total for _, total in built.also] == [entry.parameters]
    assert f"{entry.parameters:,} parameters" in entry.note
    assert f"holds {built.total:,}" in entry.note
    assert entry.note in built.notes


def test_santacoder_holds_what_its_name_and_card_say() -> None:
    """1.1 B (the model card), one key and value head: of c_attn's 2,304 outputs 2 x 128 are keys and values."""
    entry = catalog.find("bigcode/santacoder")
    assert entry is not None
    assert held(entry) == pytest.approx(1.1e9, rel=0.025)
    components = anatomy_from(load(entry.id, headers=False)).by_component
    assert components["attention.key"] == components["attention.value"] == 24 * (128 * 2048 + 128)


@pytest.mark.parametrize("id_", GPT3_NOMINAL)
def test_the_gpt3_table_is_met_to_its_printed_digits(id_: str) -> None:
    entry = catalog.find(id_)
    assert entry is not None
    assert held(entry) == pytest.approx(GPT3_NOMINAL[id_], rel=0.025)


def test_the_matrices_of_gpt3_175b_add_up_as_published() -> None:
    """Embedding, unembedding and the six matrices of each layer: 175,181,291,520, as 3Blue1Brown's table adds them."""
    model = skeleton(dict(catalog.lookup("gpt3/175b") or {}))
    matrices = {n: p.numel() for n, p in model.named_parameters() if p.dim() == 2 and "wpe" not in n}
    embedding = matrices["transformer.wte.weight"]
    assert embedding == 617_558_016
    assert sum(n for name, n in matrices.items() if "c_attn" in name) == 3 * 14_495_514_624
    assert sum(n for name, n in matrices.items() if "attn.c_proj" in name) == 14_495_514_624
    assert sum(n for name, n in matrices.items() if "mlp.c_fc" in name) == 57_982_058_496
    # GPT-2's head is tied; the table counts the unembedding as a matrix of its own.
    assert sum(matrices.values()) + embedding == 175_181_291_520
