"""The answer to a recipe as text: the verdict first, then the figures and what they are made of."""

from collections.abc import Iterator
from dataclasses import dataclass
from textwrap import wrap

from textual.content import Content

from anatomy.documents.document import Tone, share_of
from anatomy.documents.plan.run import answer_sentence, breakdown_bars, peak_facts, run_line, where_sentence
from anatomy.memory.timeline import Category
from anatomy.planning.plan import Plan
from anatomy.render.palette import CATEGORY_COLORS, CATEGORY_LETTERS
from anatomy.render.terminal import bar
from anatomy.units import format_bytes

TONES: dict[Tone, str] = {
    "plain": "",
    "good": "bold $text-success",
    "caution": "bold $text-warning",
    "bad": "bold $text-error",
}
ROOMY = 56
"""Columns from which on figures have their explanation beside them, and parts their share."""
LONGEST_BAR = 60
WAITING = "⟳"
FAILED = "✗"
NAMES = 19
"""Columns of a category's name."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What is known of a run."""

    plan: Plan | None = None
    """The last plan; of an earlier recipe while `progress` is said, or when the newer one failed."""
    progress: str = ""
    """What is being done for a newer one; '' when nothing is."""
    failure: tuple[str, str] | None = None
    """Why there is no newer one, and a hint, or ''."""

    @property
    def stale(self) -> bool:
        """Whether the plan is not of the recipe that is asked for."""
        return self.plan is not None and (bool(self.progress) or self.failure is not None)


def panel_text(answer: Answer, width: int) -> Content:
    """The answer over several lines."""
    blocks = list(_status(answer))
    if answer.plan is not None:
        blocks += [_faded(block, answer.stale) for block in _plan(answer.plan, width)]
    elif not blocks:
        blocks.append(Content("No answer yet.").stylize("$text-muted"))
    return Content("\n\n").join(blocks)


def line_text(answer: Answer, width: int) -> Content:
    """The answer in two lines: the figures, and the verdict or what is being done."""
    said = list(_status(answer))
    if answer.plan is None:
        status = said[0] if said else Content("No answer yet.").stylize("$text-muted")
        return Content("\n").join(line.truncate(width, ellipsis=True) for line in status.split("\n"))
    found = answer.plan.footprint
    figures = Content(
        f"allocated {format_bytes(found.peak_allocated_bytes)} · reserved {format_bytes(found.peak_reserved_bytes)}"
        f" · on {answer.plan.device} {format_bytes(answer.plan.device_bytes)}"
    )
    below = said[0] if said else verdict(answer.plan)
    lines = (_faded(figures.stylize("bold"), answer.stale), below)
    return Content("\n").join(line.truncate(width, ellipsis=True) for line in lines)


def verdict(plan: Plan) -> Content:
    """Whether it fits, in the report's words."""
    sentence = answer_sentence(plan)
    return Content(sentence.text).stylize(TONES[sentence.tone])


def _status(answer: Answer) -> Iterator[Content]:
    """What is going on, or went wrong; and whose numbers stand below."""
    whose = "" if answer.plan is None else f" (below, the answer before: {run_line(answer.plan.recipe)})"
    if answer.progress:
        yield Content.assemble((f"{WAITING} {answer.progress}", "bold $text-warning"), (whose, "$text-muted"))
    elif answer.failure is not None:
        message, hint = answer.failure
        lines = [Content(f"{FAILED} {message}").stylize("bold $text-error")]
        if hint:
            lines.append(Content(f"hint: {hint}").stylize("$text-muted"))
        if whose:
            lines.append(Content(whose.strip()).stylize("$text-muted"))
        yield Content("\n").join(lines)


def _plan(plan: Plan, width: int) -> Iterator[Content]:
    yield verdict(plan)
    yield Content("\n").join(_figures(plan, width))
    yield Content(where_sentence(plan).text)
    yield Content("\n").join(_breakdown(plan, width))


def _figures(plan: Plan, width: int) -> Iterator[Content]:
    names = max(len(name) for name, _ in peak_facts(plan).items) + 2
    for name, said in peak_facts(plan).items:
        figure, _, words = said.partition("  ")
        beside = f"  {words}" if words and width >= ROOMY else ""
        if name == "on the device" and not beside:
            figure = f"{figure} ({plan.device})"
        figure = f"\n{' ' * names}".join(wrap(figure, max(8, width - names)) if not beside else [figure])
        yield Content.assemble((f"{name:<{names}}", "$text-muted"), (figure, "bold"), (beside, "$text-muted"))


def _breakdown(plan: Plan, width: int) -> Iterator[Content]:
    """A bar for each category that is in use at the peak, under a line that says so."""
    bars = breakdown_bars(plan)
    yield Content(bars.title).stylize("bold")
    sizes = [bars.show(size) for _, size in bars.items] + [bars.show(bars.total)]
    digits = max(map(len, sizes))
    shares = 10 if width >= ROOMY else 0
    names = max(8, min(NAMES, width - 2 - digits - shares))
    room = max(0, min(LONGEST_BAR, width - 2 - names - digits - shares - 1))
    longest = max((size for _, size in bars.items), default=0)
    for (name, size), text in zip(bars.items, sizes, strict=False):
        category = Category(name)
        share = f"{share_of(size, bars.total):>{shares}}" if shares else ""
        yield Content.assemble(
            (CATEGORY_LETTERS[category], f"bold {CATEGORY_COLORS[category]}"),
            f" {_cut(name, names - 1):<{names}}{text:>{digits}}{share}",
            (f" {bar(size, longest, room)}" if room > 1 else "", CATEGORY_COLORS[category]),
        )
    whole = f"{share_of(bars.total, bars.total):>{shares}}" if shares else ""
    yield Content(f"  {'total':<{names}}{sizes[-1]:>{digits}}{whole}").stylize("bold")


def _cut(name: str, room: int) -> str:
    return name if len(name) <= room else f"{name[: room - 1]}…"


def _faded(block: Content, stale: bool) -> Content:
    return block.stylize("dim") if stale else block
