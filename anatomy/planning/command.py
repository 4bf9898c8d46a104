"""A run as a command line: what is typed to get the same answer again."""

import json
import shlex
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from anatomy.errors import RecipeError
from anatomy.planning.settings import settings_in_use
from anatomy.training.recipe import Recipe


def plan_arguments(
    reference: str,
    recipe: Recipe,
    chosen: Collection[str],
    *,
    gpu: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    revision: str | None = None,
    trust_remote_code: bool = False,
) -> tuple[str, ...]:
    """`anatomy plan` and its arguments. `chosen`: settings of `recipe` that someone chose; the others are left out.

    Raises RecipeError for a setting that no flag can say; a recipe's file can.
    """
    given = [reference]
    given += ["--revision", revision] if revision else []
    for path, value in (overrides or {}).items():
        given += ["--set", f"{path}={_typed(value)}"]
    given += ["--trust-remote-code"] if trust_remote_code else []
    for name, value in settings_in_use(recipe).items():
        if name in chosen and value is not None:
            given += _flags(name, value)
    given += ["--gpu", gpu] if gpu else []
    return ("anatomy", "plan", *given)


def as_typed(arguments: Collection[str]) -> str:
    """The arguments as one line for a shell."""
    return shlex.join(arguments)


def _flags(name: str, value: Any) -> Iterator[str]:
    """One setting's flags; `value` as in `Recipe.to_dict`."""
    flag = "--" + name.replace("_", "-")
    match name, value:
        case "gradient_checkpointing", "off":
            yield "--no-gradient-checkpointing"
        case "gradient_checkpointing", kind:
            yield from ("--gradient-checkpointing", f"--{kind}")
        case "target_modules", str() if value not in _KEYWORDS:
            yield from ("--target-regex", value)
        case "optim_target_modules", str() if value not in _KEYWORDS:
            raise RecipeError(
                f"No flag can say {name} {value!r}, a regular expression.",
                hint="write the recipe as a file: --recipe FILE",
            )
        case "peft", dict():
            for key, setting in value.items():
                yield from ("--peft", f"{key}={json.dumps(setting)}")
        case "image_size", [height, width]:
            yield from (flag, f"{height}x{width}")
        case _, bool():
            yield flag if value else flag.replace("--", "--no-", 1)
        case _, list():
            if any("," in part or part in _KEYWORDS for part in value) or not value:
                raise RecipeError(
                    f"No flag can say {name} {value!r}.", hint="write the recipe as a file: --recipe FILE"
                )
            yield from (flag, ",".join(value))
        case _:
            yield from (flag, str(value))


_KEYWORDS = ("all-linear", "peft-default")


def _typed(value: Any) -> str:
    """As `--set` reads it: JSON, or a bare word."""
    return value if isinstance(value, str) and _stays(value) else json.dumps(value)


def _stays(word: str) -> bool:
    """Whether JSON does not read a word as something else."""
    try:
        json.loads(word)
    except json.JSONDecodeError:
        return True
    return False
