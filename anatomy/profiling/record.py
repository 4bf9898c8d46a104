"""Record: a measurement and the prediction made for it, kept as one file that any machine can open.

JSON, compressed when the name ends in .xz: the second step repeats the first, which xz sees and gzip's window does not.
Nothing is unpickled.
"""

import json
import lzma
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from anatomy.errors import AnatomyError, SourceError
from anatomy.memory.timeline import Timeline
from anatomy.planning.smaller import Smaller
from anatomy.profiling.measurement import Measurement
from anatomy.result import Result

FORMAT_VERSION = 1
KIND = "anatomy run"
"""What the file says it is."""
_XZ = b"\xfd7zXZ\x00"
"""How a compressed file begins."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Prediction:
    """What the rehearsal said of the same run on the same device."""

    timeline: Timeline
    """The rehearsal of the run, block by block."""
    context_bytes: int
    """Assumed memory of the context and libraries; 0 on the CPU."""
    total_parameters: int
    """Parameters of the model with its adapters, tied ones once."""
    trainable_parameters: int
    """Parameters that get gradients."""
    model_flops: int
    """FLOPs of one optimizer step without recomputation (`anatomy.rehearsal.flops`)."""
    hardware_flops: int
    """The same with recomputation."""
    versions: Mapping[str, str]
    """Installed versions of the libraries that were rehearsed."""
    assumptions: tuple[str, ...] = ()
    """What it rests on: a sentence each."""
    not_modelled: tuple[str, ...] = ()
    """What it leaves out: a sentence each."""

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready form."""
        return {
            "timeline": self.timeline.to_dict(),
            "context_bytes": self.context_bytes,
            "total_parameters": self.total_parameters,
            "trainable_parameters": self.trainable_parameters,
            "model_flops": self.model_flops,
            "hardware_flops": self.hardware_flops,
            "versions": dict(self.versions),
            "assumptions": list(self.assumptions),
            "not_modelled": list(self.not_modelled),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Prediction":
        """Read back what `to_dict` wrote."""
        return cls(
            timeline=Timeline.from_dict(data["timeline"]),
            context_bytes=data["context_bytes"],
            total_parameters=data["total_parameters"],
            trainable_parameters=data["trainable_parameters"],
            model_flops=data["model_flops"],
            hardware_flops=data["hardware_flops"],
            versions=data["versions"],
            assumptions=tuple(data["assumptions"]),
            not_modelled=tuple(data["not_modelled"]),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Record(Result):
    """One profiled run."""

    measurement: Measurement
    """What the run took."""
    prediction: Prediction
    """What was predicted for it."""
    smaller: Smaller | None = None
    """After a run that ended out of memory: the smallest change with which it would fit, where one was found."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """What a grid calls this run: its cell, family, whether it was held out."""

    def __repr__(self) -> str:
        run = self.measurement
        ended = "" if run.failure is None else ", out of memory"
        return f"<Record of {run.model.id!r}, {run.recipe.method}, on {run.machine.name}{ended}>"


def save(record: Record, path: Path) -> None:
    """Write a record. Raises SourceError where the file cannot be written."""
    text = json.dumps(
        {
            "kind": KIND,
            "format_version": FORMAT_VERSION,
            "labels": dict(record.labels),
            "measurement": record.measurement.to_dict(),
            "prediction": record.prediction.to_dict(),
            "smaller": None if record.smaller is None else asdict(record.smaller),
        },
        separators=(",", ":"),
    ).encode()
    try:
        path.write_bytes(lzma.compress(text) if path.suffix == ".xz" else text)
    except OSError as error:
        raise SourceError(
            f"{path} cannot be written: {error.strerror}.", hint="name a folder that exists"
        ) from error


def load(path: Path) -> Record:
    """Read a record. Raises SourceError for a file that is none, or of another format version."""
    data = _read(path)
    if not isinstance(data, dict) or data.get("kind") != KIND:
        raise _no_record(path, "it does not say that it is one")
    found = data.get("format_version")
    if found != FORMAT_VERSION:
        raise _no_record(path, f"its format is version {found}, this program reads {FORMAT_VERSION}")
    try:
        return Record(
            measurement=Measurement.from_dict(data["measurement"]),
            prediction=Prediction.from_dict(data["prediction"]),
            smaller=None if data["smaller"] is None else Smaller(**data["smaller"]),
            labels=dict(data["labels"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError, AnatomyError) as error:
        raise _no_record(path, f"it is incomplete ({type(error).__name__}: {error})") from error


def _read(path: Path) -> Any:
    """A file's JSON, whatever that is."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}.", hint="name a saved run") from error
    try:
        return json.loads(lzma.decompress(raw) if raw.startswith(_XZ) else raw)
    except (ValueError, EOFError, lzma.LZMAError, RecursionError) as error:
        raise _no_record(path, "it is not JSON") from error


def _no_record(path: Path, why: str) -> SourceError:
    return SourceError(
        f"{path} is not a saved run: {why}.", hint="`anatomy profile MODEL --save run.json` writes one"
    )
