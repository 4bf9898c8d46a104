"""Projections that are stored as one matrix, split into what they make.

A split is used only when it adds up exactly to the matrix; otherwise the caller counts the whole as 'other' and
says so. Two sources, in this order: the config's numbers (heads, key-value heads, head widths), then the matrix
that consumes the result, whose input width is the inner width.
"""

import math
from collections.abc import Iterator

from anatomy.architecture.site import Shape, Site

Parts = tuple[tuple[str, int], ...]
"""(component, elements) pairs that add up to a parameter's elements."""


def split_qkv(site: Site) -> Parts | None:
    """A query-key-value projection into its three parts, or None where nothing adds up."""
    names = ("attention.query", "attention.key", "attention.value")
    for width in _out_widths(site):
        for parts in (*_widths_from_facts(site), *_widths_from_output(site, width)):
            if sum(parts) == width:
                return _share(site, width, names, parts)
    return None


def split_kv(site: Site) -> Parts | None:
    """A key-value projection into halves, when the config's heads confirm it or say nothing."""
    facts = site.around.facts
    for width in _out_widths(site):
        known = facts.kv_heads and facts.head_dim
        if width % 2 == 0 and (not known or 2 * facts.kv_heads * facts.head_dim == width):  # type: ignore[operator]
            return _share(site, width, ("attention.key", "attention.value"), (width // 2, width // 2))
    return None


def split_latent_kv(site: Site) -> Parts | None:
    """Latent attention's second matrix: per head the positionless part of the key, then the value."""
    facts = site.around.facts
    if not (facts.heads and facts.nope_head_dim and facts.v_head_dim):
        return None
    parts = (facts.heads * facts.nope_head_dim, facts.heads * facts.v_head_dim)
    for width in _out_widths(site):
        if sum(parts) == width:
            return _share(site, width, ("attention.key", "attention.value"), parts)
    return None


def is_double_width(site: Site) -> bool:
    """Whether a matrix makes exactly twice what its block's down projection reads."""
    inner = {width for _, shape in site.siblings("down") for width in _in_widths(site, shape)}
    hidden = site.around.facts.hidden_size
    return any(width == 2 * i for width in _out_widths(site) for i in inner if i != hidden or width != hidden)


def halve(site: Site, names: tuple[str, str]) -> Parts | None:
    """The matrix in two equal halves, or None when it has an odd width."""
    count = math.prod(site.shape)
    return ((names[0], count // 2), (names[1], count // 2)) if count % 2 == 0 else None


def _share(site: Site, width: int, names: tuple[str, ...], parts: tuple[int, ...]) -> Parts:
    per_unit = math.prod(site.shape) // width
    return tuple((name, part * per_unit) for name, part in zip(names, parts, strict=True))


def _out_widths(site: Site) -> Iterator[int]:
    """The axis that counts outputs: the first of a Linear, the last of a Conv1D; either, when the class is unknown."""
    if not site.shape:
        return
    transposed = site.kind == "Conv1D"
    yield site.shape[-1] if transposed else site.shape[0]
    if site.kind is None and len(site.shape) == 2:
        yield site.shape[-1]


def _in_widths(site: Site, shape: Shape) -> Iterator[int]:
    if len(shape) != 2:
        return
    yield shape[0] if site.kind == "Conv1D" else shape[1]
    if site.kind is None:
        yield shape[0]


def _widths_from_facts(site: Site) -> Iterator[tuple[int, int, int]]:
    facts = site.around.facts
    if facts.heads and facts.head_dim:
        kv_heads = facts.kv_heads or facts.heads
        value = facts.v_head_dim or facts.head_dim
        yield facts.heads * facts.head_dim, kv_heads * facts.head_dim, kv_heads * value


def _widths_from_output(site: Site, width: int) -> Iterator[tuple[int, int, int]]:
    """What the output projection reads is as wide as the queries; keys and values share the rest."""
    hidden = math.prod(site.shape) // width
    for _, shape in site.siblings("output"):
        for query in _in_widths(site, shape):
            other = math.prod(shape) // query
            rest = width - query
            if (
                rest > 0
                and rest % 2 == 0
                and rest // 2 <= query
                and (len(site.shape) == 1 or other == hidden)
            ):
                yield query, rest // 2, rest // 2
