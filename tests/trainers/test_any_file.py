"""Whatever stands in a file: a reading in which every key has a fate, or a sentence."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anatomy.errors import AnatomyError, RecipeError
from anatomy.trainers.apply import Application
from anatomy.trainers.kinds import TRAINERS

SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 5000), st.floats(), st.text(max_size=8),
    st.sampled_from(["auto", "lora", "qlora", "full", "4", "1e-3", "sdpa", "bf16", "q_proj,v_proj", "all-linear", "no", "x["]),
)  # fmt: skip
VALUES = st.one_of(
    SCALARS, st.lists(SCALARS, max_size=3), st.dictionaries(st.sampled_from(["use_reentrant", "dtype", "a", "rank"]), SCALARS, max_size=2)
)  # fmt: skip


@pytest.mark.parametrize("kind", TRAINERS)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_reading_or_a_sentence(kind, data):
    trainer = TRAINERS[kind]
    acting = sorted({key for row in (*trainer.rules, *trainer.caveats) for key in row.keys})
    keys = st.sampled_from([*acting, *sorted(trainer.known), "unheard_of"])
    said = data.draw(st.dictionaries(keys, VALUES, max_size=6))
    try:
        found = Application(trainer, said).reading("file")
    except AnatomyError as error:
        reason = error.message
    else:
        reason = None
    if reason is not None:
        assert reason.endswith(".")
        return
    named = [key.name for key in found.keys]
    assert {*said} <= {*named}
    json.dumps(found.to_dict(found.recipe), allow_nan=False)
    for name in (*found.given, *found.defaults):
        assert hasattr(found.recipe, name)
    assert not {*found.given} & {*found.defaults} - {"peft"}


def test_everything_that_is_wrong_is_said_at_once(reading):
    said = {
        "model_name_or_path": "org/model", "lora_rank": "abc", "cutoff_len": 0, "lora_dropout": 2,
        "per_device_train_batch_size": -1, "stage": "sft", "model_revision": 7,
    }  # fmt: skip
    with pytest.raises(RecipeError) as caught:
        reading(said, "llamafactory")
    parts = caught.value.message.splitlines()
    assert parts[0].endswith("5 settings cannot be as they are:")
    assert [line.split()[1] for line in parts[1:]] == [
        "lora_rank",
        "per_device_train_batch_size:",
        "cutoff_len:",
        "lora_dropout:",
        "model_revision",
    ]
    assert all(line.startswith("  - ") and line.endswith(".") for line in parts[1:])


def test_one_wrong_value_is_one_sentence_with_its_hint(reading):
    with pytest.raises(RecipeError) as caught:
        reading({"per_device_train_batch_size": 0, "optim": "sgd", "learning_rate": 1e-3}, "transformers")
    assert "\n" not in caught.value.message
    assert "batch_size is 0" in caught.value.message
    assert caught.value.hint == "the default is 1"


def test_a_recipe_of_our_own_says_everything_too(reading):
    text = 'r = "x"\nseq_len = 0\nfoo = 1\nmethod = "bar"\n'
    with pytest.raises(RecipeError) as caught:
        reading(text, "anatomy", name="run.toml")
    for words in ("r is 'x'", "seq_len is 0", "'foo' is not a setting", "method is 'bar'"):
        assert words in caught.value.message


def test_what_the_file_does_not_say_is_called_the_trainers_default(reading):
    base = {"model_name_or_path": "org/model", "dtype": "bfloat16"}
    found = reading(base, "trl")
    assert [(key.name, key.left_out) for key in found.of("not modelled")] == [("loss_type", True)]
    assert found.warnings == (f"{found.file}: the numbers leave out loss_type (TRL's default)",)
    assert found.not_modelled[0].startswith("loss_type (TRL's default): ")
    written = reading({**base, "loss_type": "chunked_nll"}, "trl")
    assert written.warnings == (f"{written.file}: the numbers leave out loss_type",)
    assert written.not_modelled[0].startswith("loss_type chunked_nll (TRL): ")


def test_a_key_that_switches_something_off_is_the_files_own(reading):
    found = reading(
        {"model_name_or_path": "org/model", "stage": "sft", "freeze_vision_tower": False}, "llamafactory"
    )
    (key,) = found.of("not modelled")
    assert (key.name, key.value, key.left_out) == ("freeze_vision_tower", False, False)
    assert [k.fate for k in found.keys if k.name == "freeze_vision_tower"] == ["not modelled"]


@pytest.mark.parametrize(
    ("kind", "said", "words"),
    [
        ("axolotl", {"base_model": "m", "optimizer": "came_pytorch"}, "optimizer came_pytorch: "),
        ("transformers", {"optim": "no_such"}, "optim no_such: "),
        ("llamafactory", {"use_badam": True, "optim": "sgd"}, "use_badam True: "),
    ],
)
def test_an_optimizer_of_the_trainers_own_has_to_be_chosen_anew(reading, kind, said, words):
    found = reading(said, kind)
    assert "optimizer" not in {**found.given, **found.defaults}
    with pytest.raises(RecipeError, match=words) as caught:
        found.check_chosen({"method", *found.given})
    assert "--optimizer X" in caught.value.hint
    found.check_chosen({"optimizer"})
