"""The recipe's form in a terminal: every key, the mouse, what it asks for."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

import pytest
from textual.app import App, ComposeResult
from textual.pilot import Pilot
from textual.widgets import Button, Static

from anatomy.planning.plan import Plan
from anatomy.training.recipe import Recipe
from anatomy.tui.recipe.answer import AnswerLine, AnswerPanel
from anatomy.tui.recipe.editor import Editor
from anatomy.tui.recipe.form import RecipeForm
from anatomy.tui.recipe.pick import PickList
from anatomy.tui.recipe.values import SEVERAL


class Host(App[None]):
    """A form that changes nothing, and hears what it says."""

    ENABLE_COMMAND_PALETTE = False

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[tuple[str, Any]] = []

    def compose(self) -> ComposeResult:
        yield RecipeForm()
        yield Button("elsewhere")

    def on_recipe_form_changed(self, event: RecipeForm.Changed) -> None:
        self.heard.append((event.name, event.value))

    @property
    def form(self) -> RecipeForm:
        return self.query_one(RecipeForm)

    def text(self) -> str:
        return "\n".join(str(line.render()) for line in self.form.query(Static) if line.display)

    def words(self) -> str:
        """The same, wherever lines end."""
        return " ".join(self.text().split())


def driven(
    script: Callable[[Host, Pilot[None]], Coroutine[Any, Any, None]], size: tuple[int, int] = (38, 24)
) -> None:
    async def go() -> None:
        host = Host()
        async with host.run_test(size=size) as pilot:
            host.form.focus()
            await pilot.pause()
            await script(host, pilot)

    asyncio.run(go())


def test_keys_move_and_ask():
    async def script(host: Host, pilot: Pilot[None]) -> None:
        await pilot.press("j", "right", "right")
        assert host.heard == [
            ("r", 32),
            ("r", 64),
        ]  # the second goes on from the first, though nothing was shown yet
        await pilot.press("k", "left")
        assert host.heard[-1] == ("method", "pfeiffer")
        host.form.show(Recipe(r=64), {"r"}, None, None)
        await pilot.press("down", "backspace")
        assert host.heard[-1] == ("r", None)
        await pilot.press("g", "delete")  # the method is the default already
        assert host.heard[-1] == ("r", None)

    driven(script)


def test_numbers_are_typed():
    async def script(host: Host, pilot: Pilot[None]) -> None:
        host.form.go_to("seq_len")
        await pilot.press("enter", "4", "0", "9", "6", "enter")
        assert host.heard == [("seq_len", 4096)]
        await pilot.press("enter", "ctrl+u", "8", "up", "up", "down", "enter")
        assert host.heard[-1] == ("seq_len", 16)
        await pilot.press("enter", "5", "escape")
        assert len(host.heard) == 2
        await pilot.press("enter", "7", "x", "enter")
        assert "sequence is a whole number, which '7x' is not." in host.words()
        await pilot.press("enter", "ctrl+u", "enter")
        assert host.heard[-1] == ("seq_len", None)
        assert host.focused is host.form

    driven(script)


def test_values_are_picked():
    async def script(host: Host, pilot: Pilot[None]) -> None:
        host.form.go_to("optimizer")
        await pilot.press("enter", *"paged 8bit", "down", "enter")
        assert host.heard == [("optimizer", "paged_ademamix_8bit")]
        host.form.go_to("target_modules")
        await pilot.press("enter", *"q_proj,v_proj", "enter")
        assert host.heard[-1] == ("target_modules", ("q_proj", "v_proj"))
        host.form.go_to("gpu")
        await pilot.press("enter", *"4090")
        assert isinstance(host.screen, PickList)
        await pilot.press("enter")
        assert host.heard[-1] == ("gpu", "RTX 4090")
        await pilot.press("enter", "escape")
        assert len(host.heard) == 3

    driven(script)


def test_several_gpus_are_answered_by_a_sentence():
    async def script(host: Host, pilot: Pilot[None]) -> None:
        host.form.go_to("devices")
        await pilot.press("right")
        assert SEVERAL in host.words()
        await pilot.press("enter", "8", "enter")
        assert SEVERAL in host.words()
        await pilot.press("backspace")
        assert SEVERAL not in host.text()
        assert host.heard == []

    driven(script)


def test_a_refusal_stands_under_its_field_until_the_run_changes():
    async def script(host: Host, pilot: Pilot[None]) -> None:
        host.form.refuse("quant_type", "quant_type means nothing for method 'lora'.")
        await pilot.pause()
        assert host.form.unfolded
        assert "! quant_type means nothing" in host.text()
        host.form.show(Recipe(), set(), None, None)
        assert "! quant_type means nothing" in host.text()
        host.form.show(Recipe(r=8), {"r"}, None, None)
        assert "! quant_type means nothing" not in host.text()

    driven(script)


def test_more_settings_unfold():
    async def script(host: Host, pilot: Pilot[None]) -> None:
        assert "kbit prepare" not in host.text()
        await pilot.press("G", "enter")
        assert "kbit prepare" in host.text()
        await pilot.press("G")
        assert host.form.field is not None
        assert host.form.field.name == "eval_accumulation_steps"
        assert "Needs an evaluation" in host.text()
        await pilot.press("ctrl+u", "m")
        assert "kbit prepare" not in host.text()
        assert host.form.field is None

    driven(script)


def test_tab_leaves_and_what_was_typed_is_taken():
    async def script(host: Host, pilot: Pilot[None]) -> None:
        host.form.go_to("batch_size")
        await pilot.press("enter", "4", "tab")
        await pilot.pause()
        assert isinstance(host.focused, Button)
        assert host.heard == [("batch_size", 4)]
        await pilot.press("shift+tab")
        assert host.focused is host.form

    driven(script)


def test_the_mouse_points_opens_and_takes_back():
    async def script(host: Host, pilot: Pilot[None]) -> None:
        host.form.show(Recipe(r=64), {"r"}, None, None)
        await pilot.pause()
        await pilot.click(host.form, offset=(4, 4))
        assert host.form.field is not None
        assert host.form.field.name == "precision"
        await pilot.click(host.form, offset=(4, 4))
        assert isinstance(host.screen, PickList)
        await pilot.press("escape")
        line = host.form.query("Line")[1]
        await pilot.click(line, offset=(line.size.width - 1, 0))
        assert host.heard == [("r", None)]

    driven(script)


@pytest.mark.parametrize("size", [(30, 10), (38, 24), (200, 60)])
def test_no_line_is_wider_than_the_form(size: tuple[int, int], made_plan: Plan):
    async def script(host: Host, pilot: Pilot[None]) -> None:
        long = replace(made_plan.recipe, target_modules=tuple(f"layer_{i}[x]" for i in range(40)))
        host.form.show(long, {"target_modules"}, None, made_plan)
        host.form.unfolded = True
        await pilot.pause()
        for line in host.form.query("Line"):
            assert len(str(line.render()).splitlines()[0]) <= line.size.width

    driven(script, size)


def test_the_panel_and_the_line_show_the_same_plan(made_plan: Plan):
    class Both(App[None]):
        def compose(self) -> ComposeResult:
            yield AnswerLine()
            yield AnswerPanel()

    async def go() -> None:
        host = Both()
        async with host.run_test(size=(60, 24)) as pilot:
            line, panel = host.query_one(AnswerLine), host.query_one(AnswerPanel)
            assert str(line.render()) == "No answer yet."
            for widget in (line, panel):
                widget.show(made_plan)
            await pilot.pause()
            assert "allocated 160.00 MiB" in str(line.render())
            assert "160.00 MiB" in str(panel.query_one(Static).render())
            panel.show(made_plan, failure=("It does not run.", ""))
            await pilot.pause()
            assert str(panel.query_one(Static).render()).startswith("✗ It does not run.")

    asyncio.run(go())


def test_what_is_typed_is_seen_on_the_last_line_too():
    async def script(host: Host, pilot: Pilot[None]) -> None:
        await pilot.press("m", "G", "enter")
        await pilot.pause()
        editor, about = host.form.query_one(Editor), host.form.query_one("#about")
        assert host.focused is editor
        assert editor.region.area > 0
        assert editor.region.bottom <= about.region.y, "not behind what the setting means"

    driven(script)


def test_a_refusal_is_set_in_under_its_field():
    async def script(host: Host, pilot: Pilot[None]) -> None:
        host.form.refuse("r", "r is 0, but must be at least 1, as everybody who has heard of ranks knows.")
        await pilot.pause()
        said = host.text().splitlines()
        start = next(at for at, line in enumerate(said) if line.startswith("  ! r is 0"))
        assert said[start + 1].startswith("    ")
        assert max(map(len, said[start : start + 2])) <= 38

    driven(script)
