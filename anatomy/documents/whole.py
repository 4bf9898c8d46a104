"""The whole report of a planned run: the model, the run, what it needs, why, and how to get the same again."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from anatomy.architecture.anatomy import Anatomy
from anatomy.documents.charts import MemoryTimeline, Treemap
from anatomy.documents.charts_of import timeline_of, treemap_of
from anatomy.documents.document import Block, Code, Column, Document, Section, Sentence, Table
from anatomy.documents.layer import layer_diagrams, order_of
from anatomy.documents.plan.modules import module_table
from anatomy.documents.plan.run import plan_document
from anatomy.documents.sections import at_home
from anatomy.documents.show.model import show_document
from anatomy.planning.plan import Plan
from anatomy.planning.settings import complete, recipe_to_toml
from anatomy.units import bytes_column

SCHEMA_VERSION = 1
"""Of `report --json`. Keys may be added without changing it."""

SECTIONS: Mapping[str, str] = {
    "answer": "The answer",
    "anatomy": "What the model is made of",
    "layer": "One layer",
    "parameters": "Where the parameters are",
    "recipe": "The recipe",
    "peak": "The peak, and what it is made of",
    "modules": "The peak, module by module",
    "timeline": "Memory through a step",
    "phases": "Phase by phase",
    "gpus": "Where it fits",
    "further": "Further",
    "assumptions": "Assumed",
    "not-modelled": "Not modelled",
    "versions": "Read and rehearsed",
    "reproduce": "The same again",
}
"""Name -> title, in the order of a report. A section without content is left out."""

_PLAN_HOMES: Mapping[str, str] = {
    "Warnings": "answer",
    "Allocated at the peak": "peak",
    "Where it fits": "gpus",
    "Allocated, phase by phase": "phases",
    "Recipe": "recipe",
    "Read from": "recipe",
    "About the model": "anatomy",
    "Assumed": "assumptions",
    "Not modelled": "not-modelled",
}
"""Beginning of a title in `anatomy plan` -> section. What is said there and not named here stands under 'further'."""


def plan_report(plan: Plan, anatomy: Anatomy | None, command: str | None) -> Document:
    """The report. `anatomy`: the model taken apart, where that is known; `command`: what is typed to get the plan again."""
    said = plan_document(plan)
    homes = at_home(said.blocks, _PLAN_HOMES, "answer", "further")
    homes["versions"] = [block for block in homes.get("further", ()) if isinstance(block, Sentence)]
    homes["further"] = [block for block in homes.get("further", ()) if not isinstance(block, Sentence)]
    homes["peak"] = [*homes.get("peak", ()), owners_table(plan)]
    homes["modules"] = (
        [replace(module_table(plan.modules), title=SECTIONS["modules"])] if plan.modules else []
    )
    timeline = timeline_of(plan)
    homes["timeline"] = [] if timeline is None else [timeline]
    homes["reproduce"] = list(_again(plan, command))
    treemap = None
    if anatomy is not None:
        treemap = treemap_of(anatomy)
        homes["layer"] = list(layer_diagrams(anatomy, order_of(plan)))
        _add_anatomy(homes, anatomy, treemap)
    return Document(
        title=said.title,
        blocks=tuple(_sections(homes)),
        table=said.table,
        data={
            "schema_version": SCHEMA_VERSION,
            "kind": "plan",
            "title": said.title,
            "command": command,
            "plan": {
                **plan.to_dict(),
                "modules": {path: share.to_dict() for path, share in plan.modules.items()},
            },
            "anatomy": None if anatomy is None else anatomy.to_dict(),
            "charts": _charts(timeline, treemap),
        },
    )


def owners_table(plan: Plan) -> Table:
    """What is in use at the peak, by category and by the component that owns it."""
    parts = plan.footprint.by_category_and_component
    return Table(
        title="At the peak, by what owns it",
        columns=(
            Column(name="category", title="category", keep=True),
            Column(
                name="component", title="component", show=lambda name: name or "(no component)", keep=True
            ),
            Column(name="bytes", title="memory", show=bytes_column(parts.values()), right=True, keep=True),
        ),
        rows=tuple((category.value, component, size) for (category, component), size in parts.items()),
        total=("total", "all", sum(parts.values())),
    )


def _add_anatomy(homes: dict[str, list[Block]], anatomy: Anatomy, treemap: Treemap) -> None:
    shown = show_document(anatomy).blocks
    homes["parameters"] = [treemap, *(block for block in shown if getattr(block, "title", "") == "Modules")]
    facts = [block for block in shown if getattr(block, "title", "") not in ("Modules", "Notes")]
    notes = tuple(note for note in anatomy.notes if note not in plan_notes(homes))
    homes["anatomy"] = [*facts, *homes.get("anatomy", ())]
    if notes:
        homes["anatomy"] += [block for block in shown if getattr(block, "title", "") == "Notes"]


def plan_notes(homes: Mapping[str, Sequence[Block]]) -> tuple[str, ...]:
    """What the plan says of the model already."""
    return tuple(item for block in homes.get("anatomy", ()) for item in getattr(block, "items", ()))


def _sections(homes: Mapping[str, Sequence[Block]]) -> Iterator[Section]:
    for name, title in SECTIONS.items():
        if blocks := homes.get(name):
            yield Section(name=name, title=title, blocks=tuple(blocks))


def _again(plan: Plan, command: str | None) -> Iterator[Block]:
    if command is not None:
        yield Code(title="The command", text=command, language="sh")
    if plan.versions:
        # What follows '+' names a build ('+cpu', '+cu128'), which package indexes do not have under that name.
        pinned = " ".join(f"{name}=={version.partition('+')[0]}" for name, version in plan.versions.items())
        yield Code(title="With the versions that were rehearsed", text=f"pip install {pinned}", language="sh")
    yield Code(
        title="The complete recipe, for --recipe FILE",
        text=recipe_to_toml(complete(plan.recipe)),
        language="toml",
    )


def _charts(timeline: MemoryTimeline | None, treemap: Treemap | None) -> dict[str, object]:
    return {
        "timeline": None if timeline is None else timeline.to_dict(),
        "parameters": None if treemap is None else treemap.to_dict(),
    }
