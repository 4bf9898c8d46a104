"""What `report` answers: another answer whole, with the charts that are drawn of it."""

from anatomy.schemas.of_measurements import MEASURED, RUN_KEYS, VALIDATION_KEYS
from anatomy.schemas.of_models import ANATOMY_KEYS, MODULE
from anatomy.schemas.of_runs import CATEGORY, COMPARE_KEYS, MODULES, PHASE, PLAN_KEYS
from anatomy.schemas.shapes import (
    VERSION,
    Schema,
    answer,
    by_name,
    maybe,
    number,
    record,
    ref,
    several,
    size,
    text,
    whole,
    yes,
)

_CAPACITY = maybe(
    record({"gpu": text(), "bytes": size()}), "The card's line; null for a device without a limit."
)
_PARTS = several(size(), "By category, in the chart's order.")
_AT = {"step": whole(), "phase": PHASE}
TIMELINE = record(
    {
        "title": text(),
        "categories": several(CATEGORY),
        "columns": several(
            record(
                {
                    "index": whole("Entry of the record that the column stands for."),
                    **_AT,
                    "allocated_bytes": size(),
                    "reserved_bytes": size(),
                    "parts": _PARTS,
                }
            )
        ),
        "spans": several(
            record({**_AT, "first": whole(), "last": whole()}), "Columns of each phase, [first, last)."
        ),
        "resting": several(record({**_AT, "column": whole(), "bytes": size()})),
        "peak": record(
            {
                "bytes": size(),
                "reserved_bytes": size(),
                "index": whole(),
                "column": maybe(whole()),
                "in_words": text(),
            }
        ),
        "capacity": _CAPACITY,
        "fails_at_column": maybe(whole()),
    }
)
TILE = record(
    {
        "label": text(),
        "path": text(),
        "kind": text(),
        "component": text(),
        "parameters": whole(),
        "times": whole("How many alike stand in its place."),
        "children": several(ref("tile")),
    }
)
TREEMAP = record(
    {"title": text(), "parameters": whole(), "by_component": by_name(whole()), "tree": ref("tile")}
)
_LEFT_OUT = several(record({"label": text(), "reason": text()}))
BREAKDOWN = record(
    {
        "title": text(),
        "categories": several(CATEGORY),
        "bars": several(
            record(
                {
                    "label": text(),
                    "allocated_bytes": size(),
                    "reserved_bytes": maybe(size()),
                    "device_bytes": maybe(size()),
                    "fits": maybe(yes()),
                    "parts": _PARTS,
                }
            )
        ),
        "left_out": _LEFT_OUT,
        "capacity": _CAPACITY,
    }
)
ACCURACY = record(
    {
        "title": text(),
        "bands": several(number()),
        "within": by_name(whole(), "Band -> points in it."),
        "points": several(
            record(
                {
                    "label": text(),
                    "family": text(),
                    "method": text(),
                    "figure": text(),
                    "predicted_bytes": size(),
                    "measured_bytes": size(),
                    "error": maybe(number(), "Predicted less measured, as a share of measured."),
                }
            )
        ),
        "left_out": _LEFT_OUT,
    }
)
_HEAD = {
    "schema_version": VERSION,
    "title": text(),
    "command": maybe(text(), "What is typed to get the same again; null where no command says it."),
}


def report() -> Schema:
    """`anatomy report --json`, of whatever kind."""
    kinds = [
        _kind(
            "plan",
            ref("plan"),
            record({"timeline": maybe(ref("timeline")), "parameters": maybe(ref("treemap"))}),
            True,
        ),
        _kind("comparison", ref("comparison"), by_name(ref("breakdown"))),
        _kind("validation", ref("validation"), by_name(ref("accuracy"))),
        _kind("run", ref("run"), by_name(ref("timeline"), names=("measured", "predicted"))),
    ]
    defs = {
        **MODULE,
        **MEASURED,
        "plan": record({**PLAN_KEYS, "modules": MODULES}),
        "anatomy": record(ANATOMY_KEYS),
        "comparison": record(COMPARE_KEYS),
        "validation": record(VALIDATION_KEYS),
        "run": record(RUN_KEYS),
        "timeline": TIMELINE,
        "tile": TILE,
        "treemap": TREEMAP,
        "breakdown": BREAKDOWN,
        "accuracy": ACCURACY,
    }
    body = {
        "description": "Everything that is known of a run, a comparison, a grid or a measured run.",
        "oneOf": kinds,
    }
    return answer("report", "anatomy report --json", body, defs)


def _kind(name: str, content: Schema, charts: Schema, with_anatomy: bool = False) -> Schema:
    anatomy = {"anatomy": maybe(ref("anatomy"), "The model taken apart; null where that was not done.")}
    return record(
        {
            **_HEAD,
            "kind": {"const": name},
            name: content,
            **(anatomy if with_anatomy else {}),
            "charts": charts,
        }
    )
