"""The catalogs, this machine, and what answers look like."""

from typing import TYPE_CHECKING, Any

from anatomy import __version__
from anatomy.hardware.catalog import Gpu, all_gpus
from anatomy.result import Result
from anatomy.versions import installed

if TYPE_CHECKING:
    from anatomy.documents.environment import Environment
    from anatomy.source.catalog import CatalogEntry


class Models(tuple["CatalogEntry", ...], Result):
    """A tuple of the shipped models, and a result as those of the other verbs are."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<{len(self)} models of the catalog>"


class Gpus(tuple[Gpu, ...], Result):
    """A tuple of GPUs, and a result as those of the other verbs are."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<{len(self)} GPUs of the catalog>"


def models() -> Models:
    """The models whose facts are shipped."""
    from anatomy.source import catalog

    return Models(catalog.entries())


def gpus() -> Gpus:
    """The GPUs that runs are fitted onto, the smallest memory first."""
    return Gpus(all_gpus())


def env() -> "Environment":
    """Versions and hardware of this machine, for a bug report. Imports torch only where there may be a GPU."""
    import platform

    from anatomy.documents.environment import Environment

    found = _gpu_of_this_machine()
    return Environment(
        python=platform.python_version(),
        platform=platform.platform(),
        versions={"anatomy": __version__, **dict.fromkeys(_PACKAGES), **installed(_PACKAGES)},
        gpu=None if found is None else found.name,
        gpu_memory_bytes=None if found is None else found.memory_bytes,
    )


def schema(name: str) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of an answer: of 'plan', say, that of `anatomy plan --json` and of `Plan.to_dict()`.

    `name`: one of `anatomy.schemas.NAMES`. Raises AnatomyError for another.
    """
    from anatomy.schemas import published

    return published(name)


_PACKAGES = (
    *("torch", "transformers", "peft", "bitsandbytes", "accelerate"),
    *("safetensors", "huggingface-hub", "click", "rich"),
)


def _gpu_of_this_machine() -> Gpu | None:
    import os
    import shutil

    signs = (shutil.which("nvidia-smi"), shutil.which("rocm-smi"), os.path.exists("/dev/nvidia0"))
    if not any(signs):
        return None
    from anatomy.hardware.detect import detect

    return detect()
