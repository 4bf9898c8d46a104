"""Everything that is known of one row: the lines of the details, and the numbers behind them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

from anatomy.architecture.tree import OwnParameter
from anatomy.memory.timeline import Category
from anatomy.planning.modules import HeldParameter
from anatomy.tui.tree.columns import percent
from anatomy.tui.tree.marks import MARKS, Marker
from anatomy.tui.tree.outline import Row
from anatomy.tui.tree.shares import Shares, held_bytes
from anatomy.tui.tree.words import WORDS, sides
from anatomy.units import bytes_column, format_bytes, format_count

_LORA = re.compile(r"lora_(?:embedding_)?([AB])(?:\.|$)")
LISTED = 12
"""Parameters listed one by one; of the others it is said how many there are."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One fact."""

    name: str
    """What it is; '' where the text is a sentence."""
    text: str
    """As shown."""
    value: int | None = None
    """The number behind it, in the unit of what it is: elements, bytes, operations."""
    category: Category | None = None
    """Of memory."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    """Facts that belong together."""

    title: str
    lines: tuple[Line, ...]


def describe(marker: Marker, row: Row) -> tuple[Section, ...]:
    """The details of a row, section by section; those of a plan only once there is one."""
    sections = (
        Section(title="", lines=tuple(_what(marker, row))),
        Section(title="Parameters", lines=tuple(_parameters(marker, row))),
        *_planned(marker, row),
    )
    return tuple(section for section in sections if section.lines)


def _what(marker: Marker, row: Row) -> Iterator[Line]:
    outline, marks = marker.outline, marker.marks(row)
    kind, own = outline.kind(row.item), outline.owns[row.item]
    component = outline.component(row.item)
    name, sentence = WORDS.get(component, WORDS[""])
    if row.item == 0:
        name, sentence = "model", "The whole model."
    elif own is not None:
        name = f"parameter, {component}" if component else "parameter of several components"
    yield Line(name="path", text=row.place or "the model itself")
    if kind:
        yield Line(name="class", text=kind)
    if row.times > 1:
        yield Line(name="times", text=f"{row.times:,} alike; every number is of all of them", value=row.times)
    yield Line(name="is", text=name)
    yield Line(name="", text=sentence)
    for other in marks.tied:
        yield Line(name="tied with", text=other)
    if words := [MARKS[letter] for letter in marks.letters.replace("=", "") if letter.strip()]:
        yield Line(name="marks", text="; ".join(words))


def _parameters(marker: Marker, row: Row) -> Iterator[Line]:
    outline, total = marker.outline, marker.outline.total(0)
    yield _count("in all", row.parameters)
    if total:
        yield Line(name="of the model", text=percent(row.parameters, total))
    stored = outline.stored_bytes(row.parameters)
    if stored is not None and row.parameters:
        yield Line(name="stored", text=f"{format_bytes(stored)} in {outline.dtype}", value=stored)
    own = outline.own(row.item)
    if own and row.parameters != (mine := row.times * sum(_elements(p) for p in own)):
        yield _count("its own", mine)
    for parameter in own[:LISTED]:
        yield Line(
            name=parameter.name, text=_shape(marker, row, parameter), value=row.times * _elements(parameter)
        )
    if own[LISTED:]:
        yield Line(name="", text=f"and {len(own) - LISTED} more")


def _shape(marker: Marker, row: Row, parameter: OwnParameter) -> str:
    outline = marker.outline
    owner = row.item if outline.owns[row.item] is None else outline.parents[row.item]
    found = [sides(outline.kind(owner), outline.component(owner), parameter)]
    shape = " × ".join(f"{side:,}" for side in parameter.shape)
    if shape and shape != found[0]:
        found.insert(0, shape)
    if outline.dtype:
        found.append(outline.dtype)
    if len(parameter.parts) > 1:
        found.append(" + ".join(f"{name} {format_count(count)}" for name, count in parameter.parts))
    return ", ".join(found)


def _planned(marker: Marker, row: Row) -> Iterator[Section]:
    shares = marker.shares
    if shares is None:
        return
    if marker.outline.owns[row.item] is None:
        yield Section(title="Memory at the peak", lines=tuple(_memory(shares, row)))
        yield Section(title="Compute, one step", lines=tuple(_compute(shares, row)))
    yield Section(title="In this run", lines=tuple(_training(shares, row)))
    yield Section(title="Adapters on it", lines=tuple(_adapters(shares, row)))


def _memory(shares: Shares, row: Row) -> Iterator[Line]:
    peak = shares.peak(row)
    total = sum(peak.values())
    show = bytes_column(peak.values())
    yield Line(
        name="in all",
        text=f"{format_bytes(total)} ({percent(total, shares.peak_bytes)})",
        value=total,
    )
    for category, size in sorted(peak.items(), key=lambda pair: -pair[1]):
        yield Line(name=category.value, text=show(size), value=size, category=category)


def _compute(shares: Shares, row: Row) -> Iterator[Line]:
    flops, again = shares.flops(row), shares.recomputed_flops(row)
    if flops:
        yield Line(name="forward, backward", text=_operations(flops), value=flops)
    if again:
        yield Line(name="recomputed", text=_operations(again), value=again)


def _training(shares: Shares, row: Row) -> Iterator[Line]:
    counts, held = shares.counts(row), shares.held_by(row)
    yield _count("trainable", counts.trainable)
    if counts.adapters:
        yield _count("in adapters", counts.adapters)
    base = {parameter: times for parameter, times in held.items() if not parameter.adapter}
    for parameter, times in list(base.items())[:LISTED]:
        state = "trainable" if parameter.trainable else "frozen"
        size = held_bytes(((parameter, times),))
        each = f", {times:,} of them" if times > 1 else ""
        text = f"{_sides(parameter)}, {parameter.dtype}, {state}{each}"
        yield Line(name=f"{parameter.name} held as", text=text, value=size)


def _adapters(shares: Shares, row: Row) -> Iterator[Line]:
    """Real shapes, as they are held: A 64 × 4,096."""
    found = {parameter: times for parameter, times in shares.held_by(row).items() if parameter.adapter}
    for parameter, times in list(found.items())[:LISTED]:
        lora = _LORA.search(parameter.name)
        name = f"LoRA {lora[1]}" if lora else parameter.name
        each = f", {times:,} of them" if times > 1 else ""
        state = "" if parameter.trainable else ", frozen"
        yield Line(
            name=name,
            text=f"{_sides(parameter)}, {parameter.dtype}{state}{each}",
            value=times * prod(parameter.shape),
        )


def _sides(parameter: HeldParameter) -> str:
    return " × ".join(f"{side:,}" for side in parameter.shape) or "one number"


def _count(name: str, count: int) -> Line:
    short = format_count(count)
    exact = f"{count:,}"
    return Line(name=name, text=exact if short == str(count) else f"{short} ({exact})", value=count)


def _operations(count: int) -> str:
    return f"{format_count(count).replace(' B', ' G')}FLOP" if count >= 1000 else f"{count} FLOP"


def _elements(parameter: OwnParameter) -> int:
    return sum(count for _, count in parameter.parts)
