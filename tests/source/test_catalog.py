"""The shipped catalog: what it promises, without torch."""

import subprocess
import sys
from collections import Counter

import pytest

from anatomy.source import catalog
from anatomy.source.catalog import CatalogEntry

ENTRIES = catalog.entries()
SOURCED = [e for e in ENTRIES if not e.computed]


def test_at_least_sixty_architectures_have_a_published_count() -> None:
    assert len({repr(sorted(e.config.items())) for e in SOURCED}) >= 60


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda e: e.id)
def test_a_published_figure_is_the_parameters_and_the_named_items_beside_them(entry: CatalogEntry) -> None:
    if entry.published is None:
        assert not entry.beside
    else:
        assert entry.beside
        assert entry.parameters is not None
        assert entry.published == entry.parameters + sum(entry.beside.values())


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda e: e.id)
def test_every_entry_says_where_its_count_comes_from(entry: CatalogEntry) -> None:
    assert entry.parameters is not None
    assert entry.source.startswith("computed") == entry.computed
    assert {"model_type", "architectures"} <= set(entry.config)


def test_no_two_entries_share_a_name() -> None:
    names = Counter(name.lower() for e in ENTRIES for name in (e.id, *e.aliases))
    assert not [name for name, times in names.items() if times > 1]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("meta-llama/Llama-3.1-8B", "meta-llama/Llama-3.1-8B"),
        ("META-LLAMA/llama-3.1-8b", "meta-llama/Llama-3.1-8B"),
        ("meta-llama/Meta-Llama-3.1-8B", "meta-llama/Llama-3.1-8B"),
        ("Llama-3.1-8B", "meta-llama/Llama-3.1-8B"),
        ("bert-base-uncased", "google-bert/bert-base-uncased"),
        ("gpt2/xl", "openai-community/gpt2-xl"),
        ("gpt3/175b", "gpt3/175b"),
    ],
)
def test_a_model_is_found_by_id_alias_or_last_part_in_any_case(asked: str, found: str) -> None:
    entry = catalog.find(asked)
    assert entry is not None
    assert entry.id == found
    assert catalog.lookup(asked) == entry.config


@pytest.mark.parametrize("asked", ["nobody/nothing", "", "meta-llama", "Llama"])
def test_an_unknown_id_is_not_guessed(asked: str) -> None:
    assert catalog.lookup(asked) is None


def test_what_is_looked_up_can_be_changed_without_changing_the_catalog() -> None:
    first = catalog.lookup("meta-llama/Llama-3.1-8B")
    assert first is not None
    first["rope_scaling"]["factor"] = 1.0  # type: ignore[index]
    again = catalog.lookup("meta-llama/Llama-3.1-8B")
    assert again is not None
    assert again["rope_scaling"]["factor"] == 8.0


def test_facts_that_are_none_survive_a_format_without_none() -> None:
    config = catalog.lookup("mistralai/Mistral-7B-v0.3")
    assert config is not None
    assert config["sliding_window"] is None


def test_names_are_the_sorted_ids() -> None:
    assert set(catalog.names()) == {e.id for e in ENTRIES}
    assert list(catalog.names()) == sorted(catalog.names(), key=str.lower)


def test_looking_up_imports_neither_torch_nor_transformers() -> None:
    code = (
        "import sys; from anatomy.source import catalog; assert catalog.lookup('openai-community/gpt2');"
        "assert not {'torch', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
