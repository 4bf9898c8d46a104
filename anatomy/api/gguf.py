"""A run of a model that a GGUF file holds: of the class that its metadata describe, if that is what the file stores."""

from dataclasses import replace

from anatomy.blueprint import Blueprint
from anatomy.errors import ArchitectureError

_DENSE = "Its weights are planned dense: transformers dequantizes a GGUF file as it loads it, and trains no blocks of ggml's."


def trainable_gguf(blueprint: Blueprint) -> Blueprint:
    """The blueprint, with what the reader should know of such a run.

    Raises ArchitectureError where no class is known for the architecture, and where the class, built by the file's
    metadata, has other parameters than the file: then a setting is missing, and the plan would be of another model.
    """
    config = blueprint.config or {}
    hint = f"plan {_made_of(blueprint)}: name its hub id, folder or config.json"
    if not config.get("model_type"):
        raise ArchitectureError(
            f"{blueprint.id} is a GGUF file whose architecture is not mapped to a class of transformers here, "
            "so no run can be rehearsed.",
            hint=hint,
        )
    if blueprint.tensors is not None:  # else facts were set by hand, and the file says nothing any more
        from anatomy.architecture.anatomy import anatomy_from, count_headers

        stored = count_headers(blueprint)
        built = anatomy_from(replace(blueprint, tensors=None))
        if built.by_component != stored.by_component:
            raise ArchitectureError(
                f"{built.architecture}, built by the metadata of {blueprint.id}, has {built.total:,} parameters; the "
                f"file stores {stored.total:,}: {_differing(built.by_component, stored.by_component)}.",
                hint=hint,
            )
    return replace(blueprint, notes=(*blueprint.notes, _DENSE))


def _made_of(blueprint: Blueprint) -> str:
    """What the file was converted from, by name where its metadata have one."""
    before, after = "It was made of ", ", as its metadata say."
    said = (
        note.removeprefix(before).removesuffix(after) for note in blueprint.notes if note.startswith(before)
    )
    return next(said, "the model that it was made of")


def _differing(built: dict[str, int], stored: dict[str, int]) -> str:
    """'norm 64 and 32': the components whose counts differ, built first."""
    names = [name for name in {**built, **stored} if built.get(name) != stored.get(name)]
    return ", ".join(f"{name} {built.get(name, 0):,} and {stored.get(name, 0):,}" for name in names[:4])
