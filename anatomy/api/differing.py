"""Two models, or two revisions of one, side by side."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from anatomy.alone import alone
from anatomy.api.description import Progress, Reference, load, silence, spelled
from anatomy.api.examined import described, taken_apart

if TYPE_CHECKING:
    from anatomy.architecture.difference import Difference
    from anatomy.blueprint import Blueprint


@alone
def diff(
    left: Reference,
    right: Reference,
    *,
    overrides: Mapping[str, Any] | None = None,
    revision: str | None = None,
    trust_remote_code: bool = False,
    build: bool = False,
    progress: Progress | None = None,
) -> "Difference":
    """What differs between two models in facts, config, components and shapes; numbers in weights are not read.

    Either may be written NAME@REVISION. Both classes are built, unless the headers of both say all that these would; `build`
    builds them then too. Raises SourceError, ArchitectureError.
    """
    from anatomy.architecture.difference import difference
    from anatomy.architecture.own import own_reference
    from anatomy.architecture.plain import count_plain

    tell = progress or silence
    left, right = spelled(left), spelled(right)
    options: dict[str, Any] = {"overrides": overrides, "revision": revision}
    if own_reference(left) or own_reference(right):
        options |= {"trust_remote_code": trust_remote_code, "progress": tell}
        (one, first, _), (other, second, _) = described(left, **options), described(right, **options)
        return difference((first, one), (second, other))
    one, other = (_read(reference, tell, **options) for reference in (left, right))
    if not (build or trust_remote_code or one.adapter or other.adapter):
        counted, beside = count_plain(one), count_plain(other)
        if counted and beside:  # of one alone they would not do: a class has more to say
            return difference((counted, one), (beside, other))
    first, second = (taken_apart(side, trust_remote_code, tell)[0] for side in (one, other))
    return difference((first, one), (second, other))


def _read(reference: str, progress: Progress, **options: Any) -> "Blueprint":
    """The description, if it is plausible."""
    from anatomy.architecture.plausible import check_plausible

    progress(f"reading {reference}")
    blueprint = load(reference, **options, progress=progress)
    check_plausible(blueprint.config or {})
    return blueprint
