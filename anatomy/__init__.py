"""A dress rehearsal for fine-tuning transformers: what a model is made of, what a run needs, whether it fits.

    import anatomy

    plan = anatomy.plan("meta-llama/Llama-3.1-8B", method="qlora", r=64)
    plan.smallest_fit, plan.device_bytes, plan.to_dict(), plan.to_frame(), plan.to_markdown()

The verbs are those of the command line, and their keyword arguments its flags. Importing this imports neither torch nor
transformers; each verb imports what it needs. What `__all__` lists is stable; everything else may move.
"""

from typing import TYPE_CHECKING, Any

from anatomy.result import Presenter, presented_by

if TYPE_CHECKING:
    from anatomy.api.compared import compare
    from anatomy.api.configured import read_config
    from anatomy.api.description import load, show
    from anatomy.api.differing import diff
    from anatomy.api.examined import Examined, examine
    from anatomy.api.exported import export
    from anatomy.api.facts import env, gpus, models, schema
    from anatomy.api.optimizer_table import optimizers
    from anatomy.api.pictured import plot
    from anatomy.api.planned import plan
    from anatomy.api.profiled import profile
    from anatomy.api.reported import report
    from anatomy.api.saved import open_run, save_run
    from anatomy.api.validated import validate, validate_records
    from anatomy.architecture.anatomy import Anatomy
    from anatomy.architecture.difference import Difference
    from anatomy.documents.document import Document
    from anatomy.errors import AnatomyError, ArchitectureError, RecipeError, RehearsalError, SourceError
    from anatomy.integrations.loop import watch
    from anatomy.planning.compare import Comparison
    from anatomy.planning.plan import Plan
    from anatomy.profiling.record import Record
    from anatomy.training.keywords import Settings
    from anatomy.training.recipe import Recipe
    from anatomy.validation.scores import Validation

__version__ = "0.1.0"
__all__ = [
    "Anatomy", "AnatomyError", "ArchitectureError", "Comparison", "Difference", "Document", "Examined", "Plan", "Recipe",
    "RecipeError", "Record", "RehearsalError", "Settings", "SourceError", "Validation", "__version__", "compare", "diff", "env",
    "examine", "export", "gpus", "load", "models", "open_run", "optimizers", "plan", "plot", "profile", "read_config", "report",
    "save_run", "schema", "show", "validate", "validate_records", "watch",
]  # fmt: skip

_HOMES: dict[str, tuple[str, ...]] = {
    "api.compared": ("compare",),
    "api.configured": ("read_config",),
    "api.description": ("load", "show"),
    "api.differing": ("diff",),
    "api.examined": ("Examined", "examine"),
    "api.exported": ("export",),
    "api.facts": ("env", "gpus", "models", "schema"),
    "api.optimizer_table": ("optimizers",),
    "api.pictured": ("plot",),
    "api.planned": ("plan",),
    "api.profiled": ("profile",),
    "api.reported": ("report",),
    "api.saved": ("open_run", "save_run"),
    "api.validated": ("validate", "validate_records"),
    "architecture.anatomy": ("Anatomy",),
    "architecture.difference": ("Difference",),
    "documents.document": ("Document",),
    "errors": ("AnatomyError", "ArchitectureError", "RecipeError", "RehearsalError", "SourceError"),
    "integrations.loop": ("watch",),
    "planning.compare": ("Comparison",),
    "planning.plan": ("Plan",),
    "profiling.record": ("Record",),
    "training.keywords": ("Settings",),
    "training.recipe": ("Recipe",),
    "validation.scores": ("Validation",),
}
"""Module -> the stable names that it gives."""


def __getattr__(name: str) -> Any:
    """A stable name, from its module, which is imported once it is asked for."""
    from importlib import import_module

    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """What there is to be completed: the stable names."""
    return sorted(__all__)


def _presenter() -> Presenter:
    from anatomy.api import presented

    return presented


presented_by(_presenter)
