"""What each module has of a planned run, for `anatomy plan --by-module`: repeated layers in one row."""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from anatomy.documents.document import Block, Column, Document, Table
from anatomy.memory.timeline import Category
from anatomy.planning.modules import ModuleShare
from anatomy.planning.plan import Plan
from anatomy.units import bytes_column, format_count

OUTSIDE = "(whole model)"
"""What the model does itself, its loss above all, and what no module owns: the batch, workspaces that libraries keep."""
_KINDS: dict[str, tuple[Category, ...]] = {
    "weights": (Category.WEIGHTS, Category.QUANTIZATION, Category.ADAPTERS, Category.BUFFERS),
    "gradients": (Category.GRADIENTS,),
    "states": (Category.OPTIMIZER,),
    "activations": (Category.ACTIVATIONS, Category.LOGITS),
    "passing": (Category.TEMPORARIES, Category.WORKSPACES),
}
"""Column -> categories; every category is in one."""


def with_modules(document: Document, plan: Plan) -> Document:
    """The plan's report with a table of its modules, and them in its data."""
    modules = plan.modules
    blocks: list[Block] = list(document.blocks)
    blocks.insert(len(blocks) - 2, module_table(modules))
    data = {**(document.data or {}), "modules": {path: share.to_dict() for path, share in modules.items()}}
    return replace(document, blocks=tuple(blocks), data=data)


def module_table(modules: Mapping[str, ModuleShare]) -> Table:
    """A row for each module, those that differ in numbers of layers alone in one; the largest first, and their sum."""
    groups: defaultdict[str, list[ModuleShare]] = defaultdict(list)
    for path, share in modules.items():
        groups[_pattern(path)].append(share)
    rows = sorted((_row(name, shares) for name, shares in groups.items()), key=lambda row: (-row[2], row[0]))
    rows = [row for row in rows if row[2] or row[-1]]
    show = bytes_column([row[2] for row in rows])
    numbers = [
        Column(
            name=f"{name}_bytes",
            title=name,
            show=show,
            right=True,
            keep=True,
            optional=name in ("passing", "states"),
        )
        for name in ("peak", *_KINDS)
    ]
    return Table(
        title="At the peak, module by module",
        columns=(
            Column(name="module", title="module"),
            Column(name="times", title="times", right=True, keep=True),
            *numbers,
            Column(
                name="flops", title="FLOP a step", show=format_count, right=True, keep=True, optional=True
            ),
        ),
        rows=tuple(rows),
        total=("total", None, *(sum(column) for column in list(zip(*rows, strict=True))[2:]))
        if rows
        else None,
        caption="own blocks of each module, without those of modules in it; weights with quantization state, adapters and "
        "buffers; passing: temporaries and workspaces; FLOP with recomputation",
    )


def _pattern(path: str) -> str:
    """'model.layers.3.mlp' -> 'model.layers.*.mlp'."""
    return re.sub(r"(?<![^.])\d+(?![^.])", "*", path) or OUTSIDE


def _row(name: str, shares: list[ModuleShare]) -> tuple[Any, ...]:
    peak: Counter[Category] = Counter()
    for share in shares:
        peak.update(dict(share.peak))
    kinds = (sum(peak[category] for category in categories) for categories in _KINDS.values())
    flops = sum(share.flops + share.recomputed_flops for share in shares)
    return (name, len(shares), sum(peak.values()), *kinds, flops)
