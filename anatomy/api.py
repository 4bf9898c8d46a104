"""The library's verbs: what the command line calls, as functions. Keyword arguments are named as the flags.

torch, transformers and peft are imported inside the verbs that need them.
"""

from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any

from anatomy import __version__
from anatomy.blueprint import Blueprint
from anatomy.errors import AnatomyError, ArchitectureError
from anatomy.hardware.catalog import Gpu, all_gpus, lookup
from anatomy.training.recipe import Recipe

if TYPE_CHECKING:
    from anatomy.architecture.anatomy import Anatomy
    from anatomy.architecture.skeleton import Skeleton
    from anatomy.memory.allocator import Replay
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
    chosen: Collection[str] | None = None,
    gpu: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    revision: str | None = None,
    trust_remote_code: bool = False,
    progress: Progress | None = None,
    **options: Any,
) -> "Plan":
    """Rehearse a training run and say what it needs and where it fits.

    `options` are settings of the recipe by name (`method="qlora", r=64`), on top of `recipe` or of the defaults.
    `chosen`: the settings of `recipe` that were chosen by someone, all of them when left out; the other ones, and
    defaults, give way to what the model can run (`Plan.adapted`).
    `gpu`: rehearse that GPU's kernels and fit onto it alone; else an A100's, and every GPU of the catalog.
    Raises SourceError, ArchitectureError, RecipeError, RehearsalError.
    """
    from anatomy.architecture.plausible import check_plausible
    from anatomy.planning.optimizers import check_optimizer
    from anatomy.planning.settings import make_recipe
    from anatomy.training.optimizer_names import optimizer_names

    asked = make_recipe(options, recipe)
    if chosen is None:
        chosen = () if recipe is None else recipe.to_dict()
    if (known := optimizer_names()) is not None:
        check_optimizer(asked.optimizer, known)
    on = None if gpu is None else lookup(gpu)
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
    return _plan(blueprint, asked, {*chosen, *options}, on, trust_remote_code, tell)


def _plan(
    blueprint: Blueprint, recipe: Recipe, chosen: set[str], gpu: Gpu | None, trust: bool, tell: Progress
) -> "Plan":
    from anatomy.architecture.skeleton import build_skeleton
    from anatomy.architecture.tree import module_components
    from anatomy.planning.plan import ModelName, Plan, place, steady_state
    from anatomy.rehearsal.rehearse import rehearse

    skeleton = build_skeleton(blueprint, dtype=recipe.weight_dtype, attn=recipe.attn, trust_remote_code=trust)
    components = module_components(skeleton.model, skeleton.config)
    recipe, adapted, warnings = _adapted(skeleton, components, recipe, chosen)
    quantized = _quantized(blueprint, recipe)
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
            overrides=blueprint.overrides,
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
        assumptions=(*_assumed(rehearsal, stands_for, gpu), *notes),
        not_modelled=(*rehearsal.not_modelled, *(missing for missing, _ in quantized)),
        warnings=(*warnings, *(warning for _, warning in quantized)),
        notes=(*blueprint.notes, *skeleton.notes),
        versions=rehearsal.versions,
    )


def check_export(path: str) -> None:
    """Before the work: raises AnatomyError when `export` does not know what a file of this name would be."""
    from anatomy.render.export import exporter

    exporter(path)


def export(replay: "Replay", path: str) -> None:
    """Write a replay (a plan has one; `anatomy.memory.allocator.replay` makes one of any timeline) for other tools.

    `path`: ends in .pickle for a PyTorch memory snapshot (pytorch.org/memory_viz), in .json for trace events
    (ui.perfetto.dev). Raises AnatomyError for any other ending, and for a file that cannot be written.
    """
    from pathlib import Path

    from anatomy.render.export import exporter

    content = exporter(path)(replay)
    try:
        Path(path).write_bytes(content)
    except OSError as error:
        raise AnatomyError(
            f"{path} cannot be written: {error.strerror}.", hint="export to another file"
        ) from error


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


def _adapted(
    skeleton: "Skeleton", components: Mapping[str, str], recipe: Recipe, chosen: set[str]
) -> tuple[Recipe, Mapping[str, str], tuple[str, ...]]:
    """The recipe with the defaults that this model cannot run changed, setting -> why, and warnings."""
    import inspect

    from anatomy.architecture.facts import facts_from_config
    from anatomy.planning.sequence import check_sequence, longest_sequence
    from anatomy.planning.settings import adapt

    model = skeleton.model
    accepted = inspect.signature(model.forward).parameters
    reads_text = "input_ids" in accepted and "input_features" not in accepted
    longest = longest_sequence(model, components) if reads_text else None
    checkpoints = bool(getattr(model, "supports_gradient_checkpointing", False))
    recipe, adapted = adapt(recipe, chosen, longest=longest, checkpoints=checkpoints)
    warnings: tuple[str, ...] = ()
    if "gradient_checkpointing" in adapted:
        warnings += (f"{skeleton.class_name} does not support gradient checkpointing: planned without it",)
    if reads_text:
        stated = facts_from_config(skeleton.config).context
        warnings += check_sequence(skeleton.class_name, recipe.seq_len, longest, stated)
    return recipe, adapted, warnings


def _quantized(blueprint: Blueprint, recipe: Recipe) -> tuple[tuple[str, str], ...]:
    """(what is not modelled, warning) for a checkpoint that is itself quantized."""
    config = blueprint.config or {}
    levels = (config, *(inner for inner in config.values() if isinstance(inner, Mapping)))
    stated = next((level[_QUANTIZED] for level in levels if level.get(_QUANTIZED)), None)
    if stated is None:
        return ()
    name = stated.get("quant_method") if isinstance(stated, Mapping) else None
    own = f"the checkpoint's own quantization ({name or 'of a method that it does not name'})"
    weights = f"quantized from {recipe.weight_dtype}" if recipe.quantized else f"in {recipe.weight_dtype}"
    return ((own, f"{own} is not modelled: this is the plan of the same model with its weights {weights}"),)


_QUANTIZED = "quantization_config"
