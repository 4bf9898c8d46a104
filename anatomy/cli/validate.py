"""`anatomy validate`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from anatomy.cli.files import check_files
from anatomy.cli.options import GroupedCommand, format_options, plot_option
from anatomy.cli.output import answer, chosen_format
from anatomy.cli.progress import working
from anatomy.cli.streams import write
from anatomy.documents.document import Document
from anatomy.render import Format

if TYPE_CHECKING:
    from anatomy.profiling.cells.runner import Progress

TABLES: tuple[Format, ...] = ("md", "csv", "json")
"""Forms in which the accuracy is kept beside the records."""


@click.command(
    "validate",
    cls=GroupedCommand,
    epilog="GRID: cpu, gpu-24gb, gpu-140gb, or a TOML file; --print-grid shows the shipped ones.",
)
@click.argument("grid", required=False)
@click.option(
    "-o",
    "--output",
    "folder",
    metavar="DIR",
    help="Where records and tables are kept.  [default: validation-GRID]",
)
@click.option(
    "--from", "source", metavar="DIR", help="Predict the records in DIR again, without running anything."
)
@click.option("--only", metavar="CELL", multiple=True, help="Only this cell. Repeatable.")
@click.option(
    "--jobs", type=click.IntRange(min=1), help="Cells at a time.  [default: 1 on a GPU, else the cores]"
)
@click.option(
    "--time-limit",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="Begin no cell after this; the next run goes on.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="Give a cell up after this.  [default: 300]",
)
@click.option("--print-grid", is_flag=True, help="Print GRID as TOML, to start one's own from, and stop.")
@click.option("--retry-failed", is_flag=True, help="Run again what failed before.")
@click.option("--check", is_flag=True, help="Exit with 1 when a bar is not met, a cell failed or is left.")
@click.option("--no-progress", is_flag=True, help="No progress on stderr.")
@plot_option("the allocated peaks, predicted against measured")
@format_options
def command(
    grid: str | None,
    folder: str | None,
    source: str | None,
    only: tuple[str, ...],
    jobs: int | None,
    time_limit: float | None,
    timeout: float | None,
    print_grid: bool,
    retry_failed: bool,
    check: bool,
    no_progress: bool,
    plot: str | None,
    format_: Format | None,
    as_json: bool,
) -> None:  # fmt: skip
    """\b
      anatomy validate
      anatomy validate gpu-140gb -o reports/h200 --time-limit 500
      anatomy validate --from reports/h200 --format md

    A grid of models and recipes, predicted and measured: how far off the predictions are.

    Each cell runs in a process of its own and is kept as it comes; the same command again runs what is missing.
    """
    ctx = click.get_current_context()
    if print_grid:
        from anatomy.validation.grid import shipped_text

        write(shipped_text(grid or "cpu"), None)
        return
    form = chosen_format(format_, as_json, None)
    check_files(ctx, {"--plot": plot})
    if source is not None:
        _check_alone(ctx, grid, time_limit, timeout, retry_failed)
    from anatomy import api
    from anatomy.documents.validate import validate_document
    from anatomy.validation.bars import passes

    with working(show=not no_progress) as tell:
        share: dict[str, Any] = {"only": only, "jobs": jobs, "progress": lambda now: tell(_in_words(now))}
        if source is not None:
            found = api.validate_records(source, **share)
        else:
            chosen = api.find_grid(grid)
            folder = folder or f"validation-{chosen.name}"
            share |= {"time_limit": time_limit, "timeout": timeout, "retry_failed": retry_failed}
            found = api.validate(chosen, folder=folder, **share)
        if plot is not None:
            tell(f"drawing {plot}")
            api.plot(found, plot)
    document = validate_document(found)
    if folder is not None:
        _keep(document, Path(folder))
    answer(document, form, None)
    if check and not passes(found):
        ctx.exit(1)


def _check_alone(ctx: click.Context, grid: str | None, *others: object) -> None:
    if grid is not None or any(others):
        raise click.UsageError(
            "--from predicts recorded runs again: GRID, --time-limit, --timeout and --retry-failed mean nothing with it.",
            ctx=ctx,
        )


def _keep(document: Document, folder: Path) -> None:
    """The tables, beside the records."""
    folder.mkdir(parents=True, exist_ok=True)
    for form in TABLES:
        answer(document, form, str(folder / f"accuracy.{form}"))


def _in_words(now: "Progress") -> str:
    """'qwen2.5-0.5b-fp32, about 4 min left: cell 13 of 62'."""
    if not now.running:
        return "getting ready" if now.done < now.total else "comparing"
    left = "" if now.seconds_left is None else f", about {_duration(now.seconds_left)} left"
    more = f" and {len(now.running) - 1} more" if len(now.running) > 1 else ""
    return f"{now.running[0]}{more}{left}: cell {now.done + 1} of {now.total}"


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
