"""The views by key, and words about what is on the desk."""

from textual.content import Content

from anatomy.documents.plan.run import run_line
from anatomy.memory.allocator import OutOfMemory
from anatomy.planning.plan import Plan
from anatomy.tui.desk import Desk

VIEWS = (
    ("1", "model", "Model"),
    ("2", "recipe", "Recipe"),
    ("3", "memory", "Memory"),
    ("4", "gpus", "GPUs"),
    ("5", "compare", "Compare"),
    ("6", "runs", "Runs"),
)
"""Key, name, title."""


def menu(current: str) -> Content:
    """The views with their keys, to be clicked as well; the current one is pointed out. Then help and the way out."""
    views = [
        Content.from_markup(
            f"[@click=app.view('{name}')]{f'[reverse] {key} {title} [/]' if name == current else f' {key} {title} '}[/]"
        )
        for key, name, title in VIEWS
    ]
    keys = Content.from_markup("   [@click=app.help]? help[/]  [@click=app.quit]q quit[/]")
    return Content("").join((*views, keys))


def headline(desk: Desk, doing: str) -> str:
    """The model and the run in a line, as it is planned once it is, and what is being done."""
    ran = desk.run.recipe if desk.stale or desk.shown is None else desk.shown[1].plan.recipe
    run = run_line(ran)
    on = f" on {desk.run.gpu}" if desk.run.gpu else ""
    said = f"   … {doing}" if doing else ""
    return f"{desk.model.reference}: {run}{on}{said}"


def card_of(plan: Plan, gpu: str | None) -> tuple[int | None, str, OutOfMemory | None]:
    """The card that a run is held against: the chosen one, else the smallest on which it fits, else the largest.

    Returns what a process can allocate there beside the context, the card's name, and where the run ends on it.
    """
    named = next((fit for fit in plan.fits if fit.gpu == gpu), None)
    fit = named or plan.smallest_fit or (plan.fits[-1] if plan.fits else None)
    if fit is None:
        return None, "", None
    return max(0, fit.memory_bytes - fit.context_bytes), fit.gpu, fit.out_of_memory


def answer_of(desk: Desk, doing: str) -> tuple[Plan | None, str, tuple[str, str] | None]:
    """The plan on screen, what is being done for a newer one, and why there is none: a sentence and a hint."""
    failure = None if desk.failure is None else (desk.failure.message, desk.failure.hint or "")
    plan = None if desk.shown is None else desk.shown[1].plan
    if not desk.stale or failure is not None:
        return plan, "", failure
    fit = desk.beforehand()
    known = "" if fit is None else f"{fit.gpu}: {fit.verdict}, by the kernels of {desk.everywhere_on()}; "
    return plan, known + (doing or "waiting"), None


def pin(desk: Desk) -> str:
    """Keep the answer on screen for comparison, and say so; or why there is none to keep."""
    if desk.stale:
        return "There is no answer to pin yet." if desk.failure is None else "This run has no answer to pin."
    return "Pinned. Key 5 compares what is pinned." if desk.pin() else "This answer is pinned already."
