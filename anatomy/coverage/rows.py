"""Rows of the coverage table in files: JSON, one a pair."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from anatomy.coverage.examine import Answer, Examined
from anatomy.coverage.pairs import Pair
from anatomy.profiling.cells.results import FINGERPRINT, FailedCell, Format, Results

KIND = "anatomy coverage row"


def _save(row: Mapping[str, Any], labels: Mapping[str, str], path: Path) -> None:
    path.write_text(
        json.dumps({"kind": KIND, "labels": dict(labels), "row": row}, indent=1) + "\n", encoding="utf-8"
    )


def _fingerprint(path: Path) -> str | None:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return str(data["labels"][FINGERPRINT]) if data.get("kind") == KIND else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _load(path: Path) -> Examined:
    row = json.loads(path.read_text(encoding="utf-8"))["row"]
    answers = {method: Answer(**answer) for method, answer in row["answers"].items()}
    return Examined(**{**row, "pair": Pair(**row["pair"]), "answers": answers})


ROWS = Format(ending=".row.json", save=_save, fingerprint=_fingerprint, load=_load)


def read_rows(folder: Path, pairs: Iterable[Pair]) -> tuple[Examined, ...]:
    """The rows of these pairs, in their order; one whose process failed has 'failed' answers and the reason."""
    results = Results(folder, ROWS)
    found = {row.pair: row for _, row in results.runs()}
    failed = {failure.name: failure for failure in results.failures()}
    return tuple(
        found[pair] if pair in found else _failed(pair, failed[pair.name])
        for pair in pairs
        if pair in found or pair.name in failed
    )


def _failed(pair: Pair, failure: FailedCell) -> Examined:
    where = f" ({failure.detail[-1]})" if failure.detail else ""
    answer = Answer(verdict="failed", reason=f"{failure.reason}{where}")
    answers = {"full": answer, "lora": answer}
    return Examined(pair=pair, parameters=0, unclassified=(), refused="", answers=answers)
