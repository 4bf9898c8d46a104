"""The coverage table: what was reached of each task, what was refused and why, every pair in one row."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from anatomy.coverage.examine import METHODS, SEQ_LEN, Answer, Examined
from anatomy.coverage.pairs import TASKS, TEXT_TASKS
from anatomy.documents.document import Block, Column, Document, Notes, Sentence, Table

GOALS: Mapping[str, tuple[float, float]] = {"full": (98.0, 90.0), "lora": (95.0, 90.0)}
"""Method -> percent of pairs to be answered, of text tasks and of the others; nothing may fail."""
_VERDICTS = ("answered", "refused", "failed")


def coverage_document(
    rows: Sequence[Examined], versions: Mapping[str, str], layers: int | None = None
) -> Document:
    """What `make coverage` writes; `layers` as it was examined with."""
    flat = _flat(rows)
    said = "Each pair of a task and a model type that transformers' Auto mappings have, in its default config or the least "
    said += f"correction of it that is valid: built, taken apart, and a step of {SEQ_LEN} tokens rehearsed."
    if layers is not None:
        said += f" No part of a model had more than {layers} layers, but where a description needs all of its own."
    blocks: list[Block] = [
        Sentence(text=said),
        _summary(rows),
        *(_goal(rows, text=text) for text in (True, False)),
        Sentence(text=_without_media(rows)),
        Sentence(text=_classified(rows)),
        Notes(title="Refused", items=tuple(_refusals(rows))),
        Notes(title="Failed", items=tuple(_failures(rows)) or ("nothing",)),
        Notes(
            title="Answered with other settings than the defaults",
            items=tuple(_changed(rows)) or ("nothing",),
        ),
        Notes(title="Unclassified parameters", items=tuple(_unclassified(rows)) or ("nothing",)),
        flat,
        Sentence(text="Rehearsed with " + ", ".join(f"{k} {v}" for k, v in versions.items()) + "."),
    ]
    return Document(title="Coverage", blocks=tuple(blocks), table=flat, data={})


def met(rows: Sequence[Examined]) -> bool:
    """Whether every goal is met."""
    shares = (
        share(rows, method, text=text) >= GOALS[method][not text]
        for method in METHODS
        for text in (True, False)
    )
    return all(shares) and not any(_verdict(row, method) == "failed" for row in rows for method in METHODS)


def share(rows: Iterable[Examined], method: str, *, text: bool) -> float:
    """Percent of the text tasks' pairs, or of the others', that were answered."""
    verdicts = [_verdict(row, method) for row in rows if (row.pair.task in TEXT_TASKS) == text]
    return 100 * verdicts.count("answered") / len(verdicts) if verdicts else 100.0


def _verdict(row: Examined, method: str) -> str:
    return "refused" if row.refused else row.answers[method].verdict


def _summary(rows: Sequence[Examined]) -> Table:
    columns = (
        Column(name="task", title="task", keep=True),
        *(Column(name=name, title=name, right=True, keep=True) for name in ("pairs", "built", "classified")),
        *(
            Column(name=f"{method}_{verdict}", title=f"{method} {verdict}", right=True, keep=True)
            for method in METHODS
            for verdict in _VERDICTS
        ),
    )
    counts = tuple(_counts(task, [row for row in rows if row.pair.task == task]) for task in TASKS)
    total = ("all", *(sum(column) for column in zip(*(count[1:] for count in counts), strict=True)))
    return Table(columns=columns, rows=counts, total=total, title="Pairs")


def _counts(task: str, rows: Sequence[Examined]) -> tuple[str | int, ...]:
    built = [row for row in rows if row.parameters]
    found = {method: Counter(_verdict(row, method) for row in rows) for method in METHODS}
    answered = (found[method][verdict] for method in METHODS for verdict in _VERDICTS)
    return (task, len(rows), len(built), sum(not row.unclassified for row in built), *answered)


def _goal(rows: Sequence[Examined], *, text: bool) -> Sentence:
    which = "Of the pairs of text tasks" if text else "Of the other pairs"
    parts = (
        f"{share(rows, method, text=text):.1f} % are answered for {method} (goal {GOALS[method][not text]:g} %)"
        for method in METHODS
    )
    return Sentence(text=f"{which}, {' and '.join(parts)}.")


_TEXT_ALONE = ("text alone", "text only")
"""What an answer's inputs say of a model that takes pictures or sound, and whose step had none."""


def _without_media(rows: Sequence[Examined]) -> str:
    """Such an answer is of the text part's activations: the tower is held, and does not run."""
    answered = [row for row in rows if _verdict(row, METHODS[0]) == "answered"]
    alone = [
        row
        for row in answered
        if any(word in said for said in row.answers[METHODS[0]].inputs for word in _TEXT_ALONE)
    ]
    others = sum(row.pair.task not in TEXT_TASKS for row in alone)
    return (
        f"Of the {len(answered):,} answered for {METHODS[0]}, {len(alone):,} take pictures or sound and were given text alone, "
        f"so that their towers do not run: {others:,} of them are not of text tasks. Each row says so, and why."
    )


def _classified(rows: Sequence[Examined]) -> str:
    built = [row for row in rows if row.parameters]
    whole = sum(not row.unclassified for row in built)
    percent = 100 * whole / len(built) if built else 100.0
    return f"Every parameter has a component in {whole:,} of {len(built):,} models built ({percent:.1f} %, goal 98 %)."


def _refusals(rows: Iterable[Examined]) -> Iterable[str]:
    for row in rows:
        if row.refused:
            yield f"{row.pair.name}: {row.refused}"
            continue
        reasons: dict[str, list[str]] = {}
        for method, answer in row.answers.items():
            if answer.verdict == "refused":
                reasons.setdefault(answer.reason, []).append(method)
        for reason, methods in reasons.items():
            yield f"{row.pair.name}, {' and '.join(methods)}: {reason}"


def _failures(rows: Iterable[Examined]) -> Iterable[str]:
    for row in rows:
        for method, answer in row.answers.items():
            if answer.verdict == "failed":
                yield f"{row.pair.name}, {method}: {answer.reason}"


def _changed(rows: Iterable[Examined]) -> Iterable[str]:
    for row in rows:
        for method, answer in row.answers.items():
            if answer.changed:
                settings = ", ".join(f"{name} {value}" for name, value in answer.changed.items())
                yield f"{row.pair.name}, {method}: {settings}"


def _unclassified(rows: Iterable[Examined]) -> Iterable[str]:
    for row in rows:
        if row.unclassified:
            first = ", ".join(row.unclassified[:3])
            yield f"{row.pair.name}: {len(row.unclassified):,} ({first}{', ...' * (len(row.unclassified) > 3)})"


def _flat(rows: Sequence[Examined]) -> Table:
    names = (
        "task",
        "model_type",
        "class",
        "parameters",
        "unclassified",
        *METHODS,
        "dtype",
        "length",
        "inputs",
        "kernels",
    )
    columns = tuple(
        Column(
            name=name, title=name.replace("_", " "), right=name in ("parameters", "unclassified", "length")
        )
        for name in names
    )
    return Table(columns=columns, rows=tuple(map(_row, rows)), title="Every pair")


def _row(row: Examined) -> tuple[str | int | None, ...]:
    pair = row.pair
    best = row.answers.get("full", Answer(verdict="refused"))
    if best.verdict != "answered":
        best = row.answers.get("lora", best)
    return (
        pair.task,
        pair.model_type,
        pair.class_name,
        row.parameters,
        len(row.unclassified),
        *(_verdict(row, method) for method in METHODS),
        best.dtype,
        best.length or None,
        "; ".join(best.inputs),
        "; ".join(best.kernels),
    )
