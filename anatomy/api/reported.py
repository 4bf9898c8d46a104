"""Reports: one Document of a plan, a comparison, a grid or a measured run; and the files that it becomes."""

from collections.abc import Collection, Mapping, Sequence
from importlib.util import find_spec
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from anatomy.api.configured import Config, asked, settled
from anatomy.api.description import Progress, show, silence
from anatomy.api.lengths import Given
from anatomy.errors import AnatomyError, RecipeError
from anatomy.training.keywords import Settings
from anatomy.training.recipe import Recipe

if TYPE_CHECKING:
    from anatomy.documents.document import Document
    from anatomy.planning.compare import Comparison
    from anatomy.planning.plan import Plan
    from anatomy.profiling.record import Record
    from anatomy.render import Format
    from anatomy.validation.scores import Validation

    Answer = Plan | Comparison | Validation | Record

FORMS: "Mapping[str, Format]" = {".md": "md", ".html": "html", ".json": "json", ".csv": "csv"}
"""Endings of the files that an answer is written to."""


def report(
    subject: "str | PathLike[str] | Answer | None" = None,
    *,
    sections: Sequence[str] | None = None,
    config: Config | None = None,
    recipe: Recipe | None = None,
    chosen: Collection[str] | None = None,
    lengths: Given | None = None,
    gpu: str | None = None,
    inputs: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    revision: str | None = None,
    trust_remote_code: bool = False,
    command: str | None = None,
    progress: Progress | None = None,
    **options: Unpack[Settings],
) -> "Document":
    """Everything that is known of a run, as one Document of named sections.

    `subject`: what `plan` takes, which is then planned with the other arguments (those of `plan`); a file that `anatomy
    profile --save` wrote; or what `plan`, `compare`, `validate` or `profile` returned. `sections`: names of those wanted, in
    that order (`anatomy.documents.whole.SECTIONS` for a plan); all when left out. `command`: what is said to give the same
    again; of a run that is planned here it is worked out.

    `write("llama.html")` of what is returned makes the file of `anatomy report -o llama.html`, `write("llama.md")` its pictures
    too; `to_html()` and `to_markdown()` the texts. Raises as `plan`, and AnatomyError for a section that there is not.
    """
    from anatomy.documents.sections import check_names
    from anatomy.documents.sections import chosen as chosen_sections
    from anatomy.documents.whole import SECTIONS, plan_report

    if subject is not None and not isinstance(subject, str | PathLike):
        document = _of_answer(subject, command)
    elif subject is not None and (run := _saved_run(subject)) is not None:
        document = _of_answer(run, command or f"anatomy report {Path(subject).name}")
    else:
        if sections is not None:
            check_names(sections, tuple(SECTIONS))
        reference = None if subject is None else fspath(subject)
        planned = _planned(
            reference,
            config=config,
            recipe=recipe,
            chosen=chosen,
            lengths=lengths,
            gpu=gpu,
            inputs=inputs,
            overrides=overrides,
            revision=revision,
            trust_remote_code=trust_remote_code,
            progress=progress or silence,
            options=options,
        )
        document = plan_report(*planned)
    return document if sections is None else chosen_sections(document, sections)


def _planned(
    reference: str | None, *, options: Mapping[str, Any], progress: Progress, **given: Any
) -> tuple["Plan", Any, str | None]:
    """(plan, the model taken apart, what is typed to get the plan again)"""
    from anatomy.api.planned import plan
    from anatomy.planning.command import as_typed, plan_arguments

    model = {name: given[name] for name in ("revision", "overrides")}
    run = asked(reference, given["config"], recipe=given["recipe"], chosen=given["chosen"], **model)
    found = plan(reference, **given, **options, progress=progress)
    progress("taking the model apart")
    _, recipe, names = settled(run, options, given["lengths"])
    anatomy = show(
        run.reference,
        overrides=run.overrides,
        revision=run.revision,
        trust_remote_code=given["trust_remote_code"],
        build=True,
        progress=progress,
    )
    try:
        typed = plan_arguments(
            run.reference,
            recipe,
            names,
            gpu=given["gpu"],
            overrides=run.overrides,
            revision=run.revision,
            trust_remote_code=given["trust_remote_code"],
        )
    except RecipeError:  # a recipe's file can say it, and the report has that
        return found, anatomy, None
    inputs = () if given["inputs"] is None else ("--inputs", given["inputs"])
    return found, anatomy, as_typed((*typed, *inputs))


def _saved_run(subject: "str | PathLike[str]") -> "Record | None":
    """The run that a file holds; None for what is no such file. Raises SourceError for a broken one."""
    from anatomy.api.openable import is_saved_run
    from anatomy.profiling.record import load

    path = Path(subject)
    return load(path) if path.is_file() and is_saved_run(path) else None


def _of_answer(answer: "Answer", command: str | None) -> "Document":
    from anatomy.documents.others import comparison_report, record_report, validation_report
    from anatomy.documents.whole import plan_report
    from anatomy.planning.compare import Comparison
    from anatomy.planning.plan import Plan
    from anatomy.profiling.record import Record
    from anatomy.validation.scores import Validation

    if isinstance(answer, Plan):
        return plan_report(answer, None, command)
    if isinstance(answer, Comparison):
        return comparison_report(answer, command)
    if isinstance(answer, Record):
        return record_report(answer, command)
    if isinstance(answer, Validation):
        return validation_report(answer, command)
    raise AnatomyError(
        f"There is no report of {type(answer).__name__}: of a plan, a comparison, a validation or a measured run there is.",
        hint="other results write themselves: anatomy.show('org/name').write('model.html')",
    )


def write_report(document: "Document", file: "str | PathLike[str]") -> tuple[Path, ...]:
    """Write a document to FILE.md, with its pictures beside it, to FILE.html, which holds all, or for programs to FILE.json
    or FILE.csv; the files written.

    Raises AnatomyError for another ending, and for a file that cannot be written.
    """
    from anatomy.render import render

    path = Path(file)
    form = FORMS.get(path.suffix.lower())
    if form is None:
        raise AnatomyError(
            f"{path} is no {', '.join(FORMS)} file.", hint="a report is Markdown or a page: report.html"
        )
    document, pictures = illustrated(document, path) if form == "md" else (document, ())
    _write(path, render(document, form).encode())
    return (path, *pictures)


def illustrated(document: "Document", path: Path) -> "tuple[Document, tuple[Path, ...]]":
    """The document with a picture in place of every chart, and the files of these, written beside `path`.

    Without matplotlib the charts stay what they say in words. Raises AnatomyError for a file that cannot be written.
    """
    from anatomy.documents.pictured import pictured, without_pictures

    named, charts = pictured(document, path.stem)
    if charts and find_spec("matplotlib") is None:
        return without_pictures(document), ()
    from anatomy.plots import picture

    pictures = {path.with_name(name): chart for name, chart in charts.items()}
    for file, chart in pictures.items():
        _write(file, picture(chart, "svg"))
    return named, tuple(pictures)


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise AnatomyError(
            f"{path} cannot be written: {error.strerror}.", hint="choose another file"
        ) from error
