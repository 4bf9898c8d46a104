"""What `anatomy show` says of an adapter: its settings, its base, and what it adds to which modules."""

from collections.abc import Iterator, Mapping
from typing import Any

from anatomy.architecture.adapter import AdapterFacts
from anatomy.documents.document import Column, Table, share_of
from anatomy.units import format_count

_TITLES: dict[str, str] = {
    "r": "rank",
    "init_r": "rank at the start",
    "num_virtual_tokens": "virtual tokens",
    "lora_alpha": "alpha",
    "lora_dropout": "dropout",
    "target_modules": "target modules",
    "target_parameters": "target parameters",
    "modules_to_save": "saved whole",
    "task_type": "task",
    "layers_to_transform": "layers",
    "rank_pattern": "ranks of their own",
    "alpha_pattern": "alphas of their own",
}
"""PEFT's setting -> what it is called here; the others keep their names."""

_LONGEST = 200


def adapter_facts(adapter: AdapterFacts, parameters: int) -> Iterator[tuple[str, str]]:
    """(title, value) lines; `parameters` are the adapter's own."""
    yield "adapter", adapter.peft_type
    for key, value in adapter.settings.items():
        yield _TITLES.get(key, key), _said(value)
    if adapter.base is None:
        return
    count = adapter.base_parameters
    if count is None:
        yield "base", _said(adapter.base)
        return
    yield "base", f"{_said(adapter.base)}, {format_count(count)} ({count:,}) parameters"
    yield "adapter of base", share_of(parameters, count)
    if adapter.placed is not None:
        fitting, of = adapter.placed
        yield "modules", f"{fitting:,} of the {of:,} adapted are in the base, with matrices of these widths"


def adapter_table(adapter: AdapterFacts) -> Table | None:
    """Modules of one name and what is added to each; None where the weights' header is not known."""
    if not adapter.modules:
        return None
    rows = [
        (item.module or "(the model)", item.count, _shapes(item.shapes), item.parameters)
        for item in sorted(adapter.modules, key=lambda item: (-item.parameters, item.module))
    ]
    return Table(
        title="Adapted modules",
        columns=(
            Column(name="module", title="module", keep=True),
            Column(name="count", title="count", show=lambda n: f"{n:,}", right=True, keep=True),
            Column(name="added", title="added to each"),
            Column(name="parameters", title="parameters", show=lambda n: f"{n:,}", right=True, keep=True),
        ),
        rows=tuple(rows),
        total=("total", sum(row[1] for row in rows), "", sum(row[3] for row in rows)),
        caption=f"Saved whole beside them: {adapter.copied:,} parameters." if adapter.copied else "",
    )


def _shapes(shapes: tuple[tuple[str, tuple[int, ...]], ...]) -> str:
    return ", ".join(f"{name} {' × '.join(map(str, shape)) or 'scalar'}" for name, shape in shapes)


def _said(value: Any) -> str:
    """A setting as a person writes it, on one line."""
    if isinstance(value, list):
        text = ", ".join(map(str, value))
    elif isinstance(value, Mapping):
        text = ", ".join(f"{key}: {item}" for key, item in value.items())
    else:
        text = str(value)
    shown = "".join(character if character.isprintable() else "?" for character in text)
    return shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]}..."
