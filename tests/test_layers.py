"""The rooms stand in the order in which data flows: a module imports from its own room and from earlier ones."""

import ast
from functools import cache
from pathlib import Path

import pytest

import anatomy

ROOT = Path(anatomy.__file__).parent

ORDER = (
    *(
        "errors",
        "units",
        "dtypes",
        "ggml",
        "versions",
        "garbage",
        "alone",
        "blueprint",
        "result",
        "older",
        "source",
    ),
    *("architecture", "formats", "inference", "memory"),
    *("answers", "training", "rehearsal", "hardware", "planning", "trainers", "profiling", "validation"),
    *("documents", "render", "plots", "schemas", "api"),
    *("coverage", "gallery", "integrations", "tui", "cli", "__main__"),
)
FORBIDDEN = {
    ("architecture", "source"),
    ("cli", "integrations"),
    ("tui", "integrations"),
    ("tui", "coverage"),
}
"""Beyond the order: the anatomy of a model does not know where its description came from; commands stand beside
what runs inside the user's own program."""
PURE = (
    *("errors", "units", "dtypes", "ggml", "garbage", "blueprint", "formats", "inference"),
    *("memory", "planning", "validation", "documents"),
)
"""Rooms that only calculate."""
IMPURE_MODULES = frozenset(
    "torch transformers peft bitsandbytes accelerate pandas matplotlib rich click textual huggingface_hub safetensors "
    "subprocess socket urllib requests httpx shutil tempfile os sys pathlib".split()
)
MODULES = sorted(path.relative_to(ROOT) for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py")


def room_of(module: Path) -> str:
    return module.parts[0].removesuffix(".py")


def is_rim(module: Path) -> bool:
    """Whether a file is where a command begins: the command line, or a room's own `python -m`."""
    return room_of(module) == "cli" or module.name == "__main__.py"


@cache
def parsed(module: Path) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(ast.parse((ROOT / module).read_text(encoding="utf-8"))))


@cache
def imported(module: Path) -> tuple[str, ...]:
    """Every module that a file imports, anywhere in it."""
    found = []
    for node in parsed(module):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively"
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return tuple(found)


def rooms_used(module: Path) -> set[str]:
    """The rooms of ours that a file imports from; the package itself (its version) is none."""
    names = [name.split(".") for name in imported(module) if name.startswith("anatomy.")]
    return {parts[1] for parts in names if (ROOT / parts[1]).exists() or (ROOT / f"{parts[1]}.py").exists()}


def test_every_room_has_its_place():
    assert {room_of(module) for module in MODULES} <= set(ORDER)


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_arrows_point_up_only(module):
    here = room_of(module)
    for used in rooms_used(module):
        assert ORDER.index(used) <= ORDER.index(here), f"{module} imports from {used}, which comes later"
        assert (here, used) not in FORBIDDEN


@pytest.mark.parametrize("module", [m for m in MODULES if room_of(m) in PURE and not is_rim(m)], ids=str)
def test_pure_rooms_touch_nothing(module):
    used = {name.split(".")[0] for name in imported(module)} & IMPURE_MODULES
    assert not used, f"{module} imports {used}"


def test_only_the_command_line_prints():
    for module in MODULES:
        if is_rim(module):
            continue
        calls = [
            node.func.id
            for node in parsed(module)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        ]
        assert "print" not in calls, f"{module} prints"


def test_the_test_itself_sees_imports():
    """The walk finds imports inside functions and under TYPE_CHECKING."""
    assert "architecture" in rooms_used(Path("api/staged.py"))
    assert "torch" in {name.split(".")[0] for name in imported(Path("hardware/detect.py"))}


def test_only_the_terminal_interface_imports_textual():
    users = {room_of(m) for m in MODULES if "textual" in {name.split(".")[0] for name in imported(m)}}
    assert users <= {"tui"}


def test_only_pictures_import_matplotlib():
    users = {room_of(m) for m in MODULES if "matplotlib" in {name.split(".")[0] for name in imported(m)}}
    assert users == {"plots"}
