"""Blueprints made by hand: nothing here reads a file or the network."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pytest

from anatomy.blueprint import Blueprint, Origin, TensorHeader

Make = Callable[..., Blueprint]


@pytest.fixture
def blueprint_of() -> Make:
    """config, and tensors as (name, shape) or (name, shape, dtype) -> Blueprint."""

    def make(
        config: Mapping[str, Any] | None = None,
        tensors: Iterable[tuple[Any, ...]] | None = None,
        name: str = "org/model",
    ) -> Blueprint:
        headers = None
        if tensors is not None:
            headers = tuple(
                TensorHeader(name=n, shape=tuple(shape), dtype=dtype[0] if dtype else "BF16")
                for n, shape, *dtype in tensors
            )
        return Blueprint(id=name, origin=Origin(kind="folder", location=name), config=config, tensors=headers)

    return make
