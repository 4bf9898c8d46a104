"""A model and a recipe that fit each other, before any rehearsal or measurement."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from anatomy.api.media import settle_media
from anatomy.api.stored import over_checkpoint
from anatomy.blueprint import Blueprint
from anatomy.training.recipe import Recipe

if TYPE_CHECKING:
    from anatomy.architecture.skeleton import Skeleton
    from anatomy.planning.plan import ModelName


@dataclass(frozen=True, kw_only=True, slots=True)
class Staged:
    """What a rehearsal starts from."""

    blueprint: Blueprint
    skeleton: "Skeleton"
    """The model on the meta device; a rehearsal uses it up."""
    components: Mapping[str, str]
    """Path of a module -> its component."""
    recipe: Recipe
    """As asked, with the defaults changed that this model cannot run."""
    adapted: Mapping[str, str]
    """Settings that nobody chose and that were changed -> why they have the value they have."""
    warnings: tuple[str, ...]
    trust_remote_code: bool

    @property
    def name(self) -> "ModelName":
        """Which model this is."""
        from anatomy.planning.plan import ModelName

        return ModelName(
            id=self.blueprint.id,
            origin=str(self.blueprint.origin),
            model_type=self.skeleton.config.model_type,
            architecture=self.skeleton.class_name,
            overrides=self.blueprint.overrides,
        )

    def component_of(self, path: str) -> str:
        """The component of the module at `path`, '' where there is none."""
        return self.components.get(path, "")

    def rebuilt(self) -> "Skeleton":
        """The same model on meta once more, with what is known of its images and sound."""
        from anatomy.training.inputs.media import keep_media

        skeleton = _skeleton(self.blueprint, self.recipe, self.trust_remote_code)
        keep_media(self.skeleton.model, skeleton.model)
        return skeleton


def asked_recipe(
    recipe: Recipe | None, options: Mapping[str, Any], chosen: Collection[str] | None
) -> tuple[Recipe, set[str]]:
    """The recipe that was asked for, and the names of its settings that someone chose. Raises RecipeError."""
    from anatomy.planning.settings import make_recipe

    asked = make_recipe(options, recipe)
    check_optimizers(asked.optimizer)
    if chosen is None:
        chosen = () if recipe is None else recipe.to_dict()
    return asked, {*chosen, *options}


def check_optimizers(*names: str) -> None:
    """Raises RecipeError for a name that the installed transformers does not list, where that can be read cheaply."""
    from anatomy.training.optimizers.names import check_optimizer, known_names

    if (known := known_names()) is not None:
        for name in names:
            check_optimizer(name, known)


def stage(
    blueprint: Blueprint,
    recipe: Recipe,
    chosen: Collection[str],
    *,
    trust_remote_code: bool,
    capability: tuple[int, int] | None = (8, 0),
) -> Staged:
    """Build the model on meta and fit the recipe's defaults to it. Raises ArchitectureError, RecipeError.

    `capability`: of the GPU, which decides whether some quantized checkpoints stay packed; None where none can.
    """
    from anatomy.architecture.tree import module_components

    recipe, stored = over_checkpoint(blueprint.config or {}, recipe, chosen, capability)
    skeleton = _skeleton(blueprint, recipe, trust_remote_code)
    recipe, media, without = settle_media(skeleton.model, blueprint.origin, recipe, chosen)
    components = module_components(skeleton.model, skeleton.config)
    recipe, adapted, warnings = _adapted(skeleton, components, recipe, chosen)
    return Staged(
        blueprint=blueprint,
        skeleton=skeleton,
        components=components,
        recipe=recipe,
        adapted={**stored, **media, **adapted},
        warnings=(*without, *warnings),
        trust_remote_code=trust_remote_code,
    )


def _skeleton(blueprint: Blueprint, recipe: Recipe, trust: bool) -> "Skeleton":
    from anatomy.architecture.skeleton import build_skeleton
    from anatomy.training.vocabulary import add_tokens

    skeleton = build_skeleton(blueprint, dtype=recipe.weight_dtype, attn=recipe.attn, trust_remote_code=trust)
    if recipe.add_tokens:
        add_tokens(skeleton.model, recipe.add_tokens)
    return skeleton


def _adapted(
    skeleton: "Skeleton", components: Mapping[str, str], recipe: Recipe, chosen: Collection[str]
) -> tuple[Recipe, Mapping[str, str], tuple[str, ...]]:
    """The recipe with the defaults that this model cannot run changed, setting -> why, and warnings."""
    import inspect

    from anatomy.architecture.facts import facts_from_config
    from anatomy.planning.sequence import check_sequence, longest_sequence
    from anatomy.planning.settings import adapt
    from anatomy.training.unfit import unfit_layers

    model = skeleton.model
    accepted = inspect.signature(model.forward).parameters
    reads_text = "input_ids" in accepted and "input_features" not in accepted
    longest = longest_sequence(model, components) if reads_text else None
    checkpoints = bool(getattr(model, "supports_gradient_checkpointing", False))
    unfit = {} if {"target_modules", "peft"} & set(chosen) else unfit_layers(model, recipe)
    recipe, adapted = adapt(recipe, chosen, longest=longest, checkpoints=checkpoints, unfit=unfit)
    warnings: tuple[str, ...] = ()
    if "gradient_checkpointing" in adapted:
        warnings += (f"{skeleton.class_name} does not support gradient checkpointing: planned without it",)
    if reads_text:
        stated = facts_from_config(skeleton.config).context
        warnings += check_sequence(
            skeleton.class_name, recipe.seq_len + recipe.virtual_tokens, longest, stated
        )
    return recipe, adapted, warnings
