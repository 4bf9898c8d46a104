"""A training run, planned: rehearsed once and fitted onto GPUs."""

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, Unpack

from anatomy.alone import alone
from anatomy.api.configured import Asked, Config, asked, settled
from anatomy.api.description import Progress, Reference, silence, trainable_description
from anatomy.api.lengths import Given
from anatomy.api.own import INPUTS, plan_own
from anatomy.api.staged import Staged, stage
from anatomy.api.stored import own_quantization
from anatomy.architecture.own import check_nothing_set, own_reference
from anatomy.errors import RecipeError
from anatomy.hardware.catalog import Gpu, all_gpus, lookup
from anatomy.training.keywords import Settings
from anatomy.training.recipe import Recipe

if TYPE_CHECKING:
    from anatomy.planning.modules import Owned
    from anatomy.planning.plan import Plan
    from anatomy.rehearsal.rehearse import Rehearsal

REHEARSED_ON = "A100 80GB SXM"
"""The GPU whose kernels are rehearsed when none is named."""


@alone
def plan(
    reference: Reference | None = None,
    *,
    config: Config | None = None,
    recipe: Recipe | None = None,
    chosen: Collection[str] | None = None,
    lengths: Given | None = None,
    gpu: str | None = None,
    inputs: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    revision: str | None = None,
    trust_remote_code: bool = False,
    progress: Progress | None = None,
    **options: Unpack[Settings],
) -> "Plan":
    """Rehearse a training run and say what it needs and where it fits.

    `config`: a trainer's file, or what `read_config` made of it; it names the model where `reference` is left out, and
    makes the recipe where `recipe` is. `options` are settings of the recipe by name (`method="qlora", r=64`), on top of `recipe` or of the defaults.
    `chosen`: the settings of `recipe` that were chosen by someone, all of them when left out; the other ones, and
    defaults, give way to what the model can run (`Plan.adapted`).
    `lengths`: tokens of the dataset's examples, or a file with one number a line: the longest batch that they can make is
    planned, cut to `seq_len` where that was chosen.
    `gpu`: rehearse that GPU's kernels and fit onto it alone; else an A100's, and every GPU of the catalog.
    `FILE.py:NAME` runs a file of the user's own: NAME() returns an nn.Module, `inputs` (its function of that name, 'inputs'
    when left out) the arguments of a training step, and loss(outputs) the loss where the outputs hold none.
    Raises SourceError, ArchitectureError, RecipeError, RehearsalError.
    """
    run = asked(reference, config, recipe=recipe, chosen=chosen, revision=revision, overrides=overrides)
    run, recipe, chosen_names = settled(run, options, lengths)
    on = None if gpu is None else lookup(gpu)
    tell = progress or silence
    if own_reference(run.reference) is not None:
        check_nothing_set(run.reference, run.overrides)
        return plan_own(run.reference, recipe, chosen_names, inputs=inputs or INPUTS, gpu=on, progress=tell)
    if inputs is not None:
        raise RecipeError(
            "inputs names a function of a user's own file.", hint="it belongs to a model written FILE.py:NAME"
        )
    tell(f"reading {run.reference}")
    blueprint = trainable_description(run.reference, run.overrides, run.revision)
    tell("building the model without its weights")
    staged = stage(
        blueprint,
        recipe,
        chosen_names,
        trust_remote_code=trust_remote_code,
        capability=target_of(on)[1].capability,
    )
    tell("rehearsing the training step")
    return plan_of(staged, rehearse_staged(staged, target_of(on)[1]), run, on, tell)


def rehearse_staged(staged: Staged, target: Any) -> "Rehearsal":
    """The rehearsal of a staged run, which uses its skeleton up."""
    from anatomy.rehearsal.rehearse import rehearse

    return rehearse(staged.skeleton.model, staged.recipe, component_of=staged.component_of, target=target)


def plan_of(staged: Staged, rehearsal: "Rehearsal", run: Asked, gpu: Gpu | None, tell: Progress) -> "Plan":
    """The plan of a run that was rehearsed: its steady state, and where it fits."""
    from anatomy.planning.plan import Plan, place, steady_state

    recipe = staged.recipe
    quantized = own_quantization(staged.blueprint, recipe)
    stands_for, _ = target_of(gpu)
    tell("replaying it on each GPU")
    unlimited, notes = steady_state(rehearsal.timeline)
    found, fits = place(
        unlimited, all_gpus() if gpu is None else (gpu,), recipe, stands_for.compute_capability
    )
    return Plan(
        model=staged.name,
        recipe=recipe,
        config=run.config,
        adapted=staged.adapted,
        total_parameters=rehearsal.total_parameters,
        trainable_parameters=rehearsal.trainable_parameters,
        targets=rehearsal.targets,
        replay=unlimited,
        footprint=found,
        device=(gpu or stands_for).name,
        context_bytes=(gpu or stands_for).context_bytes,
        fits=fits,
        assumptions=(*run.assumed, *assumed_of(rehearsal, stands_for, gpu), *notes),
        not_modelled=(
            *run.not_modelled,
            *rehearsal.not_modelled,
            *(missing for missing, _ in quantized if missing),
        ),
        warnings=(
            *run.warnings(staged.blueprint, staged.recipe),
            *staged.warnings,
            *(warning for _, warning in quantized),
        ),
        notes=(*staged.blueprint.notes, *staged.skeleton.notes),
        versions=rehearsal.versions,
        owned=owned_of(rehearsal),
    )


def target_of(gpu: Gpu | None) -> tuple[Gpu, Any]:
    """The GPU that the rehearsal stands for, and its target. AMD's kernels are not known: an A100 stands in."""
    from anatomy.rehearsal.cuda import Target

    stands_for = gpu if gpu is not None and gpu.vendor == "NVIDIA" else lookup(REHEARSED_ON)
    major, minor = stands_for.compute_capability.split(".")
    return stands_for, Target(capability=(int(major), int(minor)), multiprocessors=stands_for.multiprocessors)


def owned_of(rehearsal: "Rehearsal") -> "Owned":
    """What a rehearsal tells of the modules that ran."""
    from anatomy.planning.modules import Owned

    return Owned(
        owners=rehearsal.owners,
        flops={path: (flops.model, flops.recomputed) for path, flops in rehearsal.module_flops.items()},
        held=rehearsal.held,
        unfused=rehearsal.unfused,
    )


def assumed_of(rehearsal: "Rehearsal", stands_for: Gpu, asked: Gpu | None) -> tuple[str, ...]:
    capability = f"compute capability {stands_for.compute_capability}"
    if asked is None:
        on = f"kernels and workspaces are those of an {stands_for.name} ({capability}), on every GPU of the table"
    elif asked == stands_for:
        on = f"kernels and workspaces are those of the {stands_for.name} ({capability})"
    else:
        on = f"kernels and workspaces are those of an {stands_for.name}: those of the {asked.name} are not known"
    context = "the CUDA context and libraries take what public measurements suggest (`anatomy gpus`)"
    return (*rehearsal.assumptions, on, context)
