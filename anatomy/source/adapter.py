"""Adapters as PEFT saves them: adapter_config.json beside adapter_model.safetensors."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from anatomy.blueprint import Adapter, Blueprint, Origin, TensorHeader
from anatomy.source.inside import inside
from anatomy.source.jsonfile import read_object
from anatomy.source.pickles import UNOPENED
from anatomy.source.safetensors import read_header

ADAPTER_CONFIG = "adapter_config.json"
ADAPTER_FILE = "adapter_model.safetensors"
_PICKLE = "adapter_model.bin"


def read_adapter(folder: Path) -> Blueprint | None:
    """The adapter in `folder`, its base not yet looked for; None where there is none."""
    config, weights = inside(folder, ADAPTER_CONFIG), inside(folder, ADAPTER_FILE)
    if not config.is_file():
        return None
    tensors = read_header(weights) if weights.is_file() else None
    lacks = "" if tensors is not None else missing_note(str(folder), pickled=(folder / _PICKLE).is_file())
    origin = Origin(kind="folder", location=str(folder))
    return adapter_blueprint(str(folder), origin, read_object(config), tensors, lacks)


def adapter_blueprint(
    reference: str,
    origin: Origin,
    config: Mapping[str, Any],
    tensors: tuple[TensorHeader, ...] | None,
    note: str = "",
) -> Blueprint:
    """An adapter by its settings and its weights' headers."""
    return Blueprint(
        id=reference,
        origin=origin,
        tensors=tensors,
        adapter=Adapter(config=config),
        notes=(note,) if note else (),
    )


def missing_note(where: str, *, pickled: bool) -> str:
    """Why the headers of an adapter's weights are not known."""
    if pickled:
        return f"The weights in {where} are {UNOPENED}: {_PICKLE}. Only the adapter's settings are known."
    return f"{where} holds no {ADAPTER_FILE}: only the adapter's settings are known."
