"""A model taken apart, and the questions that `anatomy show` answers beside it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from anatomy.alone import alone
from anatomy.api.description import Progress, Reference, load, silence, spelled
from anatomy.errors import ArchitectureError, RecipeError, SourceError
from anatomy.result import Result

if TYPE_CHECKING:
    from anatomy.architecture.anatomy import Anatomy
    from anatomy.architecture.listing import Entry, Order
    from anatomy.architecture.skeleton import Skeleton
    from anatomy.architecture.vocabulary_rows import Rows
    from anatomy.blueprint import Blueprint, Origin
    from anatomy.formats.size import FormatSize
    from anatomy.planning.serving import Load, Served
    from anatomy.source.tokenizer import Tokenizer

UNSTATED_CONTEXT = 4096
"""Tokens of a sequence where neither the user nor the config says how many."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Examined(Result):
    """A model, and what was asked of it."""

    anatomy: "Anatomy"
    """The model taken apart."""
    formats: "tuple[FormatSize, ...] | None" = None
    """Its size in each format; None when that was not asked."""
    entries: "tuple[Entry, ...] | None" = None
    """Its tensors and modules, filtered and sorted; None when that was not asked."""
    tokenizer: "Tokenizer | None" = None
    """What its tokenizer's files say; None when that was not asked."""
    rows: "Rows | None" = None
    """Its embedding beside the tokenizer's ids; None where either is not known."""
    add_tokens: int | None = None
    """So many more tokens, whose cost was asked for; None when that was not."""
    load: "Load | None" = None
    """Its weights and its cache; None when that was not asked."""
    served: "tuple[Served, ...]" = ()
    """`load` on each GPU of the catalog."""

    def __repr__(self) -> str:
        found = {
            "formats": self.formats,
            "entries": self.entries,
            "tokenizer": self.tokenizer,
            "KV cache": self.load,
        }
        return f"<Examined {', '.join(name for name, value in found.items() if value is not None)} of {self.anatomy!r}>"


@alone
def examine(
    reference: Reference,
    *,
    formats: bool = False,
    filter: str | None = None,  # noqa: A002 - named as the flag
    sort: "Order | None" = None,
    tokenizer: bool = False,
    add_tokens: int | None = None,
    kv_cache: bool = False,
    context: int | None = None,
    batch: int = 1,
    cache_dtype: str = "bf16",
    overrides: Mapping[str, Any] | None = None,
    revision: str | None = None,
    trust_remote_code: bool = False,
    progress: Progress | None = None,
) -> Examined:
    """Take a model apart, and answer what is asked beside: `formats`, its size in each; `filter` and `sort`,
    its tensors and modules as a list; `tokenizer`, what its tokenizer's files say, and with `add_tokens` what so many more
    cost; `kv_cache`, what `batch` sequences of `context` tokens keep in `cache_dtype` (a name of
    `anatomy.inference.cache.CACHE_DTYPES`), and on which GPUs.

    Raises SourceError, ArchitectureError, RecipeError.
    """
    from anatomy.architecture.own import own_reference

    tell = progress or silence
    reference = spelled(reference)
    _check_belongs("add_tokens", add_tokens, "tokenizer", tokenizer)
    _check_belongs("context", context, "kv_cache", kv_cache)
    if kv_cache and own_reference(reference) is not None:
        raise ArchitectureError(
            f"What {reference} keeps while it writes is not known: its class is not one of transformers'.",
            hint="leave --kv-cache out",
        )
    blueprint, anatomy, skeleton = described(
        reference,
        overrides=overrides,
        revision=revision,
        trust_remote_code=trust_remote_code,
        progress=tell,
    )
    found = Examined(
        anatomy=anatomy,
        formats=_formats(anatomy, skeleton) if formats else None,
        entries=_entries(blueprint, anatomy, filter, sort) if filter or sort else None,
    )
    if tokenizer:
        tell("reading its tokenizer")
        found = replace(_with_tokenizer(found, blueprint), add_tokens=add_tokens)
    if kv_cache:
        tell("looking at the cache that the model fills")
        asked = _load(blueprint, anatomy, skeleton, trust_remote_code, context, batch, cache_dtype)
        found = replace(found, load=asked, served=_served(asked))
    return found


def _check_belongs(name: str, value: object, question: str, asked: bool) -> None:
    if value is not None and not asked:
        raise RecipeError(f"{name} belongs to {question}.", hint=f"ask for {question}=True as well")


def tokenizer_beside(reference: str, anatomy: "Anatomy") -> "tuple[Tokenizer | None, Rows | None]":
    """The tokenizer whose files lie in a folder named by the user, and the embedding's rows beside its ids.

    Files on the hub cost requests: `examine` asks for them. Raises SourceError.
    """
    from anatomy.blueprint import Origin

    if not os.path.isdir(reference):
        return None, None
    return _tokenizer(Origin(kind="folder", location=reference), anatomy)


def _tokenizer(origin: "Origin", anatomy: "Anatomy") -> "tuple[Tokenizer | None, Rows | None]":
    from anatomy.architecture.vocabulary_rows import rows_of
    from anatomy.source.tokenizer import read_tokenizer

    tokenizer = read_tokenizer(origin)
    known = None if tokenizer is None else tokenizer.vocabulary
    return tokenizer, None if known is None else rows_of(anatomy, known.highest)


def _with_tokenizer(found: Examined, blueprint: "Blueprint") -> Examined:
    tokenizer, rows = _tokenizer(blueprint.origin, found.anatomy)
    if tokenizer is None:
        raise SourceError(
            f"{blueprint.id} has no tokenizer's files here ({blueprint.origin}).",
            hint="name a folder or a repository with tokenizer.json or tokenizer_config.json",
        )
    return replace(found, tokenizer=tokenizer, rows=rows)


def described(
    reference: str,
    *,
    overrides: Mapping[str, Any] | None,
    revision: str | None,
    trust_remote_code: bool,
    progress: Progress,
) -> "tuple[Blueprint, Anatomy, Skeleton | None]":
    """A model's description, the model taken apart, and the one that was built, where one was."""
    from anatomy.architecture.own import build_own, check_nothing_set, own_anatomy, own_reference
    from anatomy.blueprint import Blueprint, Origin

    if own_reference(reference) is not None:
        check_nothing_set(reference, overrides)
        progress(f"running {reference}")
        origin = Origin(kind="file", location=reference)
        return Blueprint(id=reference, origin=origin), own_anatomy(build_own(reference)), None
    progress(f"reading {reference}")
    blueprint = load(reference, overrides=overrides, revision=revision)
    return blueprint, *taken_apart(blueprint, trust_remote_code, progress)


def taken_apart(
    blueprint: "Blueprint", trust_remote_code: bool, progress: Progress
) -> "tuple[Anatomy, Skeleton | None]":
    """A whole model taken apart, and the one that was built, where one was. Raises ArchitectureError."""
    from anatomy.architecture.anatomy import describe
    from anatomy.architecture.plausible import check_plausible

    if blueprint.adapter is not None:
        base = blueprint.adapter.base
        raise ArchitectureError(
            f"{blueprint.id} is an adapter: such questions are about a whole model.",
            hint=f"ask them about {'its base' if base is None else base.id}",
        )
    if blueprint.config is not None:
        check_plausible(blueprint.config)
        progress("building the model without its weights")
    return describe(blueprint, trust_remote_code=trust_remote_code)


def _entries(
    blueprint: "Blueprint", anatomy: "Anatomy", pattern: str | None, order: "Order | None"
) -> "tuple[Entry, ...]":
    from anatomy.architecture.listing import entries_of

    return entries_of(anatomy, blueprint.tensors, pattern=pattern, order=order)


def _load(
    blueprint: "Blueprint",
    anatomy: "Anatomy",
    skeleton: "Skeleton | None",
    trust: bool,
    context: int | None,
    batch: int,
    dtype: str,
) -> "Load":
    from anatomy.api.media import know_preprocessor
    from anatomy.architecture.skeleton import build_skeleton
    from anatomy.inference.cache import BY_NAME
    from anatomy.planning.serving import Load
    from anatomy.rehearsal.cache_probe import kv_cache_of

    if dtype not in BY_NAME:
        raise RecipeError(
            f"{dtype!r} is no number format of a cache that is known here.",
            hint=f"use one of {', '.join(BY_NAME)}",
        )
    # In 16 bits, whatever the config names: states and convolutions take the model's format.
    probed = build_skeleton(blueprint, dtype="bfloat16", trust_remote_code=trust)
    know_preprocessor(probed.model, blueprint.origin)
    cache = kv_cache_of(probed)
    if cache.state_bytes:
        wide = build_skeleton(blueprint, dtype="float32", trust_remote_code=trust)
        know_preprocessor(wide.model, blueprint.origin)
        cache = replace(cache, fp32_states=kv_cache_of(wide).state_bytes)
    if BY_NAME[dtype].full_only and not cache.keeps_all:
        raise RecipeError(
            f"transformers keeps a cache in {dtype} only where every layer keeps every token, and here not all do.",
            hint="use --cache-dtype bf16 or fp8",
        )
    stored = anatomy.stored
    own = None if stored else _as_its_checkpoint(blueprint, anatomy, skeleton)
    return Load(
        weight_bytes=stored.stored_bytes if stored else 2 * anatomy.total,
        weights="as the checkpoint stores them"
        if stored
        else "in 16 bits"
        if own
        else _sixteen_bits(blueprint),
        checkpoint_bytes=own.total_bytes if own else None,
        checkpoint=own.name if own else "",
        cache=cache,
        dtype=BY_NAME[dtype],
        context=context or anatomy.facts.context or UNSTATED_CONTEXT,
        batch=batch,
        longest=anatomy.facts.context,
        context_said=context is not None,
    )


def _as_its_checkpoint(
    blueprint: "Blueprint", anatomy: "Anatomy", skeleton: "Skeleton | None"
) -> "FormatSize | None":
    """The weights in the format that the config says its checkpoint has; None where it has none that is known."""
    from anatomy.formats.published import checkpoint_size

    return checkpoint_size(blueprint.config or {}, anatomy, _linears(skeleton))


def _sixteen_bits(blueprint: "Blueprint") -> str:
    """Without headers no more is known; that the checkpoint takes less is."""
    from anatomy.architecture.facts import quantization

    how = quantization(blueprint.config or {})
    return "in 16 bits" + (f"; the checkpoint, in {how}, takes less" if how else "")


def _served(asked: "Load") -> "tuple[Served, ...]":
    from anatomy.hardware.catalog import all_gpus
    from anatomy.planning.serving import served

    return served(asked, all_gpus())


def _formats(anatomy: "Anatomy", skeleton: "Skeleton | None") -> "tuple[FormatSize, ...]":
    from anatomy.formats.gguf import gguf_sizes
    from anatomy.formats.schemes import torch_sizes

    return (*torch_sizes(anatomy, _linears(skeleton)), *gguf_sizes(anatomy))


def _linears(skeleton: "Skeleton | None") -> frozenset[str] | None:
    from anatomy.architecture.linears import bitsandbytes_linears

    return None if skeleton is None else bitsandbytes_linears(skeleton.model)
