"""What is asked of the process behind the interface, and what is given up."""

from typing import Any

import pytest

from anatomy.errors import RecipeError
from anatomy.planning.settings import make_recipe
from anatomy.training.recipe import Recipe
from anatomy.tui.backstage.requests import (
    Answer,
    Doing,
    Failed,
    ModelAsked,
    OpenRecord,
    Rehearse,
    Request,
    Show,
)
from anatomy.tui.conversation import Conversation, ModelKnown, RecordKnown, RunKnown
from anatomy.tui.desk import KEPT_ANSWERS, Desk, Run

NO = Failed(message="no")


class Process:
    """Writes down what it is asked."""

    def __init__(self) -> None:
        self.log: list[Any] = []
        self.ticket = 0

    def ask(self, request: Request) -> int:
        self.ticket += 1
        self.log.append(request)
        return self.ticket

    def drop(self) -> None:
        self.log.append("drop")


@pytest.fixture
def desk():
    return Desk(ModelAsked(reference="m"), Run(recipe=Recipe()))


@pytest.fixture
def talk(desk):
    process = Process()
    conversation = Conversation(process)
    conversation.take_up(desk)
    assert [type(request) for request in process.log] == [Show, Rehearse]
    process.log.clear()
    return conversation, process


def test_the_answer_is_shown(desk, talk):
    conversation, _ = talk
    assert conversation.hear(Doing(ticket=1, text="building")) is None
    assert conversation.doing == "building"
    assert conversation.hear(Answer(ticket=1, value=NO)) == ModelKnown(value=NO)
    assert conversation.hear(Answer(ticket=2, value=NO)) == RunKnown(run=desk.run)
    assert desk.failure == NO
    assert not conversation.busy
    assert conversation.doing == ""


def test_another_run_gives_up_the_one_under_way_but_not_the_model(desk, talk):
    conversation, process = talk
    desk.change("r", 64)
    conversation.settle()
    assert [type(entry) for entry in process.log] == [str, Show, Rehearse]
    assert process.log[-1].recipe.r == 64
    assert conversation.hear(Answer(ticket=2, value=NO)) is None  # of what was given up


def test_another_optimizer_waits_for_the_run_under_way(desk, talk):
    conversation, process = talk
    first = desk.run
    desk.change("optimizer", "adafactor")
    conversation.settle()
    assert process.log == []
    assert conversation.hear(Answer(ticket=2, value=NO)) == RunKnown(run=first)
    assert process.log[-1].recipe.optimizer == "adafactor"
    assert desk.failure is None  # it was of the other one


def test_the_same_run_is_not_asked_twice(desk, talk):
    conversation, process = talk
    desk.change("r", 64)
    desk.change("r", 16)
    assert desk.run.recipe == Recipe()
    conversation.settle()
    assert "drop" in process.log  # 16 is chosen now: what is chosen does not give way to the model
    process.log.clear()
    conversation.settle()
    assert process.log == []


def test_records_are_read_beside(talk):
    conversation, process = talk
    conversation.open_record("run.json")
    assert process.log == [OpenRecord(path="run.json")]
    assert conversation.hear(Answer(ticket=3, value=NO)) == RecordKnown(path="run.json", value=NO)


def test_what_is_known_is_not_asked(desk, talk):
    conversation, process = talk
    start = desk.run
    conversation.hear(Answer(ticket=2, value=NO))
    desk.change("method", "full")
    conversation.settle()
    desk.take(start)
    process.log.clear()
    conversation.settle()
    assert process.log == []
    assert desk.failure == NO
    desk.forget(start)
    conversation.settle()
    assert isinstance(process.log[-1], Rehearse)


def test_an_impossible_setting_changes_nothing(desk):
    before = desk.run
    with pytest.raises(RecipeError):
        desk.change("r", 0)
    assert desk.run == before


def test_a_setting_that_is_given_back_has_its_default(desk):
    before = desk.run
    for name, value in {"r": 64, "alpha": 8, "target_modules": ("q_proj",), "gpu": "RTX 4090"}.items():
        desk.change(name, value)
        assert desk.run.key != before.key
        desk.change(name, None)
        assert desk.run.key == before.key


def test_only_so_many_answers_are_kept(desk):
    runs = [Run(recipe=make_recipe({"seq_len": length})) for length in range(1, KEPT_ANSWERS + 2)]
    for run in runs:
        desk.learn(run, NO)
    desk.take(runs[0])
    assert desk.failure is None
    desk.take(runs[-1])
    assert desk.failure == NO
