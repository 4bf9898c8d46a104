"""With the versions that the project requires, nothing is supplied; where something is missing, only that is."""

import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils import flop_counter

from anatomy.older import adapt, bitsandbytes_0, switch_to_flash, torch_2, transformers_4
from anatomy.older.row import Row
from anatomy.older.supply import COMPLETE_SINCE, older_packages

ROOT = Path(__file__).parents[2]
ROWS = (*torch_2.ROWS, *transformers_4.ROWS, *bitsandbytes_0.ROWS)


def test_nothing_is_older_than_required_and_nothing_is_supplied() -> None:
    assert older_packages() == ()
    assert adapt() == ()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.what)
def test_looked_for_all_the_same_nothing_is_missing(row: Row) -> None:
    assert not row.is_missing()


def test_the_floors_are_those_that_the_project_requires() -> None:
    required = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    for package, (major, minor) in COMPLETE_SINCE.items():
        assert f"{package}>={major}.{minor}" in required


def test_with_required_versions_no_library_is_imported() -> None:
    code = "import sys; from anatomy.older import adapt; adapt(); print({'torch', 'transformers'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize(
    ("installed", "found"),
    [("2.4.1+cu121", ("torch",)), ("2.9.1", ("torch",)), ("2.10.0", ()), ("3.0.0", ())],
)
def test_versions_are_compared_as_numbers(monkeypatch: Any, installed: str, found: tuple[str, ...]) -> None:
    monkeypatch.setattr(
        "anatomy.older.supply.version", lambda name: installed if name == "torch" else version(name)
    )
    assert older_packages() == found


def test_flash_attention_on_meta_has_the_outputs_of_torchs_own_kernel() -> None:
    """The stand-in for 2.4 against the meta kernel that newer versions have."""
    q = torch.empty(2, 8, 96, 64, dtype=torch.bfloat16, device="meta")
    k = torch.empty(2, 2, 96, 64, dtype=torch.bfloat16, device="meta")
    ours = torch_2._flash_on_meta(q, k, k, 0.0, True)
    theirs = torch.ops.aten._scaled_dot_product_flash_attention(q, k, k, 0.0, True)
    for mine, own in list(zip(ours, theirs, strict=True))[:6]:
        if isinstance(own, torch.Tensor):
            assert (mine.shape, mine.stride(), mine.dtype) == (own.shape, own.stride(), own.dtype)
        else:
            assert mine == own


def test_grouped_heads_cost_what_newer_versions_say(monkeypatch: Any) -> None:
    shapes = ((2, 8, 32, 64), (2, 2, 32, 64), (2, 2, 32, 64))
    expected = flop_counter.sdpa_flop_count(*shapes)
    backward = flop_counter.sdpa_backward_flop_count(shapes[0], *shapes)
    for name in ("sdpa_flop_count", "sdpa_backward_flop_count"):
        monkeypatch.setattr(flop_counter, name, _refusing_groups(getattr(flop_counter, name)))
    assert torch_2._counts_no_grouped_heads()
    torch_2._count_grouped_heads()
    assert flop_counter.sdpa_flop_count(*shapes) == expected
    assert flop_counter.sdpa_backward_flop_count(shapes[0], *shapes) == backward


def _refusing_groups(count: Any) -> Any:
    def refusing(*shapes: Any) -> int:
        assert shapes[-3][1] == shapes[-2][1]
        return int(count(*shapes))

    return refusing


def test_a_function_asks_for_meta_where_it_asked_for_cuda() -> None:
    def on_device(name: str = "cuda") -> str:
        return "there" if name == "cuda" else f"not on {name}"

    renamed = bitsandbytes_0._renamed_device(on_device)
    assert renamed("meta") == "there"
    assert renamed("cpu") == "not on cpu"


class _Plain(nn.Module):
    pass


class _Flash(_Plain):
    pass


def test_an_attention_class_is_switched_by_the_table_beside_it(monkeypatch: Any) -> None:
    beside = ModuleType("models_of_that_time")
    beside.OTHER_ATTENTION_CLASSES = {"sdpa": _Plain, "flash_attention_2": _Flash}  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, beside.__name__, beside)
    for cls in (_Plain, _Flash):
        monkeypatch.setattr(cls, "__module__", beside.__name__)
    model = nn.ModuleList([_Plain(), nn.Linear(2, 2)])
    model[0].config = SimpleNamespace()
    switch_to_flash(model)
    assert type(model[0]) is _Flash
    assert type(model[1]) is nn.Linear


def test_models_of_today_are_left_alone() -> None:
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=2, vocab_size=16
    )
    with torch.device("meta"):
        model = LlamaForCausalLM(config)
    before = [(type(m), dict(vars(m))) for m in model.modules()]
    switch_to_flash(model)
    assert [(type(m), dict(vars(m))) for m in model.modules()] == before
