"""A study under the measured versions as text: markdown for people, csv and json for programs."""

import csv
import io
import json
from collections.abc import Iterable
from typing import Any

from anatomy.validation.published.accuracy import GROUPS, Comparison, accuracies
from anatomy.validation.published.pages import (
    PICTURE,
    SCHEMA_VERSION,
    accuracy_table,
    comparison_table,
    excluded_table,
    flat,
    notes,
    signed,
    table,
)
from anatomy.validation.published.study import Study
from anatomy.validation.published.versions import BARRED, VersionsStudy, bar_of, is_met

_INTRODUCTION = """\
# Published runs, rehearsed with the versions that were measured

Rebuild this page with `make published`: it makes an environment of its own with {versions}
(`constraints-published.txt`; torch's CUDA libraries come along, no GPU is needed) and rehearses there the runs that
were measured with this torch. It is the same code as everywhere else. What these libraries lack of today's interface
is supplied in one place, `anatomy/older`: {supplied}.

- The step, the loss, PEFT's adapters and bitsandbytes' 4-bit layers are the installed libraries' own.
- flash_attention_2 is torch's copy of the kernel (the flash-attn package is not needed), with the scratch that its
  source shows.
- bitsandbytes 0.43 has no fake kernels. Its own Python runs, which allocates with torch around each kernel; the
  kernels themselves do nothing.
- After PEFT, TRL's SFTTrainer casts a 4-bit model's embeddings and head back to bf16 (trl 0.13.0, trainer/utils.py,
  peft_module_casting_to_bf16): done for `baseline-peft-bnb`. `accelerated-peft-bnb` prepares its model differently,
  without casting.
- This Trainer has no `use_cache` setting, and GPTBigCode's own stays on under checkpointing
  (modeling_gpt_bigcode.py): keys and values of every block are returned beside the logits.
- Two cuBLAS workspaces of 8,519,680 bytes, one a thread, as torch takes them on an A100; where a linear layer has a
  bias, cuBLASLt's of 1 MiB each (CUDABlas.cpp). No number was fitted to these figures, with the one exception that
  reports/published.md names: the assumed CUDA context of an A100, in `peak device` only."""

_OTHERS = """\
## Other kernels, other code

The same model and recipe with stock kernels, set beside runs that had others: fms-acceleration's fused kernels
(foak: among them a cross-entropy that keeps no softmax), Liger's fused linear cross-entropy (no logits at all), GPTQ
weights (rehearsed as NF4), or another transformers beside the same torch. No bar, and no accuracy: the difference is
what the other code saves or costs. Where the peak is in the optimizer step the loss does not matter, and the two agree."""


def versions_markdown(study: VersionsStudy) -> str:
    """The page."""
    scored = study.scored
    versions = ", ".join(f"{name} {version}" for name, version in scored.versions.items())
    barred = [c for c in scored.comparisons if bar_of(c.row, c.figure.metric) is not None]
    supplied = "; ".join(study.supplied) or "nothing"
    parts = [
        _INTRODUCTION.format(versions=versions, supplied=supplied),
        f"## {BARRED.capitalize()}, with a bar\n\n{sum(map(is_met, barred))} of {len(barred)} are within their bar.",
        _bar_table(barred),
        "## Every figure of these versions\n\n" + PICTURE.format(name="published_versions"),
        comparison_table(scored.comparisons),
        "Errors are predicted less measured, in percent of measured; median and p95 without the sign.",
        accuracy_table("figure", accuracies(scored.comparisons, GROUPS["figure"])),
        "### What to know about them\n\n" + notes(scored.comparisons),
        _OTHERS,
        _other_table(c for c in study.shown.comparisons if c.figure.metric == BARRED),
    ]
    if study.shown.excluded:
        parts.append("## Not rehearsed\n\n" + excluded_table(study.shown.excluded))
    return "\n\n".join(parts) + "\n"


def versions_csv(study: VersionsStudy) -> str:
    """One line a figure, bytes as integers."""
    out = io.StringIO()
    lines = [_line(c) for part in (study.scored, study.shown) for c in part.comparisons]
    writer = csv.DictWriter(out, fieldnames=list(lines[0]) if lines else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return out.getvalue()


def versions_json(study: VersionsStudy) -> str:
    """Everything, bytes as integers."""
    document = {
        "schema_version": SCHEMA_VERSION,
        "versions": dict(study.scored.versions),
        "supplied": list(study.supplied),
        "scored": _lines(study.scored),
        "shown": _lines(study.shown),
        "not_rehearsed": [{"id": row.id, "reason": reason} for row, reason in study.shown.excluded],
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _lines(study: Study) -> list[dict[str, Any]]:
    return [
        {**_line(c), "recipe": c.row.recipe.to_dict() if c.row.recipe else None} for c in study.comparisons
    ]


def _line(c: Comparison) -> dict[str, Any]:
    bar = bar_of(c.row, c.figure.metric)
    return {
        **flat(c),
        "setup": c.row.setup,
        "kernels": c.row.kernels,
        "bar_percent": None if bar is None else 100 * bar,
    }


def _bar_table(comparisons: Iterable[Comparison]) -> str:
    header = (
        *("run", "model", "method", "predicted peak"),
        *("batch x length", "measured B", "predicted B", "error B", "error", "bar", "kept"),
    )
    return table(header, map(_bar_line, comparisons), left=4)


def _bar_line(c: Comparison) -> tuple[str, ...]:
    bar = bar_of(c.row, c.figure.metric)
    assert bar is not None
    return (*_run(c), c.failure or c.peak, *_bytes(c), f"{100 * bar:.1f} %", "yes" if is_met(c) else "no")


def _other_table(comparisons: Iterable[Comparison]) -> str:
    header = (
        *("run", "model", "method", "kernels", "transformers", "predicted peak"),
        *("batch x length", "measured B", "stock, predicted B", "difference B", "difference"),
    )
    lines = (
        (
            *_run(c),
            c.row.kernels,
            c.row.software.get("transformers", "not stated"),
            c.failure or c.peak,
            *_bytes(c),
        )
        for c in comparisons
    )
    return table(header, lines, left=6)


def _run(c: Comparison) -> tuple[str, str, str]:
    row = c.row
    return f"{row.id} ({row.setup})" if row.setup else row.id, row.model, row.method


def _bytes(c: Comparison) -> tuple[str, ...]:
    predicted, difference = c.predicted_bytes, c.error_bytes
    return (
        f"{c.row.batch_size} x {c.row.seq_len}",
        f"{c.measured_bytes:,}",
        "no number" if predicted is None else f"{predicted:,}",
        "" if difference is None else f"{difference:+,}",
        "" if c.error is None else signed(c.error),
    )
