"""Cases that are alike: some of them run in CI, the others are slow tests."""

from collections.abc import Iterable
from typing import Any

import pytest

_PARAM = type(pytest.param())


def sampled(cases: Iterable[Any], every: int) -> list[Any]:
    """The cases of a parametrization; only each so-and-so-many-th, from the first on, is not marked slow."""
    found = [case if isinstance(case, _PARAM) else pytest.param(*_values(case)) for case in cases]
    return [
        case
        if number % every == 0
        else pytest.param(*case.values, id=case.id, marks=(*case.marks, pytest.mark.slow))
        for number, case in enumerate(found)
    ]


def _values(case: Any) -> tuple[Any, ...]:
    return case if isinstance(case, tuple) else (case,)
