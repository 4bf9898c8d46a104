"""What a checkpoint stores beside what the model holds, and the difference between them item by item.

The items always add up: stored elements = the model's parameters + the sum of the items.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from anatomy.architecture.components import classify_all
from anatomy.architecture.facts import Facts
from anatomy.architecture.packed import held_name, is_buffer, is_packed, is_quantization_data
from anatomy.architecture.site import surround
from anatomy.architecture.tied import TiedGroup
from anatomy.architecture.tree import ModuleNode
from anatomy.blueprint import STORED_FORMATS, TensorHeader


@dataclass(frozen=True, kw_only=True, slots=True)
class Stored:
    """A checkpoint's contents, and how they differ from the model's parameters."""

    elements: int
    """Stored elements, of every tensor: what model hubs show as a model's size."""
    stored_bytes: int
    """Bytes of all tensors in the files."""
    by_dtype: Mapping[str, int]
    """torch's dtype name, or GGUF's name of a block-quantized type -> stored elements."""
    bytes_by_dtype: Mapping[str, int]
    """The same names -> bytes that these take; adds up to `stored_bytes`."""
    difference: tuple[tuple[str, int], ...]
    """(what, elements): adds up exactly to `elements` minus the model's parameters."""
    surplus: tuple[str, ...] = ()
    """Layers that are stored like those of the model but lie beyond the config's count, e.g. 'model.layers.3'."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "elements": self.elements,
            "bytes": self.stored_bytes,
            "by_dtype": dict(self.by_dtype),
            "bytes_by_dtype": dict(self.bytes_by_dtype),
            "bits_per_weight": 8 * self.stored_bytes / self.elements if self.elements else None,
            "difference": [{"what": what, "elements": count} for what, count in self.difference],
            "surplus": list(self.surplus),
        }


def compare(
    tensors: Iterable[TensorHeader],
    tree: ModuleNode,
    *,
    facts: Facts,
    tied: Iterable[TiedGroup] = (),
    buffers: Mapping[str, int] | None = None,
    base_prefix: str = "",
    predicting: int = 0,
) -> Stored:
    """Set a checkpoint's headers beside a model's tree.

    `predicting`: the prediction layers that the config names, which are stored after the others.
    """
    tensors = tuple(tensors)
    ledger = _Ledger(tree, facts, tuple(tied), buffers or {}, base_prefix)
    ledger.find_surplus(tensors, predicting)
    for tensor in tensors:
        ledger.enter(tensor)
    by_dtype: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    for tensor in tensors:
        name = STORED_FORMATS[tensor.dtype].name
        by_dtype[name] += tensor.elements
        sizes[name] += tensor.stored_bytes
    return Stored(
        elements=sum(tensor.elements for tensor in tensors),
        stored_bytes=sum(tensor.stored_bytes for tensor in tensors),
        by_dtype=dict(by_dtype),
        bytes_by_dtype=dict(sizes),
        difference=ledger.items(),
        surplus=tuple(ledger.surplus),
    )


class _Ledger:
    """Enters each stored tensor under what explains it; what nothing explains is compared by component."""

    def __init__(
        self,
        tree: ModuleNode,
        facts: Facts,
        tied: tuple[TiedGroup, ...],
        buffers: Mapping[str, int],
        base_prefix: str,
    ) -> None:
        self.facts = facts
        self.base = base_prefix
        self.held = {
            f"{node.path}.{own.name}".lstrip("."): own.parts for node in tree.walk() for own in node.own
        }
        self.aliases = {path: group.counted for group in tied for path in group.also}
        self.buffers = buffers
        self.last_layer = _last_layers(self.held)
        self.surplus: dict[str, None] = {}
        self.met: set[str] = set()
        self.counts: Counter[str] = Counter()
        self.unmatched: list[TensorHeader] = []

    def find_surplus(self, tensors: Iterable[TensorHeader], predicting: int) -> None:
        """Note the layers beyond the model's last that are stored with the same names and shapes as one within."""
        layers: dict[tuple[str, int], set[tuple[str, tuple[int, ...]]]] = {}
        for tensor in tensors:
            if found := re.match(r"(.*?)\.(\d+)\.(.*)", tensor.name):
                layers.setdefault((found[1], int(found[2])), set()).add((found[3], tensor.shape))
        last = {prefix: self._last_of(prefix) for prefix, _ in layers}
        for (prefix, index), stored in sorted(layers.items()):
            end = last[prefix]
            if end is None or index <= end + predicting:
                continue
            if any(layers.get((prefix, within)) == stored for within in range(end + 1)):
                self.surplus[f"{prefix}.{index}"] = None

    def enter(self, tensor: TensorHeader) -> None:
        """Find the first explanation that fits."""
        path = self._path_in_model(held_name(tensor.name))
        if path is not None:
            self._match(tensor, path)
        elif is_quantization_data(tensor):
            self.counts["scales and other data of quantized weights"] += tensor.elements
        elif _layer_of(tensor.name) in self.surplus:
            self.counts["layers like the model's own, beyond the config's count"] += tensor.elements
        elif self._beyond_last_layer(tensor.name):
            self.counts["prediction layers that the class does not build"] += tensor.elements
        elif is_buffer(tensor) or self._known(tensor.name, self.buffers):
            self.counts[f"buffers: {_tail(tensor.name)}"] += tensor.elements
        elif alias := self._known(tensor.name, self.aliases):
            self._match_alias(tensor, alias)
        else:
            self.unmatched.append(tensor)

    def items(self) -> tuple[tuple[str, int], ...]:
        """The explained differences, then what is left, component by component."""
        found = [(what, count) for what, count in self.counts.items() if count]
        return (*found, *self._left_over())

    def _match(self, tensor: TensorHeader, path: str) -> None:
        held = sum(count for _, count in self.held[path])
        if path in self.met:
            self.counts[f"stored twice: {path}"] += tensor.elements
            return
        self.met.add(path)
        what = (
            "packed quantized weights"
            if is_packed(tensor)
            else f"another shape than the model's: {_tail(path)}"
        )
        self.counts[what] += tensor.elements - held

    def _match_alias(self, tensor: TensorHeader, alias: str) -> None:
        counted = self.aliases[alias]
        if counted not in self.met and counted in self.held:
            # Not final: the counted path may still come. It is then entered as stored twice, which is the same sum.
            self.met.add(counted)
            self.counts[f"tied weight under another name: {alias}"] += tensor.elements - sum(
                count for _, count in self.held[counted]
            )
        else:
            self.counts[f"tied weight stored again: {alias}"] += tensor.elements

    def _path_in_model(self, name: str) -> str | None:
        modern = re.sub(r"\.gamma$", ".weight", re.sub(r"\.beta$", ".bias", name))
        spellings = (name, f"{self.base}.{name}", name.removeprefix(f"{self.base}."), modern)
        return next((spelling for spelling in spellings if spelling in self.held), None)

    def _known(self, name: str, paths: Iterable[str]) -> str | None:
        return next((p for p in paths if p == name or p.endswith(f".{name}") or name.endswith(f".{p}")), None)

    def _beyond_last_layer(self, name: str) -> bool:
        if any(re.fullmatch(r"mtp(_\w+)?", segment) for segment in name.split(".")):
            return True
        found = re.match(r"(.*?)\.(\d+)\.", name)
        if not found:
            return False
        last = self._last_of(found[1])
        return last is not None and int(found[2]) > last

    def _last_of(self, prefix: str) -> int | None:
        """The last index that the model's list of layers has, the list named as the checkpoint names it."""
        lists = (prefix, f"{self.base}.{prefix}", prefix.removeprefix(f"{self.base}."))
        return next((self.last_layer[p] for p in lists if p in self.last_layer), None)

    def _left_over(self) -> list[tuple[str, int]]:
        """Per component: what is stored under names that the model lacks, less what it holds under names not stored."""
        shapes = {tensor.name: tensor.shape for tensor in self.unmatched}
        parts, _ = classify_all(surround(shapes, self.facts))
        stored: Counter[str] = Counter()
        names: dict[str, dict[str, None]] = {}
        for name, split in parts.items():
            for component, count in split:
                stored[component] += count
                names.setdefault(component, {})[_group(name)] = None
        held: Counter[str] = Counter()
        for path in self.held.keys() - self.met:
            for component, count in self.held[path]:
                held[component] += count
                names.setdefault(component, {})[_group(path)] = None
        return [
            (_describe(component, stored[component], held[component], tuple(names[component])), difference)
            for component in sorted(stored.keys() | held.keys())
            if (difference := stored[component] - held[component])
        ]


def _describe(component: str, stored: int, held: int, names: tuple[str, ...]) -> str:
    listed = ", ".join(names[:3]) + (" ..." if len(names) > 3 else "")
    if held == 0:
        return f"{component}: stored, not in the model ({listed})"
    if stored == 0:
        return f"{component}: in the model, not stored ({listed})"
    return f"{component}: stored under other names, with another count ({listed})"


def _layer_of(name: str) -> str:
    """'model.layers.3.mlp.up_proj.weight' -> 'model.layers.3'; '' of what lies in no numbered list."""
    found = re.match(r"(.*?\.\d+)\.", name)
    return found[1] if found else ""


def _group(name: str) -> str:
    """The module of a tensor, with numbers left out: what is shown for many tensors alike."""
    return re.sub(r"\.\d+(?=\.|$)", ".*", name.rpartition(".")[0] or name)


def _tail(name: str) -> str:
    return ".".join(name.split(".")[-2:])


def _last_layers(paths: Iterable[str]) -> dict[str, int]:
    """Highest index of every outermost numbered list in the model."""
    last: dict[str, int] = {}
    for path in paths:
        if found := re.match(r"(.*?)\.(\d+)\.", path):
            last[found[1]] = max(last.get(found[1], 0), int(found[2]))
    return last
