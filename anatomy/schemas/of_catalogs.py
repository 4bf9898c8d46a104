"""What `models`, `gpus`, `env` and `optimizers` answer."""

from anatomy.documents.environment import Environment
from anatomy.planning.optimizer_costs import PRECISIONS, Cost
from anatomy.schemas.shapes import (
    VERSION,
    VERSIONS,
    Schema,
    answer,
    maybe,
    record,
    several,
    size,
    text,
    typed,
    whole,
    yes,
)


def models() -> Schema:
    """`anatomy models --json`."""
    entry = record(
        {
            "id": text("A model hub's id."),
            "model_type": maybe(text()),
            "parameters": maybe(whole(), "As published; null where that is not known."),
            "source": maybe(text(), "Where the count was published."),
        }
    )
    body = record(
        {"schema_version": VERSION, "models": several(entry)}, "Models that are known without a network."
    )
    return answer("models", "anatomy models --json", body)


def gpus() -> Schema:
    """`anatomy gpus --json`."""
    entry = record(
        {
            "gpu": text("What --gpu takes."),
            "memory_bytes": size("What a process can allocate on it"),
            "read_from": text("Who read that figure: 'torch', 'nominal' for the one on the box."),
            "compute_capability": text(),
            "multiprocessors": maybe(whole()),
            "context_bytes": size("Assumed for the CUDA context and libraries"),
            "source": text("Where the memory figure was published."),
        }
    )
    body = record({"schema_version": VERSION, "gpus": several(entry)}, "GPUs that runs are fitted onto.")
    return answer("gpus", "anatomy gpus --json", body)


def env() -> Schema:
    """`anatomy env --json`."""
    keys = {"schema_version": VERSION, **typed(Environment)["properties"]}
    return answer("env", "anatomy env --json", record(keys, "Versions and hardware of this machine."))


def optimizers() -> Schema:
    """`anatomy optimizers --json`."""
    book = record({"said": maybe({"type": ["number", "string"]}), "source": text(), "why": text()})
    row = record(
        {
            "optimizer": text("A name as in TrainingArguments(optim=...)."),
            "fate": text("How it is known what it takes."),
            "package": maybe(text(), "What it needs beside torch and transformers."),
            "missing": maybe(text(), "Why it was not rehearsed; null where it was."),
            "one_parameter_at_a_time": maybe(yes()),
            "textbook": maybe(book, "What books say of its states, in bytes for each parameter."),
        },
        optional={precision: typed(Cost) for precision in PRECISIONS},
    )
    keys = {"schema_version": VERSION, "model": text(), "optimizers": several(row), "versions": VERSIONS}
    return answer("optimizers", "anatomy optimizers --json", record(keys, "What every optimizer takes."))
