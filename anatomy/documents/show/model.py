"""What `anatomy show` says: facts, components, tree, and the checkpoint beside the model."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from anatomy.architecture.anatomy import Anatomy
from anatomy.architecture.facts import Facts as ModelFacts
from anatomy.architecture.stored import Stored
from anatomy.documents.document import (
    Block,
    Column,
    Document,
    Facts,
    Notes,
    Sentence,
    Table,
    named,
    share_of,
)
from anatomy.documents.show.stored_types import types_table
from anatomy.documents.show.tree import modules_tree
from anatomy.units import bytes_column, format_bytes, format_count

NF4_BLOCK = 64
"""Weights that share one scale in bitsandbytes' 4-bit formats (its default block size)."""
NF4_SCALES = 256
"""Scales that share one fp32 scale under double quantization (QLoRA, arXiv:2305.14314, section 3)."""


def bytes_as(parameters: int) -> tuple[int, int, int, int]:
    """Bytes of weights in fp32, bf16, int8 and nf4, each as if all of them were stored so.

    nf4 is 4 bits, a one-byte scale for every 64 weights, and four bytes for every 256 scales; int8 is counted
    without scales.
    """
    scales = -(-parameters // NF4_BLOCK)
    nf4 = -(-parameters // 2) + scales + 4 * -(-scales // NF4_SCALES)
    return 4 * parameters, 2 * parameters, parameters, nf4


def show_document(anatomy: Anatomy, *, depth: int | None = None) -> Document:
    """The report on a model. `depth` limits the levels of the tree; None shows all."""
    components = _components(anatomy)
    blocks: list[Block] = [Facts(items=tuple(_facts(anatomy)))]
    if anatomy.unclassified:
        blocks.append(_unclassified(anatomy))
    blocks += [components, modules_tree(anatomy, depth)]
    blocks += _adapted(anatomy)
    if anatomy.stored is not None:
        blocks.append(_stored(anatomy, anatomy.stored))
        if types := types_table(anatomy.stored):
            blocks.append(types)
    if anatomy.tied:
        blocks.append(_tied(anatomy))
    if anatomy.notes:
        blocks.append(Notes(title="Notes", items=anatomy.notes))
    return Document(
        title=named(anatomy.id, anatomy.overrides),
        blocks=tuple(blocks),
        table=components,
        data=anatomy.to_dict(),
    )


def _facts(anatomy: Anatomy) -> Iterator[tuple[str, str]]:
    yield "parameters", f"{format_count(anatomy.total)} ({anatomy.total:,})"
    for why, total in anatomy.also:
        yield "or", f"{format_count(total)} ({total:,}) {why}"
    if (active := anatomy.active) is not None:
        yield "active", f"{format_count(active)} ({active:,}) of a token, {_routing(anatomy.facts)}"
    if anatomy.adapter is None:
        yield "class", anatomy.architecture or "not built: counted from the checkpoint's headers"
    else:
        from anatomy.documents.show.adapter import adapter_facts  # few models are adapters

        yield from adapter_facts(anatomy.adapter, anatomy.total)
    yield "read from", anatomy.origin
    yield from _shape_facts(anatomy.facts)
    if anatomy.facts.tied is not None:
        yield "head", "tied to the embedding, counted once" if anatomy.facts.tied else "not tied"
    if anatomy.facts.layer_kinds:
        yield "layer kinds", _kinds(anatomy.facts.layer_kinds)
    if anatomy.buffers:
        yield "buffers", f"{format_count(sum(anatomy.buffers.values()))} elements, not parameters"


_RUNS = 8
"""Runs of layers of one kind that are told one by one."""

_SHAPE_FACTS: tuple[tuple[str, str], ...] = (
    ("layers", "layers"),
    ("encoder layers", "encoder_layers"),
    ("hidden size", "hidden_size"),
    ("heads", "heads"),
    ("key/value heads", "kv_heads"),
    ("head size", "head_dim"),
    ("value head size", "v_head_dim"),
    ("FFN width", "ffn_width"),
    ("experts", "experts"),
    ("active experts", "experts_active"),
    ("expert width", "expert_width"),
    ("shared experts", "experts_shared"),
    ("vocabulary", "vocabulary"),
    ("context", "context"),
)


def _shape_facts(facts: ModelFacts) -> Iterator[tuple[str, str]]:
    for title, name in _SHAPE_FACTS:
        value = getattr(facts, name)
        if value is not None:
            yield title, f"{value:,}" + (" tokens" if name == "context" else "")
        elif values := facts.varying.get(name):
            yield title, f"varies by layer: {_counted(values)}"


def _counted(values: Sequence[int]) -> str:
    """'256 in 25, 512 in 5'; what no two layers share one by one."""
    counts = Counter(values)
    if len(counts) == len(values):
        return ", ".join(f"{value:,}" for value in values)
    return ", ".join(f"{value:,} in {count}" for value, count in counts.items())


def _routing(facts: ModelFacts) -> str:
    return f"which goes to {facts.experts_active} of {facts.experts} routed experts"


def _kinds(kinds: Sequence[str]) -> str:
    """'5 sliding_attention, 1 full_attention, and so on': the runs of one period; of a long one, how many of each."""
    period = next(p for p in range(1, len(kinds) + 1) if all(k == kinds[i % p] for i, k in enumerate(kinds)))
    runs = [(kind, len(list(run))) for kind, run in groupby(kinds[:period])]
    if len(runs) > _RUNS:
        return ", ".join(f"{count} {kind}" for kind, count in Counter(kinds).most_common()) + ", mixed"
    return ", ".join(f"{count} {kind}" for kind, count in runs) + (
        ", and so on" if period < len(kinds) else ""
    )


def _adapted(anatomy: Anatomy) -> Iterator[Block]:
    """Of an adapter, what it adds to which modules."""
    if anatomy.adapter is not None:
        from anatomy.documents.show.adapter import adapter_table

        if (adapted := adapter_table(anatomy.adapter)) is not None:
            yield adapted


def _components(anatomy: Anatomy) -> Table:
    total = anatomy.total
    rows: list[tuple[Any, ...]] = [
        (name, n, n / total, *bytes_as(n)) for name, n in anatomy.by_component.items()
    ]
    formats = ("fp32", "bf16", "int8", "nf4")
    sums = [sum(row[at] for row in rows) for at in range(1, 3 + len(formats))]
    shown = [bytes_column([total]) for total in sums[2:]]
    return Table(
        title="Components",
        columns=(
            Column(name="component", title="component", keep=True),
            Column(name="parameters", title="parameters", show=lambda n: f"{n:,}", right=True, keep=True),
            Column(name="share", title="share", show=lambda part: share_of(part, 1), right=True, keep=True),
            *(
                Column(name=f"{name}_bytes", title=name, show=show, right=True, keep=True, optional=True)
                for name, show in zip(formats, shown, strict=True)
            ),
        ),
        rows=tuple(rows),
        total=("total", *sums),
        caption="int8 without scales; nf4 with a one-byte scale for 64 weights and four bytes for 256 scales, "
        "as if every weight were stored so",
    )


_NAMES = 8
"""Parameters without a component that are named; JSON names all."""


def _unclassified(anatomy: Anatomy) -> Notes:
    names = anatomy.unclassified
    more = len(names) - _NAMES
    return Notes(
        title=f"WARNING: {len(names)} parameters were recognised by no rule; they are counted as 'other'",
        items=names if more <= 1 else (*names[:_NAMES], f"and {more} more: with --format json"),
        tone="bad",
    )


def _stored(anatomy: Anatomy, stored: Stored) -> Block:
    kinds = ", ".join(f"{format_count(count)} {name}" for name, count in stored.by_dtype.items())
    size = f"{format_bytes(stored.stored_bytes)} ({kinds})"
    if not stored.difference and stored.elements == anatomy.total:
        return Sentence(text=f"The checkpoint stores exactly these parameters: {size}.")
    return Table(
        title="Held by the model, and stored in the checkpoint",
        columns=(
            Column(name="what", title="what"),
            Column(name="elements", title="elements", show=lambda n: f"{n:,}", right=True, keep=True),
        ),
        rows=(("parameters of the model", anatomy.total), *stored.difference),
        total=("stored elements", anatomy.total + sum(count for _, count in stored.difference)),
        caption=f"The files take {size}.",
    )


def _tied(anatomy: Anatomy) -> Notes:
    return Notes(
        title="Tied",
        items=tuple(
            f"{', '.join(group.also)} = {group.counted} ({group.parameters:,}, counted once)"
            for group in anatomy.tied
        ),
    )
