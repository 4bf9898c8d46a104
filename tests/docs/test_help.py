"""Every `--help` begins with examples, which the command understands."""

import shlex

import click
import pytest
from generator.commands import sections_of_help

from anatomy.cli.root import anatomy

NAMES = anatomy.list_commands(click.Context(anatomy))


def command(name: str) -> click.Command:
    found = anatomy.get_command(click.Context(anatomy, info_name="anatomy"), name)
    assert found is not None
    return found


def examples(name: str) -> list[str]:
    return sections_of_help(command(name).help or "")[0].splitlines()


@pytest.mark.parametrize("name", NAMES)
def test_help_begins_with_examples(name: str) -> None:
    ctx = click.Context(command(name), info_name=f"anatomy {name}")
    _, _, after_usage = command(name).get_help(ctx).partition("\n\n")
    assert after_usage.strip().startswith(("anatomy " + name, f'eval "$(anatomy {name}'))
    said = sections_of_help(command(name).help or "")[1]
    assert said.endswith("."), "a sentence follows"


def test_the_help_of_all_begins_with_examples() -> None:
    first, said = sections_of_help(anatomy.help or "")
    assert [line.split()[:2] for line in first.splitlines()] == [["anatomy", "show"], ["anatomy", "plan"]]
    assert said


@pytest.mark.parametrize("name", NAMES)
def test_examples_are_understood(name: str) -> None:
    found = [line for line in examples(name) if line.startswith("anatomy ")]
    for line in found:
        program, verb, *arguments = shlex.split(line)
        assert (program, verb) == ("anatomy", name)
        with click.Context(anatomy, info_name="anatomy") as above:
            command(name).make_context(name, arguments, parent=above).close()
    assert found or name == "completion"
