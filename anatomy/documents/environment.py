"""This machine, for a bug report."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from anatomy.documents.document import Column, Document, Table
from anatomy.result import Result
from anatomy.units import format_bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Environment(Result):
    """Versions and hardware."""

    python: str
    platform: str
    versions: Mapping[str, str | None]
    """Package -> installed version; None when it is not installed."""
    gpu: str | None
    """Name of the first GPU; None on a machine without one."""
    gpu_memory_bytes: int | None
    """Its memory as torch reports it."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {"schema_version": 1, **asdict(self)}


def environment_document(found: Environment) -> Document:
    """What `anatomy env` says."""
    rows: list[tuple[str, str]] = [("python", found.python), ("platform", found.platform)]
    rows += [(name, version or "not installed") for name, version in found.versions.items()]
    if found.gpu is None or found.gpu_memory_bytes is None:
        rows.append(("GPU", "none found; `anatomy plan` needs none"))
    else:
        rows.append(("GPU", f"{found.gpu}, {format_bytes(found.gpu_memory_bytes)}"))
    table = Table(
        columns=(
            Column(name="what", title="what", keep=True),
            Column(name="value", title="value"),
        ),
        rows=tuple(rows),
    )
    return Document(title="This machine", blocks=(table,), table=table, data=found.to_dict())
