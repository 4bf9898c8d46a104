"""What `profile` and `validate` answer."""

from typing import get_args

from anatomy.memory.allocator import OutOfMemory
from anatomy.memory.footprint import Instant
from anatomy.memory.timeline import Category
from anatomy.profiling.measurement import Failure, Kernel, Machine, Timing
from anatomy.schemas.of_models import MODEL
from anatomy.schemas.of_runs import CATEGORY, PHASE, RECIPE, RUNS, TRAINED
from anatomy.schemas.shapes import (
    NOTES,
    VERSION,
    VERSIONS,
    Schema,
    answer,
    anything,
    by_name,
    maybe,
    number,
    one_of,
    record,
    ref,
    several,
    size,
    text,
    typed,
    whole,
    yes,
)
from anatomy.validation.accuracy import Accuracy
from anatomy.validation.scores import GROUPS, PEAKS
from anatomy.validation.sides import Unit

_DIFFERENCE = record(
    {
        "name": text(),
        "predicted_bytes": size("Predicted", least=None),
        "measured_bytes": size("Measured", least=None),
        "difference_bytes": size("Predicted less measured", least=None),
    }
)
DIFFERENCE = ref("difference")
MEASURED = {**RUNS, "difference": _DIFFERENCE}
"""For the `$defs` of what has a measured run in it."""
RESIDUAL = several(
    record(
        {
            "op": text(),
            "phase": PHASE,
            "blocks": whole(),
            "bytes": size("All of them"),
            "largest_bytes": size("The largest"),
            "module": text("Of the largest."),
            "kept_bytes": size("Part that was alive when its phase ended"),
            "peak_bytes": size("Part that was alive at its side's peak"),
        }
    )
)
RESIDUALS = record(
    {
        "measured_bytes": size("All blocks that happened"),
        "predicted_bytes": size("All blocks that were foreseen"),
        "unforeseen_bytes": size(),
        "absent_bytes": size(),
        "unforeseen": {**RESIDUAL, "description": "Happened and was not foreseen."},
        "absent": {**RESIDUAL, "description": "Was foreseen and did not happen."},
        "lived_otherwise": {**RESIDUAL, "description": "Happened as foreseen, but for another time."},
        "notes": NOTES,
        "explained": maybe(number(), "Share of the measured bytes that was foreseen."),
    }
)
_TIMING = typed(Timing)
TIMING = record(
    {
        **_TIMING["properties"],
        "seconds": number("The median step, in seconds."),
        "tokens_per_second": number(),
        "flops_per_second": maybe(number(), "Achieved, recomputation included."),
        "mfu": maybe(number(), "FLOP/s without recomputation as a share of the data sheet's."),
    }
)
ALIVE = record(
    {
        "bytes": size("In use when the run ended"),
        "by_category": by_name(size(), names=Category),
        "holdings": several(
            record(
                {
                    "category": CATEGORY,
                    "op": text(),
                    "module": text(),
                    "block_bytes": size("One of them"),
                    "blocks": whole(),
                    "bytes": size("All of them"),
                }
            )
        ),
    }
)
SMALLER = record(
    {
        "change": by_name(anything(), "Settings of the recipe."),
        "overrides": by_name(anything()),
        "needed_bytes": size("What the changed run needs on the device"),
        "flags": text("The change as one types it."),
    },
    "The smallest change with which a run that ended out of memory would fit.",
)
_PHASE = record(
    {
        "step": whole("0 for loading."),
        "phase": PHASE,
        "end": DIFFERENCE,
        "highest": DIFFERENCE,
    },
    optional={"end_reserved": DIFFERENCE, "highest_reserved": DIFFERENCE},
)
RUN_KEYS = {
    "schema_version": VERSION,
    "model": MODEL,
    "recipe": RECIPE,
    "weights": one_of(("random", "real")),
    "parameters": TRAINED,
    "machine": typed(Machine),
    "labels": by_name(text(), "What a grid calls the run."),
    "unit": one_of(
        get_args(Unit), "What bytes in use are: as the caching allocator gives them, or as requested."
    ),
    "peaks": by_name(DIFFERENCE, names=("allocated", "reserved", "device", "context")),
    "phases": several(_PHASE, "In order, loading first."),
    "categories": several(DIFFERENCE, "Of what is alive at the peak, each side's at its own."),
    "predicted_at": maybe(typed(Instant)),
    "measured_at": maybe(typed(Instant)),
    "predicted_out_of_memory": maybe(typed(OutOfMemory), "null where the prediction says that the run fits."),
    "needed_bytes": size("What the whole predicted run needs"),
    "notes": NOTES,
    "residuals": maybe(RESIDUALS, "null where the profiler did not watch."),
    "timing": maybe(TIMING),
    "kernels": several(typed(Kernel), "The longest first."),
    "context_bytes": maybe(size("Of the CUDA context, measured")),
    "peak_rss_bytes": maybe(size("Of the process, on the CPU")),
    "host_bytes": maybe(size("In the host's memory", least=None)),
    "failure": maybe(typed(Failure), "null where the run reached its end."),
    "alive_at_failure": maybe(ALIVE),
    "smaller": maybe(SMALLER),
    "assumptions": several(text()),
    "not_modelled": several(text()),
    "versions": record({"measured": VERSIONS, "predicted": VERSIONS}),
}
CELL = record(
    {
        "name": text(),
        "model": text(),
        "config": maybe(by_name(anything())),
        "overrides": by_name(anything()),
        "family": text(),
        "recipe": RECIPE,
        "chosen": several(text(), "Settings that the grid states."),
        "hold_out": yes(),
        "quick": yes(),
        "profile": by_name(anything(), "How it is measured."),
        "machine": text("'' where it did not run."),
        "versions": VERSIONS,
        "figures": by_name(DIFFERENCE, "Metric -> predicted and measured."),
        "failure": text("Why there is no number; '' where there is."),
        "not_scored": text("Why the numbers do not count; '' where they do."),
        "notes": NOTES,
    }
)
_BY_METRIC = by_name(
    several(typed(Accuracy)), f"Metric ({', '.join(PEAKS.values())}, resting levels) -> groups."
)
VALIDATION_KEYS = {
    "schema_version": VERSION,
    "title": text(),
    "versions": VERSIONS,
    "predicted_again": yes("Whether predictions were made anew for measurements of before."),
    "bars": several(
        record(
            {
                "metric": text(),
                "statistic": text(),
                "cells": text("Which it is about."),
                "at_most": number("In percent."),
                "found": maybe(number(), "In percent; null where no cell has a number."),
                "met": yes(),
            }
        )
    ),
    "accuracy": record(
        dict.fromkeys(("all", *GROUPS), _BY_METRIC), "Errors as shares of what was measured, by group."
    ),
    "cells": several(CELL),
    "left": several(text(), "Cells that were not run, for want of time."),
}


def profile() -> Schema:
    """`anatomy profile --json`."""
    body = record(RUN_KEYS, "A measured run beside its prediction; differences are predicted less measured.")
    return answer("profile", "anatomy profile --json", body, MEASURED)


def validate() -> Schema:
    """`anatomy validate --json`."""
    return answer(
        "validate", "anatomy validate --json", record(VALIDATION_KEYS, "A grid's accuracy."), MEASURED
    )
