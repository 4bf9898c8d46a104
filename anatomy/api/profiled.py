"""A training run, measured on this machine, beside its prediction."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, Unpack

from anatomy.alone import alone
from anatomy.api.configured import Asked, Config, asked, settled
from anatomy.api.description import Progress, Reference, silence, trainable_description
from anatomy.api.lengths import Given
from anatomy.api.room import Room, check_room, room_on, smallest_change
from anatomy.api.staged import Staged, stage
from anatomy.errors import RecipeError
from anatomy.hardware.catalog import lookup
from anatomy.training.keywords import Settings
from anatomy.training.recipe import Recipe

if TYPE_CHECKING:
    from anatomy.planning.smaller import Smaller
    from anatomy.profiling.measure import Pass, Subject
    from anatomy.profiling.measurement import Machine, Measurement
    from anatomy.profiling.record import Prediction, Record

Weights = Literal["random", "real"]
SEED = 0
"""Of the random weights."""


@alone
def profile(
    reference: Reference | None = None,
    *,
    config: Config | None = None,
    recipe: Recipe | None = None,
    chosen: Collection[str] | None = None,
    lengths: Given | None = None,
    device: str | None = None,
    weights: Weights = "random",
    steps: int = 5,
    warmup: int = 2,
    passes: "Collection[Pass] | None" = None,
    overrides: Mapping[str, Any] | None = None,
    revision: str | None = None,
    trust_remote_code: bool = False,
    progress: Progress | None = None,
    **options: Unpack[Settings],
) -> "Record":
    """Run real training steps on this machine, and rehearse the same run for it.

    `device`: 'cuda' or 'cpu'; a GPU where there is one when left out. `weights`: 'random' ones of the right shapes,
    or the 'real' ones through transformers. `steps` are timed after `warmup` more; `passes` of
    `anatomy.profiling.measure.PASSES`, all when left out. The other arguments are those of `plan`.
    Out of memory during the run is part of the answer (`Measurement.failure`).
    Raises SourceError, ArchitectureError, RecipeError, RehearsalError; RecipeError, with a recipe that would do,
    for a run that cannot fit the device.
    """
    from anatomy.profiling import machine as machines
    from anatomy.profiling.measure import PASSES, measure

    run = asked(reference, config, recipe=recipe, chosen=chosen, revision=revision, overrides=overrides)
    run, recipe, chosen_names = settled(run, options, lengths)
    tell = progress or silence
    machine, used_before = machines.arrive(device)
    machines.check_runnable(recipe, machine.kind)
    tell(f"reading {run.reference}")
    blueprint = trainable_description(run.reference, run.overrides, run.revision)
    tell("building the model without its weights")
    staged = stage(blueprint, recipe, chosen_names, trust_remote_code=trust_remote_code, capability=None)
    room = room_on(machine, used_before)
    prediction = _foreseen(staged, room, tell)
    subject = _subject(staged, machine, tell, weights=weights, steps=steps, warmup=warmup, used=used_before)
    measurement = measure(
        subject,
        model=staged.name,
        weights=weights,
        passes=PASSES if passes is None else passes,
        model_flops=prediction.model_flops,
        hardware_flops=prediction.hardware_flops,
        peak_flops=_peak_flops(machine, staged.recipe),
    )
    smaller = None
    if measurement.failure is not None:
        tell("looking for a run that fits")
        reached = _reached(measurement, room.unlimited(prediction))
        smaller = smallest_change(staged, replace(room, bytes=reached))
    return _record(run, staged, measurement, prediction, smaller)


def _subject(
    staged: Staged,
    machine: "Machine",
    tell: Progress,
    *,
    weights: Weights,
    steps: int,
    warmup: int,
    used: int,
) -> "Subject":
    """What is measured; `used`: bytes that were in use on the device before."""
    from anatomy.profiling.measure import Subject

    return Subject(
        build=_builder(staged, machine.kind, weights),
        recipe=staged.recipe,
        component_of=staged.component_of,
        machine=machine,
        tell=tell,
        steps=steps,
        warmup=warmup,
        used_before_bytes=used,
    )


def _record(
    run: Asked,
    staged: Staged,
    measurement: "Measurement",
    prediction: "Prediction",
    smaller: "Smaller | None",
) -> "Record":
    """Both, with what the file and the model gave to say."""
    from anatomy.profiling.record import Record

    said = (*run.warnings(staged.blueprint, staged.recipe), *staged.warnings)
    return Record(
        measurement=replace(measurement, notes=(*said, *measurement.notes)),
        prediction=replace(
            prediction,
            assumptions=(*run.assumed, *prediction.assumptions),
            not_modelled=(*run.not_modelled, *prediction.not_modelled),
        ),
        smaller=smaller,
    )


def _foreseen(staged: Staged, room: Room, tell: Progress) -> "Prediction":
    """The run as rehearsed for this machine. Raises RecipeError where it cannot fit."""
    from anatomy.profiling.predict import predict

    tell("rehearsing the training step")
    prediction = predict(staged.skeleton.model, staged.recipe, room.machine, staged.component_of)
    check_room(staged, prediction, room, tell)
    return prediction


def _reached(measurement: "Measurement", predicted: int) -> int:
    """What the device gave before it had no more; less than was predicted in any case, for that was not enough."""
    held = measurement.peak_reserved_bytes or measurement.peak_allocated_bytes
    return min(held, predicted - 1)


def _builder(staged: Staged, device: str, weights: Weights) -> Callable[[], Any]:
    """Makes the model on the device, once for each pass."""
    if weights == "real":
        return lambda: _with_real_weights(staged, device)

    def build() -> Any:
        import torch

        from anatomy.profiling.weights import materialise

        torch.manual_seed(SEED)
        return materialise(staged.rebuilt().model, staged.recipe, device)

    return build


def _with_real_weights(staged: Staged, device: str) -> Any:
    """The checkpoint's weights through transformers' own loading; a dense model moves over as the Trainer moves it."""
    import torch
    import transformers

    from anatomy.training.quantized.base import bnb_config

    blueprint, recipe = staged.blueprint, staged.recipe
    cls = getattr(transformers, staged.skeleton.class_name, None)
    if cls is None or blueprint.origin.kind not in _HOLD_WEIGHTS or not blueprint.tensors:
        raise RecipeError(
            f"There are no weights to load: {blueprint.id} was read from {blueprint.origin}.",
            hint="name a folder or a model hub's id that holds safetensors files, or leave --weights out",
        )
    transformers.utils.logging.disable_progress_bar()
    packed = (
        {"quantization_config": bnb_config(recipe), "device_map": {"": device}} if recipe.quantized else {}
    )
    model = cls.from_pretrained(
        blueprint.origin.location,
        config=staged.rebuilt().config,
        revision=blueprint.origin.revision or "main",
        dtype=getattr(torch, recipe.weight_dtype),
        use_safetensors=True,
        **packed,
    )
    return model if recipe.quantized else model.to(device)


_HOLD_WEIGHTS = ("folder", "cache", "hub")


def _peak_flops(machine: "Machine", recipe: Recipe) -> float | None:
    """The GPU's dense 16-bit FLOP/s by its data sheet, where the run computes in 16 bits and the GPU is known."""
    if machine.kind == "cpu" or recipe.precision == "fp32":
        return None
    try:
        return lookup(machine.name).peak_flops
    except RecipeError:
        return None
