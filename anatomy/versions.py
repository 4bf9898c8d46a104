"""Installed versions, asked without importing anything."""

from importlib.metadata import PackageNotFoundError, version

REHEARSED = ("torch", "transformers", "peft", "accelerate", "bitsandbytes")
"""The libraries whose code a rehearsal runs: a prediction is of their versions."""


def installed(packages: tuple[str, ...] = REHEARSED) -> dict[str, str]:
    """Package -> version, of those that are installed."""
    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
