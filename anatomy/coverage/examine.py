"""One pair: built, its parameters classified, a full and a LoRA step rehearsed."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from anatomy.blueprint import Blueprint
from anatomy.coverage.pairs import Pair
from anatomy.coverage.valid import describe
from anatomy.errors import AnatomyError

SEQ_LEN = 512
"""Tokens of a sequence, unless the model takes fewer."""
METHODS = ("full", "lora")
VARIANTS: tuple[Mapping[str, Any], ...] = (
    {},
    {"gradient_checkpointing": "off"},
    {"batch_size": 2},
    {"precision": "fp32"},
    {"seq_len": 2048},
    {"seq_len": 64},
    {"images": 0},
)
"""Tried in this order: the defaults, then what a user who was refused would change. What was changed is said."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What came of rehearsing one method."""

    verdict: str
    """'answered', 'refused' (with a true reason) or 'failed' (neither)."""
    reason: str = ""
    """Of a refusal, with the defaults."""
    changed: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the variant that was answered."""
    dtype: str = ""
    length: int = 0
    """Tokens of a sequence."""
    kernels: tuple[str, ...] = ()
    """Assumptions about kernels."""
    inputs: tuple[str, ...] = ()
    """What the batch was assumed to hold beside text."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Examined:
    """One row of the coverage table."""

    pair: Pair
    parameters: int
    """0 where the model could not be built."""
    unclassified: tuple[str, ...]
    """Paths of parameters that no recognizer knows."""
    refused: str
    """Why it could not be built; '' where it was."""
    answers: Mapping[str, Answer]
    """Method -> answer."""


def examine(definition: Mapping[str, Any]) -> dict[str, Any]:
    """The worker of a coverage run: `definition` holds a Pair's fields; returns an Examined's, JSON-ready."""
    return asdict(examine_pair(Pair(**definition["pair"]), definition["layers"]))


def examine_pair(pair: Pair, layers: int | None = None) -> Examined:
    """Build, classify, rehearse; with `layers`, a model of so many at most.

    What is neither an answer nor a sentence is raised: that is a failure.
    """
    from anatomy.architecture.anatomy import anatomy_from

    blueprint = describe(pair, layers)
    try:
        try:
            anatomy = anatomy_from(blueprint)
        except AnatomyError:  # some descriptions need all of their layers
            blueprint = describe(pair)
            anatomy = anatomy_from(blueprint)
    except AnatomyError as error:
        return Examined(pair=pair, parameters=0, unclassified=(), refused=error.message, answers={})
    answers = {method: _rehearsed(blueprint, method) for method in METHODS}
    if layers is not None and any(map(_stopped_a_tower, answers.values())):
        # a tower's outputs may be taken from layers that the config names by number, and few layers have none of these
        return examine_pair(pair)
    return Examined(
        pair=pair,
        parameters=anatomy.total,
        unclassified=tuple(anatomy.unclassified),
        refused="",
        answers=answers,
    )


def _stopped_a_tower(answer: Answer) -> bool:
    """Whether it was given no media because something in them failed, not because no processor is here."""
    return answer.changed.get("images") == 0 or any("inputs cannot be made" in said for said in answer.inputs)


def _rehearsed(blueprint: Blueprint, method: str) -> Answer:
    """The first variant that is answered, else the refusal of the defaults."""
    first = ""
    for variant in VARIANTS:
        try:
            return _answered(blueprint, method, variant)
        except AnatomyError as error:
            first = first or error.message
    return Answer(verdict="refused", reason=first)


def _answered(blueprint: Blueprint, method: str, variant: Mapping[str, Any]) -> Answer:
    from anatomy.api.planned import target_of
    from anatomy.api.staged import stage
    from anatomy.planning.settings import make_recipe
    from anatomy.rehearsal.rehearse import rehearse

    recipe = make_recipe(
        {"method": method, **({} if "seq_len" in variant else {"seq_len": SEQ_LEN}), **variant}
    )
    staged = stage(blueprint, recipe, {"method", *variant}, trust_remote_code=False)
    _, target = target_of(None)
    model, recipe = staged.skeleton.model, staged.recipe
    found = rehearse(model, recipe, component_of=staged.component_of, target=target, steps=1)
    return Answer(
        verdict="answered",
        changed=dict(variant),
        dtype=staged.recipe.precision,
        length=staged.recipe.seq_len,
        kernels=tuple(_about(found.assumptions, ("kernel", "eager", "loop over tokens"))),
        inputs=tuple(
            _about((*found.assumptions, *staged.warnings), ("image", "audio", "text alone", "text only"))
        ),
    )


def _about(sentences: tuple[str, ...], words: tuple[str, ...]) -> Iterator[str]:
    return (sentence for sentence in sentences if any(word in sentence for word in words))
