"""Supplying what the installed libraries lack."""

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version

COMPLETE_SINCE = {"torch": (2, 10), "transformers": (5, 10), "bitsandbytes": (0, 48)}
"""Versions that the project requires: from these on, nothing is looked for."""
_ROOMS = {"torch": "torch_2", "transformers": "transformers_4", "bitsandbytes": "bitsandbytes_0"}


def adapt() -> tuple[str, ...]:
    """Supply, for the rest of the process, whatever of the newer interface is missing; returns what that was.

    To be called before `anatomy.rehearsal` is imported. Empty with the versions that the project requires, and when
    called again.
    """
    supplied = []
    for package in older_packages():
        for row in import_module(f"anatomy.older.{_ROOMS[package]}").ROWS:
            if row.is_missing():
                row.supply()
                supplied.append(row.what)
    return tuple(supplied)


def older_packages() -> tuple[str, ...]:
    """Packages installed in an older version than the project requires."""
    return tuple(package for package, complete in COMPLETE_SINCE.items() if _is_older(package, complete))


def _is_older(package: str, complete: tuple[int, int]) -> bool:
    try:
        major, minor = version(package).split(".")[:2]
    except PackageNotFoundError:
        return False
    return (int(major), int(minor)) < complete
