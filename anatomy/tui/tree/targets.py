"""Choosing which layers are adapted: a row toggled -> the new `target_modules`.

The rule is PEFT's (peft 0.21, tuners/tuners_utils.py, check_target_module_exists): a list's entry adapts the module of
that path and every module whose path ends with a dot and the entry; a string is a regular expression for whole paths.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from anatomy.errors import RecipeError
from anatomy.training.peft_types import ALL_LINEAR, PEFT_DEFAULT
from anatomy.tui.tree.outline import Outline, Row

_NOT_LINEAR = frozenset({"embedding", "position", "norm"})
"""Components whose matrices are looked up or scale, where only headers are known."""


def is_linear(outline: Outline, item: int) -> bool:
    """Whether LoRA's linear layers fit a module: by its class, which for GPT-2 is Conv1D; else by a matrix alone."""
    if outline.owns[item] is not None or outline.is_group(item):
        return False  # a group's members are asked
    node = outline.nodes[item]
    if node.kind:
        return node.kind.endswith("Linear") or node.kind == "Conv1D"
    matrices = [own for own in node.own if own.name == "weight" and len(own.shape) == 2]
    return bool(matrices) and not node.children and node.component not in _NOT_LINEAR


def targeted(
    outline: Outline, target_modules: str | tuple[str, ...], adapted: Collection[str] = ()
) -> frozenset[int]:
    """The modules that targets choose.

    `adapted`: the last names of what got adapters (`Plan.targets`), which says what 'all-linear' and 'peft-default'
    came to; without them 'all-linear' is every linear layer but the head's, as PEFT means it, and 'peft-default' is
    not known: nothing.
    """
    modules = outline.modules.items()
    if isinstance(target_modules, tuple):
        return _named(outline, target_modules)
    if target_modules not in (ALL_LINEAR, PEFT_DEFAULT):
        rule = re.compile(target_modules)
        return frozenset(item for path, item in modules if rule.fullmatch(path))
    if adapted:
        return frozenset(item for item in _linear(outline) if outline.segments[item] in adapted)
    if target_modules == PEFT_DEFAULT:
        return frozenset()
    return frozenset(_linear(outline, but="head"))


def _named(outline: Outline, entries: tuple[str, ...]) -> frozenset[int]:
    wanted, names = frozenset(entries), outline.segments
    lasts = {entry.rpartition(".")[2] for entry in entries}
    return frozenset(
        item
        for path, item in outline.modules.items()
        if names[item] in lasts and (names[item] in wanted or any(end in wanted for end in _suffixes(path)))
    )


def _linear(outline: Outline, but: str = "") -> list[int]:
    """All linear layers, but those of one component. Of layers that are found by the same words one is asked."""
    alike = [is_linear(outline, sample) and outline.component(sample) != but for sample in outline.samples]
    return [item for item, facet in enumerate(outline.facets) if alike[facet]]


class Toggled(NamedTuple):
    """What toggling a row came to."""

    targets: tuple[str, ...]
    """The new `target_modules`: the fewest entries that choose exactly these modules, in the model's order."""
    items: frozenset[int]
    """The modules."""


def toggle(
    outline: Outline,
    row: Row,
    target_modules: str | tuple[str, ...],
    adapted: Collection[str] = (),
    unfused: Collection[str] = (),
) -> Toggled:
    """The targets after a row was toggled: all that it stands for, off where all of it was on, else on.

    `unfused`: names by which fused experts are targets (`Owned.unfused`); those that were chosen stay so.
    Raises RecipeError for what is no linear layer, and where nothing would be adapted any more.
    """
    modules = outline.modules_of(row)
    if not is_linear(outline, modules[0]):
        raise _not_linear(outline, row)
    before = targeted(outline, target_modules, adapted)
    chosen = frozenset(modules)
    after = before - chosen if chosen <= before else before | chosen
    if not after:
        raise RecipeError(
            f"{row.label} is the last target: without any layer there is nothing to adapt.",
            hint="choose another layer first, or another method",
        )
    before_it = unfused if target_modules == ALL_LINEAR else target_modules
    off = frozenset(outline.segments[item] for item in chosen - after)
    kept = [] if isinstance(before_it, str) else [n for n in before_it if n in unfused and n not in off]
    return Toggled(tuple(dict.fromkeys((*shortest(outline, after), *kept))), after)


def shortest(outline: Outline, items: Collection[int]) -> tuple[str, ...]:
    """The fewest entries that choose exactly these modules: last names where these suffice, else ends of paths.

    An entry never begins with a number, so that it can be read. Raises RecipeError where no list can say it.
    """
    wanted, facets, segments = sorted(items), outline.facets, outline.segments
    first = dict(zip(map(facets.__getitem__, reversed(wanted)), reversed(wanted), strict=True))
    names = _by_name(outline, Counter(map(facets.__getitem__, wanted)))
    everywhere = outline.names
    clean = {name for name, count in names.items() if count == everywhere[name] and not name.isdigit()}
    found = [(item, segments[item]) for item in first.values() if segments[item] in clean]
    if len(clean) < len(names):
        found += _clean_ends(outline, [item for item in wanted if segments[item] not in clean]).items()
    return tuple(dict.fromkeys(entry for _, entry in sorted(found)))


def _by_name(outline: Outline, counts: Counter[int]) -> Counter[str]:
    """Facets counted -> own names counted; all of a facet have one name."""
    names: Counter[str] = Counter()
    for facet, count in counts.items():
        names[outline.segments[outline.samples[facet]]] += count
    return names


def _clean_ends(outline: Outline, items: list[int]) -> dict[int, str]:
    """Item -> the shortest end of its path that chooses none but these items; longer ends are tried only for the rest."""
    names = {outline.segments[item] for item in items}
    within = frozenset(items)
    others = [path for path, i in outline.modules.items() if outline.segments[i] in names and i not in within]
    pending, found = {item: outline.paths[item] for item in items}, dict[int, str]()
    for length in range(1, 1 + max(path.count(".") + 1 for path in pending.values())):
        foreign = {end for path in others if (end := _end(path, length))}
        ends = {item: end for item, path in pending.items() if (end := _end(path, length))}
        for item, end in ends.items():
            if end not in foreign and (not end[0].isdigit() or end == pending[item]):
                found[item] = end
                del pending[item]
        if not pending:
            return found
        open_ends = {ends[item] for item in pending if item in ends}
        others = [path for path in others if _end(path, length) in open_ends]
    stuck = outline.paths[next(iter(pending))]
    raise RecipeError(
        f"No list of names adapts {stuck} without adapting another module whose path ends so.",
        hint="name the layers by a regular expression: --target-regex",
    )


def _end(path: str, length: int) -> str:
    """The last so many parts of a path; '' where it has fewer."""
    parts = path.rsplit(".", length)
    return path[len(parts[0]) + 1 :] if len(parts) > length else path if len(parts) == length else ""


def _suffixes(path: str) -> Iterator[str]:
    """'a.b.c' -> 'c', 'b.c', 'a.b.c'."""
    at = len(path)
    while (at := path.rfind(".", 0, at)) >= 0:
        yield path[at + 1 :]
    yield path


def _not_linear(outline: Outline, row: Row) -> RecipeError:
    inside = _linear_names(outline, range(row.item, outline.ends[row.item]))
    kind = outline.kind(row.item)
    what = f"{row.label} ({kind})" if kind else row.label
    return RecipeError(
        f"{what} is no linear layer, so LoRA has no place on it.",
        hint=f"inside it are {', '.join(inside)}" if inside else "choose a linear layer, such as q_proj",
    )


def _linear_names(outline: Outline, items: Iterable[int]) -> list[str]:
    return list(dict.fromkeys(outline.segments[i] for i in items if is_linear(outline, i)))[:8]
