"""The published runs of one set of versions, rehearsed with those versions: how near does that come?"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from anatomy.validation.published.accuracy import Comparison
from anatomy.validation.published.comparable import same_model
from anatomy.validation.published.row import Row
from anatomy.validation.published.study import Study, Tell, installed_versions, study

BARRED = "peak allocated"
BARS: Mapping[str, float] = {"": 0.002, "baseline-peft-bnb": 0.01}
"""A publisher's setup ('' is its plain one) -> how far off `BARRED` may be, as a share of what was measured."""


@dataclass(frozen=True, kw_only=True, slots=True)
class VersionsStudy:
    """What the page of one set of versions is made of."""

    scored: Study
    """Runs of exactly these versions and stock kernels."""
    shown: Study
    """Runs of other kernels, of GPTQ weights, or of other versions beside the same torch: the model rehearsed stock."""
    supplied: tuple[str, ...]
    """What the installed libraries lacked of today's interface; see `anatomy.older`."""


def versions_study(rows: Iterable[Row], tell: Tell) -> VersionsStudy:
    """Rehearse, with the installed versions, the runs that were measured with the installed torch."""
    from anatomy.older import adapt

    supplied = adapt()
    versions = installed_versions()
    near = [row for row in rows if row.software.get("torch") == versions["torch"]]
    exact = [row for row in near if measured_with(row, versions)]
    scored = study(exact, tell)
    left = [row for row, _ in scored.excluded] + [row for row in near if row not in exact]
    return VersionsStudy(scored=scored, shown=study(left, tell, same_model), supplied=supplied)


def measured_with(row: Row, versions: Mapping[str, str]) -> bool:
    """Whether a run states torch and transformers, and every version that it states is the given one."""
    stated = {name: row.software[name] for name in versions if name in row.software}
    return {"torch", "transformers"} <= stated.keys() and all(
        version == versions[name] for name, version in stated.items()
    )


def bar_of(row: Row, metric: str) -> float | None:
    """How far off a figure may be, or None where nothing was promised."""
    return BARS.get(row.setup) if metric == BARRED and row.kernels == "stock" else None


def is_met(comparison: Comparison) -> bool:
    """Whether a figure with a bar keeps it."""
    bar = bar_of(comparison.row, comparison.figure.metric)
    return bar is not None and comparison.error is not None and abs(comparison.error) <= bar
