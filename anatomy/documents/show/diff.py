"""What `anatomy show A B --diff` says."""

from collections.abc import Sequence
from typing import Any

from anatomy.architecture.difference import Change, Difference, Held, TensorChange
from anatomy.documents.document import Block, Column, Document, Facts, Notes, Sentence, Table
from anatomy.documents.signed import signed_count
from anatomy.units import format_count


def diff_document(found: Difference) -> Document:
    """Facts, config, components and tensors that differ, the second model beside the first."""
    left, right = found.left, found.right
    facts = [("first", f"{left.id}: {format_count(left.total)} ({left.total:,}), {left.origin}")]
    facts.append(("second", f"{right.id}: {format_count(right.total)} ({right.total:,}), {right.origin}"))
    components = _components(found.components)
    blocks: list[Block] = [Facts(items=tuple(facts))]
    if found.is_none:
        blocks.append(
            Sentence(text="Nothing differs in facts, config, components, shapes or dtypes.", tone="good")
        )
    for title, changes, caption in (("Facts", found.facts, ""), ("Config", found.config, _UNSAID)):
        if changes:
            blocks.append(_changes(title, changes, caption))
    blocks.append(components)
    if found.tensors:
        blocks.append(_tensors(found.tensors))
    if found.notes:
        blocks.append(Notes(title="Notes", items=found.notes))
    return Document(
        title=f"{left.id} and {right.id}",
        blocks=tuple(blocks),
        table=components,
        data=found.to_dict(),
    )


_UNSAID = "- where the config does not say it: its class's default holds."


def _changes(title: str, changes: Sequence[Change], caption: str) -> Table:
    return Table(
        title=title,
        columns=(
            Column(name="name", title="name", keep=True),
            Column(name="left", title="first", show=_value),
            Column(name="right", title="second", show=_value),
        ),
        rows=tuple((change.name, change.left, change.right) for change in changes),
        caption=caption if any(None in (change.left, change.right) for change in changes) else "",
    )


def _value(value: Any) -> str:
    return "-" if value is None else f"{value:,}" if type(value) is int else str(value)


def _components(changes: Sequence[Change]) -> Table:
    rows = tuple((c.name, c.left, c.right, c.right - c.left) for c in changes)
    sums = tuple(sum(column) for column in zip(*(row[1:] for row in rows), strict=True))
    return Table(
        title="Components",
        columns=(
            Column(name="component", title="component", keep=True),
            Column(name="left", title="first", show=lambda n: f"{n:,}", right=True, keep=True),
            Column(name="right", title="second", show=lambda n: f"{n:,}", right=True, keep=True),
            Column(name="difference", title="difference", show=signed_count, right=True, keep=True),
        ),
        rows=rows,
        total=("total", *sums),
    )


_SHORT = 48
"""Longest name that is never broken over lines."""


def _tensors(changes: Sequence[TensorChange]) -> Table:
    return Table(
        title="Tensors",
        columns=(
            Column(name="path", title="name", keep=max(len(c.path) for c in changes) <= _SHORT),
            Column(name="left", title="first"),
            Column(name="right", title="second"),
            Column(
                name="difference", title="parameters", show=signed_count, right=True, keep=True, optional=True
            ),
        ),
        rows=tuple((c.path, _held(c.left), _held(c.right), c.parameters) for c in changes),
        caption="* stands for the numbers of layers and experts.",
    )


def _held(held: Sequence[Held]) -> str:
    """'32 of 4096 x 1024 BF16'."""
    return (
        "; ".join(f"{n} of {' x '.join(map(str, shape))} {dtype}".strip() for n, shape, dtype in held) or "-"
    )
