"""Anatomies of configs that were published, and of tiny ones."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from anatomy.architecture.anatomy import Anatomy, describe
from anatomy.architecture.skeleton import Skeleton
from anatomy.blueprint import Blueprint, Origin
from anatomy.source import catalog

Describe = Callable[..., tuple[Anatomy, Skeleton | None]]


@pytest.fixture(scope="session")
def described() -> Describe:
    """A shipped model's id, or a config -> its anatomy and the model."""
    known: dict[str, tuple[Anatomy, Skeleton | None]] = {}

    def make(model: str | Mapping[str, Any], **changed: Any) -> tuple[Anatomy, Skeleton | None]:
        key = repr((model, changed))
        if key not in known:
            entry = catalog.find(model) if isinstance(model, str) else None
            config = {**(entry.config if entry else model), **changed}
            known[key] = describe(
                Blueprint(id=str(model), origin=Origin(kind="catalog", location=""), config=config)
            )
        return known[key]

    return make
