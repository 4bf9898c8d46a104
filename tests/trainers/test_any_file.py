"""Whatever stands in a file: a reading in which every key has a fate, or a sentence."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anatomy.errors import AnatomyError
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
