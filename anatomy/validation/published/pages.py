"""A study as text: markdown for people, csv and json for programs. The same study gives the same bytes."""

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from anatomy.units import GIB
from anatomy.validation.published.accuracy import GROUPS, Accuracy, Comparison, accuracies
from anatomy.validation.published.row import METRICS, Row
from anatomy.validation.published.study import Study

SCHEMA_VERSION = 1

_INTRODUCTION = """\
# Predicted against published measurements

Runs that others measured and published, rehearsed here. Rebuild this page with
`python -m anatomy.validation.published -o reports`.

A run is compared when code that looks at its description alone says so (`anatomy.validation.published.comparable`):
tier A or B, one GPU, a known length of sequence, stock kernels, transformers' models under transformers' own or a
plain training loop, a method and a recipe that can be stated here, and a peak of training. The others stand at the
end, each with its reason. A run that could not be rehearsed stays in the table, with what went wrong.

**The versions differ.** Measured: what each row says. Rehearsed: {versions}. The loss changed between
transformers 4.48 and 5: then the logits were cut and copied before the loss, now the labels are shifted; and then
GPTBigCode computed its loss in the model's dtype, now in fp32. Where the peak is in the loss, that moves it. Weights,
gradients and optimizer states do not depend on it: `resting` shows them alone. published_versions.md has
fms-acceleration's runs rehearsed with the versions that were measured.

No rehearsal or replay was fitted to these figures, with one exception: the size that is assumed for the CUDA context
of an A100 was read off two of these runs (fms main 32 and 34), so `peak device` on an A100 is no independent test."""

PICTURE = "![Predicted against measured: a mark for each figure, and by how much it is off]({name}.svg)"
"""`python -m anatomy.gallery` draws it."""
_FIGURES = "\n".join(f"- `{name}`: {meaning}" for name, meaning in METRICS.items())


def to_markdown(study: Study) -> str:
    """The page."""
    versions = ", ".join(f"{name} {version}" for name, version in study.versions.items())
    parts = [
        _INTRODUCTION.format(versions=versions),
        f"{len(study.comparisons)} figures of {len({c.row.id for c in study.comparisons})} runs are compared, "
        f"{len(study.excluded)} runs are not.",
        _FIGURES,
        "## Accuracy\n\nErrors are predicted less measured, in percent of measured; median and p95 without the sign.",
        PICTURE.format(name="published"),
        *(
            f"By {name}:\n\n{accuracy_table(name, accuracies(study.comparisons, by))}"
            for name, by in GROUPS.items()
        ),
        "## Runs compared\n\n" + comparison_table(study.comparisons),
        "### What to know about them\n\n" + notes(study.comparisons),
        "## Runs not compared\n\n" + reasons(study.excluded),
        excluded_table(study.excluded),
    ]
    return "\n\n".join(parts) + "\n"


def to_csv(study: Study) -> str:
    """One line a figure, bytes as integers."""
    out = io.StringIO()
    lines = [flat(c) for c in study.comparisons]
    writer = csv.DictWriter(out, fieldnames=list(lines[0]) if lines else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return out.getvalue()


def to_json(study: Study) -> str:
    """Everything, bytes as integers."""
    document = {
        "schema_version": SCHEMA_VERSION,
        "versions": dict(study.versions),
        "comparisons": [
            {**flat(c), "recipe": c.row.recipe.to_dict() if c.row.recipe else None} for c in study.comparisons
        ],
        "accuracy": {
            name: [_plain(a) for a in accuracies(study.comparisons, by)] for name, by in GROUPS.items()
        },
        "not_compared": [
            {"id": row.id, "source": _source(row), "reason": reason} for row, reason in study.excluded
        ],
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def flat(c: Comparison) -> dict[str, Any]:
    row = c.row
    return {
        "id": row.id,
        "source": _source(row),
        "tier": row.tier,
        "model": row.model,
        "method": row.method,
        "batch_size": row.batch_size,
        "seq_len": row.seq_len,
        "gpu": row.gpu,
        "figure": c.figure.metric,
        "measured_bytes": c.measured_bytes,
        "predicted_bytes": c.predicted_bytes,
        "error_bytes": c.error_bytes,
        "error_percent": None if c.error is None else round(100 * c.error, 3),
        "predicted_peak": c.peak,
        "failure": c.failure,
        "measured_with": software(row),
        "note": row.note,
    }


def _plain(accuracy: Accuracy) -> dict[str, Any]:
    return {
        "group": accuracy.group,
        "comparisons": accuracy.comparisons,
        "failures": accuracy.failures,
        "median_percent": _in_percent(accuracy.median, 3),
        "p95_percent": _in_percent(accuracy.p95, 3),
        "worst_percent": _in_percent(accuracy.worst, 3),
        "bias_percent": _in_percent(accuracy.bias, 3),
        "underestimates_percent": _in_percent(accuracy.underestimates, 1),
    }


def _in_percent(share: float | None, digits: int) -> float | None:
    return None if share is None else round(100 * share, digits)


def accuracy_table(name: str, found: Sequence[Accuracy]) -> str:
    header = (name, "figures", "no number", "median", "p95", "worst", "bias", "under-estimates")
    return table(
        header,
        (
            (
                a.group,
                str(a.comparisons),
                str(a.failures),
                *("" if size is None else _percent(size) for size in (a.median, a.p95)),
                *("" if error is None else signed(error) for error in (a.worst, a.bias)),
                "" if a.underestimates is None else f"{100 * a.underestimates:.0f} %",
            )
            for a in found
        ),
        left=1,
    )


def comparison_table(comparisons: Sequence[Comparison]) -> str:
    header = (
        *("run", "model", "method", "figure", "measured with", "predicted peak"),
        *("batch x length", "measured GiB", "predicted GiB", "error GiB", "error"),
    )
    return table(header, map(_comparison_line, comparisons), left=6)


def _comparison_line(c: Comparison) -> tuple[str, ...]:
    row, error = c.row, c.error_bytes
    return (
        f"{row.id} ({row.setup})" if row.setup else row.id,
        row.model,
        row.method,
        c.figure.metric,
        software(row),
        c.failure or c.peak,
        f"{row.batch_size} x {row.seq_len}",
        f"{c.measured_bytes / GIB:.3f}",
        "no number" if c.predicted_bytes is None else f"{c.predicted_bytes / GIB:.3f}",
        "" if error is None else f"{error / GIB:+.3f}",
        "" if c.error is None else signed(c.error),
    )


def notes(comparisons: Iterable[Comparison]) -> str:
    rows = {c.row.id: c.row for c in comparisons}.values()
    by_note: dict[str, list[Row]] = {}
    for row in rows:
        for note in (row.note, _at_cap(row)):
            if note:
                by_note.setdefault(note, []).append(row)
    return "\n".join(f"- {', '.join(r.id for r in found)}: {note}." for note, found in by_note.items())


def _at_cap(row: Row) -> str:
    if not row.compared_at_cap:
        return ""
    return f"lengths are bounded by {row.seq_len} tokens, and the rehearsal is at that bound, without padding"


def reasons(excluded: Sequence[tuple[Row, str]]) -> str:
    counts = Counter(reason for _, reason in excluded)
    return table(("reason", "runs"), ((reason, str(n)) for reason, n in counts.most_common()), left=1)


def excluded_table(excluded: Sequence[tuple[Row, str]]) -> str:
    lines = (
        (row.id, row.model, row.method, "; ".join(map(_printed, row.measured)), _source(row), reason)
        for row, reason in excluded
    )
    return table(("run", "model", "method", "published", "source", "why not"), lines, left=6)


def _printed(figure: Any) -> str:
    value = f"{figure.value:,.0f}" if figure.unit == "B" else f"{figure.value:g}"
    return f"{figure.metric} {value} {figure.unit}"


def _source(row: Row) -> str:
    return f"{row.source}: {row.where}" if row.where else row.source


def software(row: Row) -> str:
    names = ("torch", "transformers", "peft", "bitsandbytes")
    told: Mapping[str, str] = row.software
    versions = [f"{name} {told[name].partition('+')[0]}" for name in names if name in told]
    return ", ".join(versions) or "not stated"


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"


def signed(share: float) -> str:
    return f"{100 * share:+.2f} %"


def table(header: Sequence[str], lines: Iterable[Sequence[str]], *, left: int) -> str:
    """A markdown table whose first `left` columns are words, the others numbers."""
    rule = [":--" if i < left else "--:" for i in range(len(header))]
    return "\n".join("| " + " | ".join(line) + " |" for line in (header, rule, *lines))
