"""A model taken apart, and the questions that `anatomy show` answers beside it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from anatomy.api.description import Progress, load, silence

if TYPE_CHECKING:
    from anatomy.architecture.anatomy import Anatomy
    from anatomy.architecture.skeleton import Skeleton
    from anatomy.formats.size import FormatSize


@dataclass(frozen=True, kw_only=True, slots=True)
class Examined:
    """A model, and what was asked of it."""

    anatomy: "Anatomy"
    formats: "tuple[FormatSize, ...] | None" = None
    """Its size in each format; None when that was not asked."""


def examine(
    reference: str,
    *,
    formats: bool = False,
    overrides: Mapping[str, Any] | None = None,
    revision: str | None = None,
    trust_remote_code: bool = False,
    progress: Progress | None = None,
) -> Examined:
    """Take a model apart, and answer what is asked beside. Raises SourceError, ArchitectureError."""
    from anatomy.architecture.anatomy import describe
    from anatomy.architecture.plausible import check_plausible

    tell = progress or silence
    tell(f"reading {reference}")
    blueprint = load(reference, overrides=overrides, revision=revision)
    if blueprint.config is not None:
        check_plausible(blueprint.config)
        tell("building the model without its weights")
    anatomy, skeleton = describe(blueprint, trust_remote_code=trust_remote_code)
    return Examined(anatomy=anatomy, formats=_formats(anatomy, skeleton) if formats else None)


def _formats(anatomy: "Anatomy", skeleton: "Skeleton | None") -> "tuple[FormatSize, ...]":
    from anatomy.architecture.linears import bitsandbytes_linears
    from anatomy.formats.gguf import gguf_sizes
    from anatomy.formats.schemes import torch_sizes

    linears = None if skeleton is None else bitsandbytes_linears(skeleton.model)
    return (*torch_sizes(anatomy, linears), *gguf_sizes(anatomy))
