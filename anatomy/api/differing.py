"""Two models, or two revisions of one, side by side."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from anatomy.api.description import Progress, silence
from anatomy.api.examined import described

if TYPE_CHECKING:
    from anatomy.architecture.difference import Difference


def diff(
    left: str,
    right: str,
    *,
    overrides: Mapping[str, Any] | None = None,
    revision: str | None = None,
    trust_remote_code: bool = False,
    progress: Progress | None = None,
) -> "Difference":
    """What differs between two models in facts, config, components and shapes; numbers in weights are not read.

    Either may be written NAME@REVISION. Raises SourceError, ArchitectureError.
    """
    from anatomy.architecture.difference import difference

    sides = []
    for reference in (left, right):
        blueprint, anatomy, _ = described(
            reference,
            overrides=overrides,
            revision=revision,
            trust_remote_code=trust_remote_code,
            progress=progress or silence,
        )
        sides.append((anatomy, blueprint))
    return difference(sides[0], sides[1])
