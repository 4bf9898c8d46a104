"""The library's verbs: what the command line calls, as functions. Keyword arguments are named as the flags.

torch, transformers and peft are imported inside the verbs that need them.
"""

from anatomy.api.compared import compare
from anatomy.api.configured import read_config
from anatomy.api.description import Progress, load, show
from anatomy.api.examined import Examined, examine
from anatomy.api.exported import check_export, export
from anatomy.api.facts import env, gpus, models
from anatomy.api.frames import frame, frame_records
from anatomy.api.optimizer_table import optimizers
from anatomy.api.planned import REHEARSED_ON, plan
from anatomy.api.profiled import profile
from anatomy.api.validated import find_grid, validate, validate_records

__all__ = [
    "REHEARSED_ON", "Examined", "Progress", "check_export", "compare", "env", "examine", "export", "find_grid", "frame", "frame_records",
    "gpus", "load", "models", "optimizers", "plan", "profile", "read_config", "show", "validate", "validate_records",
]  # fmt: skip
