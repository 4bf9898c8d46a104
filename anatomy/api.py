"""The library's verbs: what the command line calls, as functions. Keyword arguments are named as the flags.

torch, transformers and peft are imported inside the verbs that need them.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from anatomy import __version__
from anatomy.blueprint import Blueprint
from anatomy.errors import ArchitectureError
from anatomy.hardware.catalog import Gpu, all_gpus, lookup
from anatomy.training.recipe import Recipe

if TYPE_CHECKING:
    from anatomy.architecture.anatomy import Anatomy
    from anatomy.architecture.skeleton import Skeleton
    from anatomy.planning.plan import Plan
    from anatomy.rehearsal.rehearse import Rehearsal
    from anatomy.report.environment import Environment
    from anatomy.source.catalog import CatalogEntry

Progress = Callable[[str], None]
"""Told what is being done, in a few words."""

REHEARSED_ON = "A100 80GB SXM"
"""The GPU whose kernels are rehearsed when none is named."""


def load(
    reference: str,
    *,
    overrides: Mapping[str, Any] | None = None,
    revision: str | None = None,
    headers: bool = True,
) -> Blueprint:
    """What is known of the model that `reference` names; see `anatomy.source.load`. Raises SourceError."""
    from anatomy import source

    return source.load(reference, overrides=overrides, revision=revision, headers=headers)


def show(
    reference: str,
    *,
    overrides: Mapping[str, Any] | None = None,
    revision: str | None = None,
    trust_remote_code: bool = False,
    progress: Progress | None = None,
) -> "Anatomy":
    """Take a model apart: facts, components, tree. Raises SourceError, ArchitectureError."""
    from anatomy.architecture.anatomy import anatomy_from
    from anatomy.architecture.plausible import check_plausible

    tell = progress or _silence
    tell(f"reading {reference}")
    blueprint = load(reference, overrides=overrides, revision=revision)
    if blueprint.config is not None:
        check_plausible(blueprint.config)
        tell("building the model without its weights")
    return anatomy_from(blueprint, trust_remote_code=trust_remote_code)


def plan(
    reference: str,
    *,
    recipe: Recipe | None = None,
    gpu: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    revision: str | None = None,
    trust_remote_code: bool = False,
    progress: Progress | None = None,
    **options: Any,
) -> "Plan":
    """Rehearse a training run and say what it needs and where it fits.

    `options` are settings of the recipe by name (`method="qlora", r=64`), on top of `recipe` or of the defaults.
    `gpu`: rehearse that GPU's kernels and fit onto it alone; else an A100's, and every GPU of the catalog.
    Raises SourceError, ArchitectureError, RecipeError, RehearsalError.
    """
    from anatomy.architecture.plausible import check_plausible
    from anatomy.planning.settings import make_recipe

    complete = make_recipe(options, recipe)
    chosen = None if gpu is None else lookup(gpu)
    tell = progress or _silence
    tell(f"reading {reference}")
    blueprint = load(reference, overrides=overrides, revision=revision)
    if blueprint.config is None:
        raise ArchitectureError(
            f"{blueprint.id} has no config, so no run can be rehearsed.",
            hint="name a folder that has a config.json; `anatomy show` counts what the headers say",
        )
    check_plausible(blueprint.config)
    tell("building the model without its weights")
    return _plan(blueprint, complete, chosen, trust_remote_code, tell)


def _plan(blueprint: Blueprint, recipe: Recipe, gpu: Gpu | None, trust: bool, tell: Progress) -> "Plan":
    from anatomy.architecture.skeleton import build_skeleton
    from anatomy.architecture.tree import module_components
    from anatomy.planning.plan import ModelName, Plan, place, steady_state
    from anatomy.rehearsal.rehearse import rehearse

    skeleton = build_skeleton(blueprint, dtype=recipe.weight_dtype, attn=recipe.attn, trust_remote_code=trust)
    components = module_components(skeleton.model, skeleton.config)
    warnings = _warnings(skeleton, components, recipe)
    stands_for, target = _target(gpu)
    tell("rehearsing the training step")
    rehearsal = rehearse(
        skeleton.model, recipe, component_of=lambda path: components.get(path, ""), target=target
    )
    tell("replaying it on each GPU")
    unlimited, notes = steady_state(rehearsal.timeline)
    found, fits = place(
        unlimited, all_gpus() if gpu is None else (gpu,), recipe, stands_for.compute_capability
    )
    return Plan(
        model=ModelName(
            id=blueprint.id,
            origin=str(blueprint.origin),
            model_type=skeleton.config.model_type,
            architecture=skeleton.class_name,
        ),
        recipe=recipe,
        total_parameters=rehearsal.total_parameters,
        trainable_parameters=rehearsal.trainable_parameters,
        targets=rehearsal.targets,
        footprint=found,
        device=(gpu or stands_for).name,
        context_bytes=(gpu or stands_for).context_bytes,
        fits=fits,
        assumptions=(*_assumed(rehearsal, stands_for, gpu), *notes),
        not_modelled=rehearsal.not_modelled,
        warnings=warnings,
        notes=(*blueprint.notes, *skeleton.notes),
        versions=rehearsal.versions,
    )


def models() -> "tuple[CatalogEntry, ...]":
    """The models whose facts are shipped."""
    from anatomy.source import catalog

    return catalog.entries()


def gpus() -> tuple[Gpu, ...]:
    """The GPUs that runs are fitted onto, the smallest memory first."""
    return all_gpus()


def env() -> "Environment":
    """Versions and hardware of this machine, for a bug report. Imports torch only where there may be a GPU."""
    import platform

    from anatomy.report.environment import Environment

    found = _gpu_of_this_machine()
    return Environment(
        python=platform.python_version(),
        platform=platform.platform(),
        versions={"anatomy": __version__, **{name: _version(name) for name in _PACKAGES}},
        gpu=None if found is None else found.name,
        gpu_memory_bytes=None if found is None else found.memory_bytes,
    )


_PACKAGES = (
    *("torch", "transformers", "peft", "bitsandbytes", "accelerate"),
    *("safetensors", "huggingface-hub", "click", "rich"),
)


def _version(package: str) -> str | None:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _gpu_of_this_machine() -> Gpu | None:
    import os
    import shutil

    signs = (shutil.which("nvidia-smi"), shutil.which("rocm-smi"), os.path.exists("/dev/nvidia0"))
    if not any(signs):
        return None
    from anatomy.hardware.detect import detect

    return detect()


def _silence(stage: str) -> None:
    """Progress for nobody."""


def _target(gpu: Gpu | None) -> tuple[Gpu, Any]:
    """The GPU that the rehearsal stands for, and its target. AMD's kernels are not known: an A100 stands in."""
    from anatomy.rehearsal.cuda import Target

    stands_for = gpu if gpu is not None and gpu.vendor == "NVIDIA" else lookup(REHEARSED_ON)
    major, minor = stands_for.compute_capability.split(".")
    return stands_for, Target(capability=(int(major), int(minor)), multiprocessors=stands_for.multiprocessors)


def _assumed(rehearsal: "Rehearsal", stands_for: Gpu, asked: Gpu | None) -> tuple[str, ...]:
    capability = f"compute capability {stands_for.compute_capability}"
    if asked is None:
        on = f"kernels and workspaces are those of an {stands_for.name} ({capability}), on every GPU of the table"
    elif asked == stands_for:
        on = f"kernels and workspaces are those of the {stands_for.name} ({capability})"
    else:
        on = f"kernels and workspaces are those of an {stands_for.name}: those of the {asked.name} are not known"
    context = "the CUDA context and libraries take what public measurements suggest (`anatomy gpus`)"
    return (*rehearsal.assumptions, on, context)


def _warnings(skeleton: "Skeleton", components: Mapping[str, str], recipe: Recipe) -> tuple[str, ...]:
    """Of the sequence length, where the model reads text."""
    import inspect

    from anatomy.architecture.facts import facts_from_config
    from anatomy.planning.sequence import check_sequence

    accepted = inspect.signature(skeleton.model.forward).parameters
    if "input_ids" not in accepted or "input_features" in accepted:
        return ()
    stated = facts_from_config(skeleton.config).context
    return check_sequence(skeleton.model, components, recipe.seq_len, stated)
