"""What the interface asks of the process behind it, and what comes back. Both sides import this; it imports little."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from anatomy.planning.modules import ModuleShare
from anatomy.training.recipe import Recipe

if TYPE_CHECKING:
    from anatomy.architecture.anatomy import Anatomy
    from anatomy.planning.plan import Plan
    from anatomy.tui.runs.saved import SavedRun


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelAsked:
    """Which model, and what was set of its config."""

    reference: str
    overrides: Mapping[str, Any] = field(default_factory=dict)
    revision: str | None = None
    trust_remote_code: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Show:
    """Take a model apart."""

    model: ModelAsked


@dataclass(frozen=True, kw_only=True, slots=True)
class Rehearse:
    """Plan a run of a model."""

    model: ModelAsked
    recipe: Recipe
    chosen: frozenset[str]
    gpu: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenRecord:
    """Read a run that `anatomy profile --save` kept, and lay it beside its prediction."""

    path: str


Request = Show | Rehearse | OpenRecord


@dataclass(frozen=True, kw_only=True, slots=True)
class Planned:
    """A run's plan, and what each module has of it."""

    plan: "Plan"
    modules: Mapping[str, ModuleShare]


@dataclass(frozen=True, kw_only=True, slots=True)
class Failed:
    """Why there is no answer."""

    message: str
    hint: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Doing:
    """What is being done."""

    ticket: int
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What came of a request."""

    ticket: int
    value: "Anatomy | Planned | SavedRun | Failed"


Reply = Doing | Answer
