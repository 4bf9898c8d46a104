"""A model of the user's own, taken apart or planned: FILE.py:NAME runs the file."""

import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from anatomy.api.description import Progress
from anatomy.errors import RecipeError, RehearsalError
from anatomy.hardware.catalog import Gpu, all_gpus
from anatomy.training.choices import Precision
from anatomy.training.recipe import Recipe

if TYPE_CHECKING:
    from anatomy.architecture.own import OwnModel
    from anatomy.planning.plan import Plan

INPUTS = "inputs"
"""The function that gives a training step's arguments, where no other is named."""
_ONLY = {
    "method": ("full", "a module of one's own is trained whole: methods are for transformers' models"),
    "gradient_checkpointing": ("off", "checkpointing is what the module's own code does"),
}
"""Setting -> the only value that a module of one's own can have, and why."""
_PRECISIONS: dict[str, Precision] = {"float32": "fp32", "bfloat16": "bf16", "float16": "fp16"}


def plan_own(
    reference: str,
    recipe: Recipe,
    chosen: Collection[str],
    *,
    inputs: str,
    gpu: Gpu | None,
    progress: Progress,
) -> "Plan":
    """Rehearse training steps of the module that FILE.py:NAME makes, on what the file's function `inputs` returns.

    Raises ArchitectureError, RecipeError, RehearsalError.
    """
    from anatomy.api.planned import assumed_of, owned_of, target_of
    from anatomy.architecture.own import build_own
    from anatomy.architecture.tree import module_components
    from anatomy.planning.plan import ModelName, Plan, place, steady_state
    from anatomy.rehearsal.own_cast import OwnCast
    from anatomy.rehearsal.rehearse import rehearse_cast

    progress(f"running {reference}")
    own = build_own(reference)
    recipe, adapted = _fitted(own, recipe, chosen)
    stands_for, target = target_of(gpu)
    components = module_components(own.model, {})
    progress("rehearsing the training step")
    with (
        _in_its_words(own, inputs),
        redirect_stdout(sys.stderr),
    ):  # what the module prints is no part of the answer
        rehearsal = rehearse_cast(
            OwnCast(own, recipe, inputs), component_of=lambda path: components.get(path, ""), target=target
        )
    progress("replaying it on each GPU")
    unlimited, notes = steady_state(rehearsal.timeline)
    gpus = all_gpus() if gpu is None else (gpu,)
    found, fits = place(unlimited, gpus, recipe, stands_for.compute_capability)
    return Plan(
        model=ModelName(
            id=reference,
            origin=f"file: {own.file}, which was run",
            model_type=None,
            architecture=type(own.model).__name__,
        ),
        recipe=recipe,
        adapted=adapted,
        total_parameters=rehearsal.total_parameters,
        trainable_parameters=rehearsal.trainable_parameters,
        targets=rehearsal.targets,
        replay=unlimited,
        footprint=found,
        device=(gpu or stands_for).name,
        context_bytes=(gpu or stands_for).context_bytes,
        fits=fits,
        assumptions=(*assumed_of(rehearsal, stands_for, gpu), *notes),
        not_modelled=rehearsal.not_modelled,
        versions=rehearsal.versions,
        owned=owned_of(rehearsal),
    )


@contextmanager
def _in_its_words(own: "OwnModel", inputs: str) -> Iterator[None]:
    """A step that fails names the file's own line, and what can be done about a module of one's own."""
    from anatomy.architecture.own import line_in

    try:
        yield
    except RehearsalError as error:
        if error.__cause__ is None:
            raise
        line = line_in(own.file, error.__cause__)
        where = f" {own.file}, line {line}, led there." if line else ""
        raise RehearsalError(
            f"{error.message}{where}",
            hint=f"call the module on what {inputs}() returns, in Python, or set ANATOMY_DEBUG=1 to see the traceback",
        ) from error.__cause__


def _fitted(own: "OwnModel", recipe: Recipe, chosen: Collection[str]) -> tuple[Recipe, dict[str, str]]:
    """The recipe for a module of one's own; the model cast where a precision was chosen."""
    adapted: dict[str, str] = {}
    for name, (only, why) in _ONLY.items():
        if getattr(recipe, name) == only:
            continue
        if name in chosen:
            raise RecipeError(f"{name} {getattr(recipe, name)!r} cannot be: {why}.", hint=f"leave {name} out")
        adapted[name] = why
    precision: Precision = recipe.precision
    if "precision" not in chosen:
        made = {str(p.dtype).removeprefix("torch.") for p in own.model.parameters()}
        precision = _PRECISIONS.get(next(iter(made)), "fp32") if len(made) == 1 else "fp32"
        adapted |= {"precision": "the file makes its weights so"} if precision != recipe.precision else {}
    else:
        import torch

        own.model.to(getattr(torch, recipe.weight_dtype))
    settings: dict[str, Any] = {name: only for name, (only, _) in _ONLY.items()}
    return replace(recipe, **settings, precision=precision), adapted
