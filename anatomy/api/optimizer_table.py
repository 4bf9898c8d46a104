"""Every optimizer's cost for a parameter, from rehearsals of the same small run."""

import warnings
from collections.abc import Collection, Mapping
from typing import Any

from anatomy.alone import alone
from anatomy.api.description import Progress, Reference, silence, spelled, trainable_description
from anatomy.api.staged import stage
from anatomy.blueprint import Blueprint, Origin
from anatomy.errors import RecipeError
from anatomy.planning.optimizer_costs import PRECISIONS, Cost, OptimizerRow, OptimizerTable, cost_of
from anatomy.training.optimizers.kinds import OPTIMIZERS, kind_of
from anatomy.training.recipe import Recipe
from anatomy.versions import REHEARSED, installed

BLOCK = {
    "model_type": "llama",
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": 2048,
    "intermediate_size": 8192,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 64,
    "vocab_size": 512,
    "max_position_embeddings": 128,
    "tie_word_embeddings": True,
}
"""A block of Llama-3.2-1B's shape, with so few tokens that embeddings hardly count."""
BLOCKS = 2
SAID = f"{BLOCKS} blocks of Llama-3.2-1B's shape with a vocabulary of 512, trained in full"
NEGLIGIBLE = 0.01
"""Bytes for each parameter: step counters, and sums of a row."""
TOKENS = 16
"""In the sequence: what a step of the optimizer takes does not depend on it."""


@alone
def optimizers(
    reference: Reference | None = None,
    *,
    only: Collection[str] | None = None,
    overrides: Mapping[str, Any] | None = None,
    revision: str | None = None,
    trust_remote_code: bool = False,
    progress: Progress | None = None,
) -> OptimizerTable:
    """What each optimizer of transformers' Trainer takes for a parameter, at rest and at the step.

    Rehearsed on `reference` trained in full, else on a block of a Llama. `only`: names to look at, all of them when
    left out. Raises SourceError, ArchitectureError, RecipeError (a name that does not exist).
    """
    names = _names(only)
    tell = progress or silence
    blueprint = None if reference is None else trainable_description(spelled(reference), overrides, revision)
    rows = []
    for number, name in enumerate(names, 1):
        tell(f"rehearsing {name} ({number} of {len(names)})")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the packages' own, of their age
            rows.append(_row(name, blueprint, trust_remote_code))
    packages = dict.fromkeys(kind.package for kind in OPTIMIZERS.values() if kind.package)
    return OptimizerTable(
        model=SAID if blueprint is None else f"{blueprint.id}, trained in full",
        rows=tuple(rows),
        versions=installed(tuple(dict.fromkeys((*REHEARSED, *packages)))),
    )


def _names(only: Collection[str] | None) -> tuple[str, ...]:
    from anatomy.training.optimizers.names import check_optimizer, known_names

    known = known_names() or tuple(OPTIMIZERS)
    for name in only or ():
        check_optimizer(name, known)
    return known if only is None else tuple(name for name in known if name in only)


def _row(name: str, blueprint: Blueprint | None, trust: bool) -> OptimizerRow:
    kind = kind_of(name)
    try:
        costs = {
            precision: _cost(name, precision, blueprint or _blocks(BLOCKS), trust) for precision in PRECISIONS
        }
    except RecipeError as error:
        return OptimizerRow(name=name, kind=kind, costs={}, missing=str(error))
    together = costs[PRECISIONS[0]]
    alone = None
    if blueprint is None and (together.step_bytes or 0) > NEGLIGIBLE * together.parameters:
        alone = _cost(name, PRECISIONS[0], _blocks(1), trust)
    return OptimizerRow(
        name=name, kind=kind, costs=costs, one_at_a_time=None if alone is None else _stays(alone, together)
    )


def _stays(alone: Cost, together: Cost) -> bool:
    """Whether temporaries are the same for one block as for several."""
    grown = (together.step_bytes or 0) - (alone.step_bytes or 0)
    return grown < NEGLIGIBLE * (together.parameters - alone.parameters)


def _blocks(count: int) -> Blueprint:
    return Blueprint(
        id="blocks",
        origin=Origin(kind="catalog", location="built in"),
        config={**BLOCK, "num_hidden_layers": count},
    )


def _cost(name: str, precision: str, blueprint: Blueprint, trust: bool) -> Cost:
    from anatomy.rehearsal.rehearse import rehearse

    recipe = Recipe(
        method="full",
        optimizer=name,
        optim_target_modules="all-linear" if kind_of(name).low_rank else None,
        precision=precision,  # type: ignore[arg-type]
        seq_len=TOKENS,
        gradient_checkpointing="off",
        max_grad_norm=0.0,
    )
    staged = stage(blueprint, recipe, recipe.to_dict(), trust_remote_code=trust)
    largest = max(parameter.numel() for parameter in staged.skeleton.model.parameters())
    rehearsal = rehearse(staged.skeleton.model, recipe, component_of=staged.component_of)
    return cost_of(
        rehearsal.timeline,
        parameters=rehearsal.trainable_parameters,
        largest_parameter=largest,
        in_backward=kind_of(name).in_backward,
        host_bytes=rehearsal.paged_bytes,
    )
