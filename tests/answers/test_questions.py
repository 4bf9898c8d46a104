"""Questions about data: the real value, a stated assumption, or a refusal. Never a guess."""

import pytest
import torch
from families import make, tiny_recipe
from hypothesis import given
from hypothesis import strategies as st

from anatomy.answers.literals import literals_known
from anatomy.errors import RehearsalError
from anatomy.rehearsal.attribution import Attribution
from anatomy.rehearsal.cuda import Stage, Target
from anatomy.rehearsal.ledger import Ledger
from anatomy.rehearsal.recorder import Recorder
from anatomy.rehearsal.rehearse import rehearse


def recorder() -> Recorder:
    def nothing(_: bool) -> None:
        return

    return Recorder(Ledger(), Attribution(nothing, nothing), Stage(target=Target(name="cpu")), "meta")


ids = st.lists(st.integers(0, 9), min_size=1, max_size=20)


@given(ids)
def test_values_follow_integers_made_from_known_ones(values: list[int]) -> None:
    known = torch.tensor(values)
    with recorder():
        tensor = known.to("meta")
        mask = tensor.ne(3)
        assert mask.sum().item() == int(known.ne(3).sum())
        assert bool(mask.all()) == bool(known.ne(3).all())
        assert tensor[mask].shape == known[known.ne(3)].shape
        assert mask.nonzero().shape == known.ne(3).nonzero().shape
        assert (torch.arange(len(values), device="meta") + tensor).tolist() == (
            torch.arange(len(values)) + known
        ).tolist()


@given(ids)
def test_values_follow_writes_through_views(values: list[int]) -> None:
    known = torch.tensor(values)
    with recorder():
        tensor = known.to("meta")
        tensor[: len(values) // 2].add_(1)
    expected = known.clone()
    expected[: len(values) // 2].add_(1)
    with recorder():
        again = known.to("meta")
        again[: len(values) // 2].add_(1)
        assert again.tolist() == expected.tolist()


def test_a_value_is_forgotten_when_something_unknown_is_written_over_it() -> None:
    with recorder():
        tensor = torch.tensor([1, 2, 3]).to("meta")
        view = tensor[:2]
        tensor.copy_(torch.empty(3, device="meta"))
        with pytest.raises(RehearsalError):
            view.sum().item()


@pytest.mark.parametrize(
    "ask", [lambda t: t.item(), bool, lambda t: t.reshape(1).nonzero(), lambda t: t.tolist()]
)
def test_what_depends_on_activations_is_refused_with_its_place(ask: object) -> None:
    with recorder(), pytest.raises(RehearsalError, match=r"test_questions\.py"):
        ask(torch.empty((), device="meta"))  # type: ignore[operator]


def test_random_integers_are_not_known() -> None:
    with recorder(), pytest.raises(RehearsalError):
        torch.randint(0, 5, (3,), device="meta").sum().item()


def test_a_host_tensor_gives_its_own_value() -> None:
    with recorder():
        assert torch.tensor(7).item() == 7


def test_the_scaler_s_question_is_listed_as_an_assumption() -> None:
    rehearsal = rehearse(
        make("llama", "meta"), tiny_recipe("llama", precision="fp16-mixed"), component_of=lambda _: ""
    )
    assert any("overflow" in line for line in rehearsal.assumptions)


def test_without_the_scaler_nothing_is_assumed_about_overflow() -> None:
    rehearsal = rehearse(make("llama", "meta"), tiny_recipe("llama"), component_of=lambda _: "")
    assert not any("overflow" in line for line in rehearsal.assumptions)


@given(ids)
def test_what_a_boolean_index_selects_is_known(values: list[int]) -> None:
    known = torch.tensor(values)
    with recorder():
        tensor = known.to("meta")
        selected = tensor[tensor.ne(3)]
        assert selected.tolist() == known[known.ne(3)].tolist()


@given(ids)
def test_tensors_made_of_numbers_are_known(values: list[int]) -> None:
    with literals_known(), recorder():
        assert torch.tensor(values, device="meta").tolist() == values
        assert torch.as_tensor(values, device="meta").sum().item() == sum(values)
        repeated = torch.arange(len(values), device="meta").repeat_interleave(
            torch.tensor([v % 3 for v in values], device="meta")
        )
        assert repeated.tolist() == [i for i, v in enumerate(values) for _ in range(v % 3)]


@given(ids)
def test_tensors_made_of_known_scalars_are_known(values: list[int]) -> None:
    known = torch.tensor(values)
    with literals_known(), recorder():
        last = known.to("meta")[-1]
        assert torch.tensor([0, last, 3], device="meta").tolist() == [0, values[-1], 3]


def test_what_is_made_in_the_likeness_of_unknown_data_is_known() -> None:
    with recorder():
        hidden = torch.empty((2, 5), device="meta")
        mask = hidden.new_ones((2, 3)).masked_fill(torch.arange(3, device="meta") >= 2, 0)
        assert mask.tolist() == [[1, 1, 0], [1, 1, 0]]
        assert torch.full_like(hidden, 7).tolist() == [[7] * 5] * 2
        with pytest.raises(RehearsalError):
            hidden.tolist()
        with pytest.raises(RehearsalError):
            torch.zeros_like(hidden).add_(hidden).tolist()
