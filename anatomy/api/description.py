"""What a model is: its description, and the model taken apart."""

from collections.abc import Callable, Mapping
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any

from anatomy.alone import alone
from anatomy.blueprint import Blueprint
from anatomy.errors import ArchitectureError, SourceError

if TYPE_CHECKING:
    from anatomy.architecture.anatomy import Anatomy

Progress = Callable[[str], None]
"""Told what is being done, in a few words."""
Reference = str | PathLike[str]
"""What names a model: a hub's id, a folder, a file."""


def spelled(reference: Reference) -> str:
    """A reference as text. Raises SourceError for what names no model: a module, a number."""
    if isinstance(reference, str | PathLike):
        return fspath(reference)
    raise SourceError(
        f"A model is named by a text or a path, not by {type(reference).__name__}.",
        hint="name a hub's id or a folder; a module of your own is a file's function (FILE.py:NAME) or anatomy.watch's model",
    )


def load(
    reference: Reference,
    *,
    overrides: Mapping[str, Any] | None = None,
    revision: str | None = None,
    headers: bool = True,
    progress: Progress | None = None,
) -> Blueprint:
    """What is known of the model that `reference` names; see `anatomy.source.load`. Raises SourceError."""
    from anatomy import source

    return source.load(
        spelled(reference), overrides=overrides, revision=revision, headers=headers, progress=progress
    )


@alone
def show(
    reference: Reference,
    *,
    overrides: Mapping[str, Any] | None = None,
    revision: str | None = None,
    trust_remote_code: bool = False,
    build: bool = False,
    progress: Progress | None = None,
) -> "Anatomy":
    """Take a model apart: facts, components, tree. Raises SourceError, ArchitectureError.

    The real class is built on the meta device, unless there is none or its checkpoint's headers say all that it would;
    `build` builds it then too. `FILE.py:NAME` runs a file of the user's own, and takes the module that NAME() returns.
    """
    from anatomy.architecture.anatomy import anatomy_from
    from anatomy.architecture.own import build_own, check_nothing_set, own_anatomy, own_reference
    from anatomy.architecture.plain import count_plain
    from anatomy.architecture.plausible import check_plausible

    tell = progress or silence
    reference = spelled(reference)
    if own_reference(reference) is not None:
        check_nothing_set(reference, overrides)
        tell(f"running {reference}")
        return own_anatomy(build_own(reference))
    tell(f"reading {reference}")
    blueprint = load(reference, overrides=overrides, revision=revision, progress=progress)
    if blueprint.config is not None:
        check_plausible(blueprint.config)
        if not (build or trust_remote_code) and (counted := count_plain(blueprint)) is not None:
            return counted
        tell("building the model without its weights")
    return anatomy_from(blueprint, trust_remote_code=trust_remote_code)


def trainable_description(
    reference: str, overrides: Mapping[str, Any] | None, revision: str | None
) -> Blueprint:
    """What `reference` names, if a run can be made of it: with a config, and one that is plausible."""
    from anatomy.architecture.own import own_reference
    from anatomy.architecture.plausible import check_plausible

    if own_reference(reference) is not None:
        raise ArchitectureError(
            f"{reference} is a module of your own, which only show and plan take.",
            hint=f"anatomy plan {reference}",
        )
    blueprint = load(reference, overrides=overrides, revision=revision)
    if blueprint.adapter is not None:
        base = blueprint.adapter.config.get("base_model_name_or_path")
        raise ArchitectureError(
            f"{blueprint.id} is an adapter, and a run is of a whole model.",
            hint=f"plan its base, {base if isinstance(base, str) else 'which it does not name'}, "
            "with the adapter's settings, e.g. --method lora --r 16",
        )
    if blueprint.config is None:
        raise ArchitectureError(
            f"{blueprint.id} has no config, so no run can be rehearsed.",
            hint="name a folder that has a config.json; `anatomy show` counts what the headers say",
        )
    check_plausible(blueprint.config)
    if blueprint.names == "gguf":
        from anatomy.api.gguf import trainable_gguf

        return trainable_gguf(blueprint)
    return blueprint


def silence(stage: str) -> None:
    """Progress for nobody."""
