"""What can be taken away from the interface, as text; the picture of the screen is the app's."""

from collections.abc import Callable
from dataclasses import dataclass

from anatomy.documents.plan.run import plan_document
from anatomy.planning.command import as_typed, plan_arguments
from anatomy.planning.settings import recipe_to_toml
from anatomy.render import Format, render
from anatomy.tui.backstage.requests import ModelAsked, Planned
from anatomy.tui.desk import Run


@dataclass(frozen=True, kw_only=True, slots=True)
class Taken:
    """The answer on screen, and what was asked for it."""

    model: ModelAsked
    run: Run
    planned: Planned | None
    """None before there is an answer: the recipe can be taken away then, too."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Export:
    """One way to take something away."""

    name: str
    title: str
    file: str
    """The file name that is proposed."""
    text: Callable[[Taken], str]
    """Raises RecipeError where no flag can say the run."""
    needs_answer: bool
    copied: bool = False
    """Whether it is short: it goes to the clipboard, and is printed on leaving."""


def command_of(taken: Taken) -> str:
    """The command line that gives the same answer. Raises RecipeError for what no flag can say."""
    return as_typed(
        plan_arguments(
            taken.model.reference,
            taken.run.recipe,
            taken.run.chosen,
            gpu=taken.run.gpu,
            overrides=taken.model.overrides,
            revision=taken.model.revision,
            trust_remote_code=taken.model.trust_remote_code,
        )
    )


def _rendered(form: Format) -> Callable[[Taken], str]:
    def text(taken: Taken) -> str:
        if taken.planned is None:
            raise ValueError("there is no answer yet")
        return render(plan_document(taken.planned.plan), form)

    return text


def _recipe(taken: Taken) -> str:
    """As it was run, with what gave way to the model: chosen, all of it, when it is read again."""
    return recipe_to_toml(taken.run.recipe if taken.planned is None else taken.planned.plan.recipe)


EXPORTS = (
    Export(
        name="command",
        title="the command line",
        file="",
        text=lambda taken: command_of(taken) + "\n",
        needs_answer=False,
        copied=True,
    ),
    Export(name="md", title="report as markdown", file="plan.md", text=_rendered("md"), needs_answer=True),
    Export(name="json", title="plan as JSON", file="plan.json", text=_rendered("json"), needs_answer=True),
    Export(
        name="toml",
        title="recipe as TOML",
        file="recipe.toml",
        text=_recipe,
        needs_answer=False,
    ),
)
"""In the order of the list; the screen as SVG comes after them."""
