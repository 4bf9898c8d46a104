"""Every schema, made from the types and descriptions of the answers."""

from collections.abc import Callable, Mapping

from anatomy.schemas.of_catalogs import env, gpus, models, optimizers
from anatomy.schemas.of_measurements import profile, validate
from anatomy.schemas.of_models import diff, show
from anatomy.schemas.of_reports import report
from anatomy.schemas.of_runs import compare, plan
from anatomy.schemas.shapes import Schema

SCHEMAS: Mapping[str, Callable[[], Schema]] = {
    function.__name__: function
    for function in (show, diff, plan, compare, profile, validate, report, models, optimizers, gpus, env)
}
"""Name -> what makes it."""
