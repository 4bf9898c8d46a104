"""`import anatomy`: what there is, typed and lazy, with keyword arguments named as the command line's flags."""

import ast
import inspect
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import get_type_hints

import click
import pytest

import anatomy
from anatomy.cli.root import _COMMANDS
from anatomy.training.recipe import Recipe

STABLE = """
    Anatomy AnatomyError ArchitectureError Comparison Difference Document Examined Plan Recipe RecipeError Record
    RehearsalError Settings SourceError Validation __version__ compare diff env examine export gpus load models open_run
    optimizers plan plot profile read_config report save_run schema show validate validate_records watch
""".split()
"""What scripts rely on: a name is added here, and none is taken away."""
VERBS = {
    "show": (anatomy.show, anatomy.examine, anatomy.diff),
    "plan": (anatomy.plan,),
    "compare": (anatomy.compare,),
    "profile": (anatomy.profile,),
    "validate": (anatomy.validate, anatomy.validate_records),
    "report": (anatomy.report,),
    "optimizers": (anatomy.optimizers,),
    "models": (anatomy.models,),
    "gpus": (anatomy.gpus,),
    "env": (anatomy.env,),
    "schema": (anatomy.schema,),
}
"""Command -> the functions that answer it."""
FOR_A_TERMINAL = {"browse", "completion"}
"""Commands that have no verb: a terminal interface, a shell's completion."""
ELSEWHERE = {
    "set": "overrides={'hidden_size': 64}",
    "format": "a result's to_dict, to_frame, to_markdown, to_html",
    "json": "a result's to_dict",
    "output": "a result's write; of validate, folder=",
    "no-progress": "silent unless progress= is given",
    "token": "HF_TOKEN, or `hf auth login`",
    "offline": "HF_HUB_OFFLINE=1",
    "plot": "anatomy.plot(result, FILE)",
    "export": "anatomy.export(plan.replay, FILE)",
    "export-predicted": "anatomy.export(replay(record.prediction.timeline), FILE)",
    "depth": "how much a terminal shows: a result has the whole tree",
    "diff": "anatomy.diff(one, other)",
    "check": "Plan.fits, Comparison.fitting, anatomy.validation.bars.passes",
    "by-module": "Plan.modules",
    "print-recipe": "Plan.recipe",
    "print-grid": "anatomy.validation.grid.shipped_text",
    "target-regex": "target_modules= as one string",
    "reentrant": "gradient_checkpointing='reentrant'",
    "config-kind": "anatomy.read_config(FILE, kind)",
    "peft-config": "peft_type= and peft=, by PEFT's own names",
    "save": "anatomy.save_run(record, FILE)",
    "open": "anatomy.open_run(FILE)",
    "from": "anatomy.validate_records(DIR)",
    "compare": "anatomy.report(anatomy.compare(...))",
    "validation": "anatomy.report(anatomy.validate_records(DIR))",
    **dict.fromkeys(
        ("report --methods", "report --optimizers", "report --precisions", "report --quant-types", "report --checkpointing"),
        "anatomy.report(anatomy.compare(...))",
    ),
}  # fmt: skip
"""Flag, or command and flag -> where the library has it, if not as a keyword of the same name."""


def keywords(command: str) -> set[str]:
    found: set[str] = set()
    for verb in VERBS[command]:
        for name, parameter in inspect.signature(verb).parameters.items():
            taken = parameter.kind is inspect.Parameter.VAR_KEYWORD
            found |= set(get_type_hints(anatomy.Settings)) if taken else {name}
    return found


def flags(command: str) -> list[str]:
    """The long names of a command's options, without hyphens before them."""
    options = import_module(f"anatomy.cli.{command}").command.params
    return [
        max(option.opts, key=len).removeprefix("--") for option in options if isinstance(option, click.Option)
    ]


def test_what_is_stable():
    assert sorted(anatomy.__all__) == sorted(STABLE)
    assert dir(anatomy) == sorted(STABLE)


@pytest.mark.parametrize("name", STABLE)
def test_every_stable_name_is_there_and_explained(name):
    found = getattr(anatomy, name)
    assert found is getattr(anatomy, name)
    if name != "__version__":
        assert inspect.getdoc(found), name


def test_other_names_are_not():
    with pytest.raises(AttributeError, match="has no attribute 'plann'"):
        anatomy.plann  # noqa: B018


def test_no_module_hides_a_name():
    """Importing `anatomy.plan` would put the module where the verb is looked for."""
    assert not {module.name for module in iter_modules(anatomy.__path__)} & set(STABLE)


def test_editors_see_what_is_found_when_it_is_asked_for():
    """The imports under TYPE_CHECKING are the table by which names are found."""
    tree = ast.parse(Path(anatomy.__file__).read_text(encoding="utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    seen = {
        node.module.removeprefix("anatomy."): tuple(alias.name for alias in node.names)
        for node in block.body
        if isinstance(node, ast.ImportFrom) and node.module
    }
    assert {home: set(names) for home, names in seen.items()} == {
        home: set(names) for home, names in anatomy._HOMES.items()
    }
    assert {name for names in seen.values() for name in names} | {"__version__"} == set(STABLE)


def test_importing_imports_nothing_but_itself():
    script = "import sys; before = {*sys.modules}; import anatomy; print(*sorted({*sys.modules} - before))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    loaded = done.stdout.split()
    assert [name for name in loaded if name.startswith("anatomy")] == ["anatomy", "anatomy.result"]
    assert {name.partition(".")[0] for name in loaded} - {"anatomy"} <= sys.stdlib_module_names


def test_catalogs_and_results_are_light():
    """`repr` of a result, and a catalog, need none of the heavy libraries."""
    script = (
        "import sys, anatomy; anatomy.gpus(); anatomy.models(); anatomy.Recipe(); anatomy.Plan; anatomy.Anatomy;"
        "print(*[m for m in ('torch', 'transformers', 'peft', 'pandas', 'numpy', 'rich', 'click') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split() == []


def test_every_command_is_a_verb():
    assert set(_COMMANDS) == VERBS.keys() | FOR_A_TERMINAL


@pytest.mark.parametrize("command", VERBS)
def test_every_flag_is_a_keyword_or_said_to_be_elsewhere(command):
    known = keywords(command)
    missing = [
        flag
        for flag in flags(command)
        if flag.replace("-", "_") not in known
        and flag not in ELSEWHERE
        and f"{command} --{flag}" not in ELSEWHERE
    ]
    assert missing == []


def test_nothing_is_said_of_flags_that_there_are_not():
    there = {flag for command in VERBS for flag in flags(command)}
    there |= {f"{command} --{flag}" for command in VERBS for flag in flags(command)}
    assert ELSEWHERE.keys() <= there


def test_settings_are_the_recipes():
    """Names and types: an editor completes what a recipe takes."""
    hints = get_type_hints(anatomy.Settings)
    assert hints == {
        name: kind for name, kind in get_type_hints(Recipe).items() if name in Recipe().to_dict()
    }
    assert [*hints] == [*Recipe().to_dict()]
    assert not anatomy.Settings.__required_keys__


@pytest.mark.slow
def test_a_type_checker_knows_the_verbs(tmp_path):
    """mypy, as a user would run it: results have their types, and a wrong setting is found."""
    script = tmp_path / "script.py"
    script.write_text(
        "import anatomy\n"
        "plan = anatomy.plan('model', method='qlora', r=64, gpu='T4')\n"
        "reveal_type(plan)\n"
        "reveal_type(anatomy.show('model').to_markdown())\n"
        "anatomy.plan('model', r='four')\n"
        "anatomy.plan('model', rank=4)\n"
        "anatomy.compare('model', precision='bf17')\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--follow-imports=silent", "--config-file=", str(script)],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=Path(anatomy.__file__).parents[1],
    )
    if "No module named mypy" in done.stderr:
        pytest.skip("mypy is not installed")
    assert 'Revealed type is "anatomy.planning.plan.Plan"' in done.stdout
    assert 'Revealed type is "str"' in done.stdout
    errors = [
        line for line in done.stdout.splitlines() if line.startswith(str(script)) and ": error:" in line
    ]
    assert [line.split(":")[1] for line in errors] == ["5", "6", "7"]
