"""What `plan` and `compare` answer."""

from typing import get_args

from anatomy.memory.timeline import Category, Phase
from anatomy.planning.compare import NAMES, Rehearsals
from anatomy.planning.fit import Verdict
from anatomy.schemas.of_models import MODEL
from anatomy.schemas.shapes import (
    NOTES,
    VERSION,
    VERSIONS,
    Schema,
    answer,
    anything,
    by_name,
    maybe,
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
from anatomy.training.recipe import Recipe

_RECIPE = typed(Recipe)
RECIPE = ref("recipe")
RUNS = {"recipe": _RECIPE}
"""For the `$defs` of what has a recipe in it."""
PHASE, CATEGORY = one_of(Phase), one_of(Category)
TRAINED = record(
    {"total": whole("Parameters of the model with its adapters."), "trainable": whole("With gradients.")}
)
_NOWHERE = "null where nothing is ever allocated."
PEAK = record(
    {
        "allocated_bytes": size("Blocks in use: torch.cuda.max_memory_allocated()"),
        "reserved_bytes": size("Held by the caching allocator: torch.cuda.max_memory_reserved()"),
        "device_bytes": size("On the device, as nvidia-smi shows it: reserved and the context"),
        "context_bytes": size("Assumed for the CUDA context and libraries"),
        "device": text("The GPU whose context that is."),
        "step": maybe(whole(), _NOWHERE),
        "phase": maybe(PHASE, _NOWHERE),
        "module": maybe(text(), _NOWHERE),
        "op": maybe(text(), _NOWHERE),
        "in_words": text(),
    },
    "The three numbers that are called VRAM, and where the allocated peak is.",
)
FAILURE = record(
    {
        "step": whole(),
        "phase": PHASE,
        "module": text(),
        "op": text(),
        "requested_bytes": size("What could not be had"),
        "allocated_bytes": size("In use at that time"),
        "reserved_bytes": size("Held at that time"),
    }
)
FIT = record(
    {
        "gpu": text("Its name in `anatomy gpus`."),
        "memory_bytes": size("What a process can allocate on it"),
        "nominal": yes("Whether that is only the figure on the box."),
        "context_bytes": size("Assumed for the CUDA context and libraries"),
        "reserved_bytes": size("Most that the allocator holds"),
        "verdict": one_of(get_args(Verdict)),
        "headroom_bytes": maybe(
            size("What stays free; negative by how much is missing", least=None),
            "null where cached memory has to be given back: what is free then says nothing of the margin.",
        ),
        "fails_at": maybe(FAILURE, "The request that fails; null where the run fits."),
        "note": text("What else speaks against this GPU, or ''."),
    }
)
_KEY = {"key": text(), "value": anything("As in the file; of a default, the trainer's.")}
_MADE = several(record({**_KEY, "settings": by_name(anything(), "Settings of the recipe that it made.")}))
_NOT_MADE = several(record({**_KEY, "why": text()}, optional={"default": yes()}))
CONFIG = record(
    {
        "file": text(),
        "kind": text(),
        "trainer": text(),
        "model": maybe(text()),
        "revision": maybe(text()),
        "used": _MADE,
        "defaults": _MADE,
        "ignored": _NOT_MADE,
        "not_modelled": _NOT_MADE,
        "not_understood": _NOT_MADE,
        "overridden": several(text(), "Settings that flags changed."),
    },
    "What became of each key of a trainer's file.",
)
MODULES = by_name(
    record(
        {
            "peak": by_name(size(), "Category -> what is in use of it at the peak.", names=Category),
            "flops": whole("Floating-point operations of one step; a multiply-add is two."),
            "recomputed_flops": whole("Those of recomputation."),
            "held": several(
                record(
                    {
                        "name": text(),
                        "shape": several(whole()),
                        "dtype": text(),
                        "trainable": yes(),
                        "adapter": yes(),
                    }
                )
            ),
        }
    ),
    "Path of a module -> its own part; with --by-module.",
)
_SAID = {
    "assumptions": several(text(), "What the numbers rest on."),
    "not_modelled": several(text(), "What the numbers leave out."),
    "warnings": several(text(), "What to look at before trusting the run."),
    "notes": NOTES,
    "versions": VERSIONS,
}
PLAN_KEYS = {
    "schema_version": VERSION,
    "model": MODEL,
    "recipe": RECIPE,
    "adapted": by_name(text(), "Setting whose default this model cannot run -> why it has its value."),
    "config": maybe(CONFIG, "null without a file."),
    "parameters": TRAINED,
    "targets": several(text(), "Last names of the modules that got adapters."),
    "peak": PEAK,
    "resting": by_name(size(), "Phase -> allocated when it ends.", names=Phase),
    "phase_peaks": by_name(size(), "Phase -> most allocated during it.", names=Phase),
    "breakdown": several(record({"category": CATEGORY, "bytes": size()}), "Adds up to peak.allocated_bytes."),
    "breakdown_by_component": several(
        record({"category": CATEGORY, "component": text("'' where no module owns it."), "bytes": size()}),
        "Adds up to peak.allocated_bytes.",
    ),
    "fits": several(FIT, "Each GPU considered, the smallest memory first."),
    **_SAID,
}


def plan() -> Schema:
    """`anatomy plan --json`."""
    body = record(PLAN_KEYS, "What a training run needs, and where it fits.", optional={"modules": MODULES})
    return answer("plan", "anatomy plan --json", body, RUNS)


_REFUSED = "null where the run cannot be."
ROW = record(
    {
        **{name: maybe(text(), "null where it means nothing for the run.") for name in NAMES},
        "trainable_parameters": maybe(whole(), _REFUSED),
        "total_parameters": maybe(whole(), _REFUSED),
        "allocated_bytes": maybe(size("Peak of blocks in use"), _REFUSED),
        "reserved_bytes": maybe(size("Peak of what the allocator holds"), _REFUSED),
        "device_bytes": maybe(size("Reserved and the context"), _REFUSED),
        "phase": maybe(PHASE, _REFUSED),
        "where": maybe(text(), _REFUSED),
        "gpu": maybe(text(), "The GPU asked for, else the smallest that will do; null where there is none."),
        "memory_bytes": maybe(size("Of that GPU")),
        "verdict": one_of((*get_args(Verdict), "refused")),
        "headroom_bytes": maybe(size("What stays free on it", least=None)),
        **{
            f"{category.value.replace(' ', '_')}_bytes": maybe(size("In use at the peak"), _REFUSED)
            for category in Category
        },
        "reason": maybe(text(), "Why the run cannot be; else null."),
    }
)
COMPARE_KEYS = {
    "schema_version": VERSION,
    "model": MODEL,
    "recipe": record({}, "Settings with one value in every run.", optional=_RECIPE["properties"]),
    "recipe_by_method": by_name(by_name(anything()), "Setting -> method -> value, where methods differ."),
    "varied": by_name(several(maybe(text())), "Axis -> its values."),
    "gpu": maybe(text(), "The GPU that was asked for; null for all of the catalog."),
    "device": text("The GPU whose kernels and context are assumed."),
    "rehearsals": typed(Rehearsals),
    **_SAID,
    "rows": several(ROW, "The smallest allocated peak first; what cannot be run last."),
}


def compare() -> Schema:
    """`anatomy compare --json`."""
    return answer(
        "compare", "anatomy compare --json", record(COMPARE_KEYS, "Many runs of a model, side by side.")
    )
