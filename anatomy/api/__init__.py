"""The library's verbs: what the command line calls, as functions. Keyword arguments are named as the flags.

Each verb's module is imported once the verb is asked for; torch, transformers and peft inside the verbs that need them.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from anatomy.api.compared import compare
    from anatomy.api.configured import read_config
    from anatomy.api.description import Progress, load, show
    from anatomy.api.differing import diff
    from anatomy.api.examined import Examined, examine, tokenizer_beside
    from anatomy.api.exported import check_export, export
    from anatomy.api.facts import env, gpus, models, schema
    from anatomy.api.openable import AtHand, at_hand, is_saved_run, saved_runs
    from anatomy.api.optimizer_table import optimizers
    from anatomy.api.pictured import check_plot, plot
    from anatomy.api.planned import REHEARSED_ON, plan
    from anatomy.api.profiled import profile
    from anatomy.api.reported import illustrated, report, write_report
    from anatomy.api.saved import open_run, save_run
    from anatomy.api.studio import Studio
    from anatomy.api.validated import find_grid, validate, validate_records

__all__ = [
    "REHEARSED_ON", "AtHand", "Examined", "Progress", "Studio", "at_hand", "check_export", "check_plot", "compare", "diff", "env", "examine", "export", "find_grid",
    "gpus", "illustrated", "is_saved_run", "load", "models", "open_run", "optimizers", "plan", "plot", "profile", "read_config", "report", "save_run", "saved_runs", "schema", "show",
    "tokenizer_beside",
    "validate", "validate_records",
    "write_report",
]  # fmt: skip

_HOMES = {
    "openable": ("AtHand", "at_hand", "is_saved_run", "saved_runs"),
    "compared": ("compare",),
    "configured": ("read_config",),
    "description": ("Progress", "load", "show"),
    "differing": ("diff",),
    "examined": ("Examined", "examine", "tokenizer_beside"),
    "exported": ("check_export", "export"),
    "facts": ("env", "gpus", "models", "schema"),
    "optimizer_table": ("optimizers",),
    "pictured": ("check_plot", "plot"),
    "planned": ("REHEARSED_ON", "plan"),
    "profiled": ("profile",),
    "reported": ("illustrated", "report", "write_report"),
    "saved": ("open_run", "save_run"),
    "studio": ("Studio",),
    "validated": ("find_grid", "validate", "validate_records"),
}
"""Module -> what it gives."""


def __getattr__(name: str) -> Any:
    """What is asked for, from its module."""
    from importlib import import_module

    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
