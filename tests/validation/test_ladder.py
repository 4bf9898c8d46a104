"""torchtune's ladder: every technique moves the predicted peak the way it moved the measured one."""

from itertools import pairwise

import pytest

from anatomy.validation.published.ladder import RUNGS, Rung, climb, ladder_markdown


@pytest.mark.slow
def test_every_step_has_the_direction_that_was_measured() -> None:
    rungs = tuple(climb(lambda text: None))
    assert [rung.id for rung in rungs] == list(RUNGS)
    for lower, upper in pairwise(rungs):
        measured = upper.measured_bytes - lower.measured_bytes
        predicted = upper.predicted_bytes - lower.predicted_bytes
        assert measured * predicted > 0, upper.id


def test_the_page_has_every_rung_with_its_steps() -> None:
    first, second = list(RUNGS)[:2]
    made = (
        Rung(id=first, changes={}, measured_bytes=4 * 2**30, predicted_bytes=5 * 2**30, peak="in the loss"),
        Rung(
            id=second,
            changes={"loss": "x"},
            measured_bytes=3 * 2**30,
            predicted_bytes=2**30,
            peak="in backward",
        ),
    )
    page = ladder_markdown(made)
    assert f"| {second} | loss = x | in backward | 3.00 | 1.00 | -1.00 | -4.00 |" in page
    assert "pytorch/torchtune@" in page
