"""Values that are one number everywhere take no room until somebody could write into them, and then are like any other."""

import pytest
import torch

from anatomy.answers.questions import Questions
from anatomy.rehearsal.attribution import Attribution
from anatomy.rehearsal.cuda import Stage, Target
from anatomy.rehearsal.ledger import Ledger
from anatomy.rehearsal.recorder import Recorder

ROOM = 1 << 20
"""Elements, far above those that are laid out at once."""


@pytest.fixture
def recorder():
    return Recorder(Ledger(), Attribution(lambda _: None, lambda _: None), Stage(target=Target()), "meta")


def value_of(recorder: Recorder, tensor: torch.Tensor) -> torch.Tensor | None:
    questions: Questions = recorder.questions
    return questions.values.of(tensor)


def taken(value: torch.Tensor | None) -> int:
    assert value is not None
    return value.untyped_storage().nbytes()


@pytest.mark.parametrize(
    ("make", "number"),
    [
        (lambda: torch.zeros(ROOM, dtype=torch.uint8, device="meta"), 0),
        (lambda: torch.ones(1024, 1024, dtype=torch.long, device="meta"), 1),
        (lambda: torch.full((ROOM,), 7, device="meta"), 7),
        (lambda: torch.zeros_like(torch.empty(ROOM, dtype=torch.bool, device="meta")), 0),
        (lambda: torch.full_like(torch.empty(ROOM, dtype=torch.int32, device="meta"), 3), 3),
        (lambda: torch.empty(1, dtype=torch.int16, device="meta").new_full((ROOM,), 5), 5),
    ],
)
def test_a_number_everywhere_takes_no_room(recorder, make, number):
    with recorder:
        made = make()
    value = value_of(recorder, made)
    assert taken(value) <= 8
    assert value.shape == made.shape
    assert value.dtype == made.dtype
    assert bool((value == number).all())


def test_written_into_it_is_like_any_other(recorder):
    with recorder:
        made = torch.zeros(ROOM, dtype=torch.long, device="meta")
        made[3:5] = 9  # a view, and a write through it
        made.add_(1)
        found = int(made.sum())
    assert found == ROOM + 18
    assert taken(value_of(recorder, made)) == 8 * ROOM


def test_views_and_their_base_stay_one(recorder):
    with recorder:
        base = torch.ones(4, ROOM, dtype=torch.int32, device="meta")
        part = base[2]
        base.mul_(2)
        part.add_(1)
        assert int(base.sum()) == 3 * 2 * ROOM + 3 * ROOM


def test_what_unknown_numbers_are_written_into_is_not_known_and_not_laid_out(recorder):
    with recorder:
        state = torch.zeros(ROOM, dtype=torch.uint8, device="meta")
        torch._foreach_add_([state], [torch.empty(ROOM, dtype=torch.uint8, device="meta")])
    assert value_of(recorder, state) is None
    assert state._anatomy_value.untyped_storage().nbytes() <= 8
