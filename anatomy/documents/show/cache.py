"""What `anatomy show --kv-cache` says: what each layer keeps, its bytes by number format, and GPUs."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from anatomy.documents.document import Block, Column, Facts, Notes, Table
from anatomy.documents.profile.boundary import around
from anatomy.documents.show.asked import Asked
from anatomy.inference.cache import CACHE_DTYPES, CacheDType, KvCache
from anatomy.planning.serving import Load, Served
from anatomy.units import bytes_column, format_bytes

_KINDS = {
    "full": "keys and values of every token",
    "sliding": "keys and values of a window",
    "latent": "compressed keys and values, one rotary key",
    "indexed latent": "compressed keys and values, one rotary key, keys of the index",
    "state": "a state of constant size",
    "hybrid": "keys and values, and a state of constant size",
    "cross": "keys and values of the encoder's tokens",
    "none": "nothing",
}
"""What a layer keeps, in words."""


def cache_answer(load: Load, gpus: Sequence[Served]) -> Asked:
    """The answer to --kv-cache."""
    sizes = _sizes(load)
    notes = tuple(_notes(load))
    blocks: list[Block] = [Facts(items=tuple(_facts(load))), _layers(load), sizes, _gpus(load, gpus)]
    return Asked(
        key="kv_cache",
        blocks=(*blocks, Notes(title="Notes", items=notes)),
        table=sizes,
        data={
            "context": load.context,
            "batch": load.batch,
            "cache_dtype": load.dtype.name,
            "bytes": load.cache_bytes,
            "token_bytes": load.cache.token_bytes(load.dtype),
            "state_bytes": load.cache.states_in(load.dtype),
            "weight_bytes": load.weight_bytes,
            "checkpoint": {"format": load.checkpoint, "weight_bytes": load.checkpoint_bytes}
            if load.checkpoint_bytes
            else None,
            **load.cache.to_dict(),
            "notes": list(notes),
            "by_dtype": [dict(zip([c.name for c in sizes.columns], row, strict=True)) for row in sizes.rows],
            "gpus": [gpu.to_dict() for gpu in gpus],
        },
    )


def _facts(load: Load) -> Iterator[tuple[str, str]]:
    cache, dtype = load.cache, load.dtype
    stated = "as long as the config's" if load.longest else "as the config states no length"
    source = "" if load.context_said else f", {stated}"
    yield "sequences", f"{load.batch} of {load.context:,} tokens{source}"
    grows = cache.token_bytes(dtype)
    yield "each token", f"{format_bytes(grows)} in {dtype.name} ({grows:,} bytes)" if grows else "nothing"
    beyond = cache.token_bytes(dtype, beyond_windows=True)
    if beyond != grows:
        yield "past windows", f"{format_bytes(beyond)} ({beyond:,} bytes)" if beyond else "nothing more"
    if states := cache.states_in(dtype):
        yield "states", f"{format_bytes(states)} a sequence, whatever its length"
    yield "cache", f"{format_bytes(load.cache_bytes)} in {dtype.name}"
    yield "weights", f"{format_bytes(load.weight_bytes)} ({load.weights})"
    if load.checkpoint_bytes:
        yield (
            "or",
            f"{format_bytes(load.checkpoint_bytes)} in {load.checkpoint}, as the config says of its checkpoint",
        )
    if cache.reach:
        layers, tokens = cache.reach
        yield "reach", f"{layers} layers with a window pass information on over at most {tokens:,} tokens"


def _layers(load: Load) -> Table:
    rows = tuple(
        (run.count, _KINDS[run.layer.kind], run.layer.token_elements, run.layer.window, run.layer.state_bytes)
        for run in load.cache.alike
    )
    return Table(
        title="What the layers keep",
        columns=(
            Column(name="layers", title="layers", right=True, keep=True),
            Column(name="keeps", title="keeps"),
            Column(name="token_elements", title="numbers a token", show=_count, right=True, keep=True),
            Column(name="window", title="window", show=_count, right=True, keep=True),
            Column(name="state_bytes", title="state", show=_some, right=True, keep=True),
        ),
        rows=rows,
    )


def _count(number: int | None) -> str:
    return f"{number:,}" if number else ""


def _some(size: int) -> str:
    return format_bytes(size) if size else ""


def _sizes(load: Load) -> Table:
    rows = tuple(_size(load, dtype) for dtype in CACHE_DTYPES)
    token = bytes_column(row[2] for row in rows)
    whole = bytes_column(row[3] for row in rows)
    return Table(
        title="Cache by number format",
        columns=(
            Column(name="cache_dtype", title="format", keep=True),
            Column(name="bits", title="bits", show=lambda bits: f"{bits:g}", right=True, keep=True),
            Column(name="token_bytes", title="a token", show=token, right=True, keep=True),
            Column(name="bytes", title="cache", show=whole, right=True, keep=True),
            Column(name="note", title="note"),
        ),
        rows=rows,
    )


def _size(load: Load, dtype: CacheDType) -> tuple[str, float, int | None, int | None, str]:
    if dtype.full_only and not load.cache.keeps_all:
        return dtype.name, dtype.bits, None, None, "transformers' QuantizedCache refuses layers such as these"
    cache = load.cache
    return (
        dtype.name,
        dtype.bits,
        cache.token_bytes(dtype),
        cache.bytes_for(load.context, load.batch, dtype),
        dtype.note,
    )


def _gpus(load: Load, gpus: Sequence[Served]) -> Table:
    both = [(g, g.checkpoint) for g in gpus]
    show = bytes_column(size for pair in both for g in pair if g for size in (g.memory_bytes, g.left_bytes))
    brief = _brief(gpus)
    own = load.checkpoint if load.checkpoint_bytes else None
    return Table(
        title=f"Weights and cache on GPUs (cache in {load.dtype.name})",
        columns=(
            Column(name="gpu", title="GPU", keep=True),
            Column(name="memory_bytes", title="memory", show=show, right=True, keep=True),
            Column(name="fits", title="in 16 bits" if own else "verdict", show=_verdict, keep=True),
            Column(
                name="left_bytes", title="left", show=show, right=True, keep=True, optional=own is not None
            ),
            Column(
                name="longest_context",
                title="longest" if own else "longest context",
                show=_tokens,
                right=True,
                keep=True,
            ),
            *(_own_columns(own, show) if own else ()),
        ),
        rows=tuple((g.gpu, g.memory_bytes, *_on(g), *(_on(packed) if packed else ())) for g, packed in both),
        brief=brief if len(brief) < len(gpus) else None,
        caption=f"Weights, cache and CUDA context; activations and the engine's own buffers come on top. Longest context: "
        f"with {load.batch} at once, no longer than the config's or the asked one.",
    )


def _own_columns(own: str, show: Callable[[Any], str]) -> tuple[Column, ...]:
    return (
        Column(name="checkpoint_fits", title=f"in {own}", show=_verdict, keep=True),
        Column(
            name="checkpoint_left_bytes",
            title=f"left in {own}",
            show=show,
            right=True,
            keep=True,
            optional=True,
        ),
        Column(name="checkpoint_longest_context", title="longest", show=_tokens, right=True, keep=True),
    )


def _on(one: Served) -> tuple[bool, int, int]:
    return one.fits, one.left_bytes, one.context


def _brief(gpus: Sequence[Served]) -> tuple[int, ...]:
    """The GPUs around the smallest that do, in either format of the weights."""
    formats = [gpus, [g.checkpoint for g in gpus if g.checkpoint]]
    shown = {
        at
        for placed in formats
        for at in around(placed, next((i for i, g in enumerate(placed) if g.fits and not g.nominal), None))
    }
    return tuple(sorted(shown))


def _verdict(fits: bool) -> str:
    return "fits" if fits else "does not fit"


def _tokens(count: int) -> str:
    return f"{count:,}" if count else "none"


def _notes(load: Load) -> Iterator[str]:
    cache: KvCache = load.cache
    yield (
        "Read from the cache that the installed transformers' class fills on the meta device (DynamicCache); vLLM keeps the "
        "same keys and values, rounded up to its blocks."
    )
    if load.longest is not None and load.context > load.longest:
        yield f"The config states contexts of up to {load.longest:,} tokens; {load.context:,} were asked for."
    if cache.expanded is not None:
        kept = next(layer.token_elements for layer in cache.layers if "latent" in layer.kind)
        yield (
            f"Latent attention: {kept:,} numbers a token and layer. Expanded for every head, as transformers held them "
            f"before it kept them compressed, they would be {cache.expanded:,}."
        )
    if any(layer.kind == "cross" for layer in cache.layers):
        tokens = "as many as are written" if cache.encoder_tokens is None else f"{cache.encoder_tokens:,}"
        yield f"Cross-attention keeps the encoder's tokens: {tokens} are counted."
    if cache.fp32_states not in (None, cache.state_bytes):
        yield (
            "States take the model's own format, 16 bits above, except those that the class keeps in fp32; of a model "
            f"loaded in fp32 they take {format_bytes(cache.fp32_states or 0)} a sequence. Caches in 8 or 4 bits leave them alone."
        )
    yield from cache.notes
