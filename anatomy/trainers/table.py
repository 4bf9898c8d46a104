"""What a trainer's table is made of: rules, caveats, keys without effect, defaults; and the words for values."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from anatomy.errors import RecipeError

Values = Mapping[str, Any]
"""Key -> value: the file's over the trainer's defaults."""
Settings = dict[str, Any]
"""Settings of a recipe by name; those under `peft` are merged."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """Keys of a trainer, and the settings of a recipe that they make together."""

    keys: tuple[str, ...]
    """The first one stands for the rule where none is in the file."""
    settings: Callable[[Values], Settings]
    """Raises RecipeError for a value that it cannot read; KeyError never."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Caveat:
    """What a trainer does and the plan does not."""

    keys: tuple[str, ...]
    """Keys that ask for it; the first one stands for it where none is in the file."""
    effect: str
    """What it would change, in which direction."""
    when: Callable[[Values], bool] | None = None
    """Whether it is asked for; None: one of the keys in the file is switched on."""
    leaves_open: str | None = None
    """The setting of a recipe that it decides and that nothing here can stand for: someone has to choose another."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Trainer:
    """One trainer's schema, and what becomes of every key of it."""

    kind: str
    name: str
    """As it is written: 'LLaMA-Factory'."""
    version: str
    """The package and its version whose schema and defaults these are."""
    rules: tuple[Rule, ...]
    caveats: tuple[Caveat, ...]
    unimportant: Mapping[str, str]
    """Why keys do not matter for memory -> the keys, with blanks between them."""
    defaults: Mapping[str, Any]
    """The trainer's own defaults of the keys of its rules."""
    settled: Mapping[str, Any] = field(default_factory=dict)
    """Settings that the trainer always has."""
    model: str | None = None
    """The key that names the model."""
    revision: str | None = None
    overrides: tuple[str, ...] = ()
    """Keys whose value changes settings of the model's config."""
    aliases: Mapping[str, str] = field(default_factory=dict)
    """Other names of keys: of older versions, or of the schema's own making."""
    assumed: Callable[[Values], tuple[str, ...]] = lambda values: ()
    """What the file leaves open."""

    @property
    def known(self) -> frozenset[str]:
        """Every key that has a fate."""
        single = (self.model, self.revision, *self.overrides, *self.aliases)
        found = {key for key in single if key is not None}
        found.update(key for rule in self.rules for key in rule.keys)
        found.update(key for caveat in self.caveats for key in caveat.keys)
        found.update(key for keys in self.unimportant.values() for key in keys.split())
        return frozenset(found)

    def reason(self, key: str) -> str | None:
        """Why a key does not matter for memory; None where it may."""
        return next((why for why, keys in self.unimportant.items() if key in keys.split()), None)


def joined(*groups: Mapping[str, str]) -> dict[str, str]:
    """Keys without effect of several tables as one: reasons that they share stand once."""
    found: dict[str, str] = {}
    for group in groups:
        for why, keys in group.items():
            found[why] = f"{found[why]} {keys}" if why in found else keys
    return found


def same(key: str, setting: str, read: Callable[[str, Any], Any]) -> Rule:
    """The rule that a key is a setting under another name. A value that is None says nothing."""

    def settings(values: Values) -> Settings:
        value = values.get(key)
        return {} if value is None else {setting: read(key, value)}

    return Rule(keys=(key,), settings=settings)


def of_peft(key: str, field_name: str) -> Rule:
    """The rule that a key is a field of PEFT's config."""

    def settings(values: Values) -> Settings:
        value = values.get(key)
        if isinstance(value, str) and "," in value:
            value = names(key, value)
        if field_name in _LISTS and isinstance(value, str):
            value = [value]
        return {} if value in (None, False, [], {}, "") else {"peft": {field_name: value}}

    return Rule(keys=(key,), settings=settings)


_LISTS = ("modules_to_save", "target_parameters")


def integer(key: str, value: Any) -> int:
    """A whole number, also where it stands as text. Raises RecipeError."""
    try:
        if isinstance(value, bool) or int(value) != float(value):
            raise ValueError
        return int(value)
    except (TypeError, ValueError, OverflowError):
        raise _impossible(key, value, "an integer") from None


def number(key: str, value: Any) -> float:
    """A number; text like 1e-3 is one (YAML reads it as text). Raises RecipeError."""
    try:
        if isinstance(value, bool):
            raise ValueError
        return float(value)
    except (TypeError, ValueError):
        raise _impossible(key, value, "a number") from None


def text(key: str, value: Any) -> str:
    """A string. Raises RecipeError."""
    if not isinstance(value, str):
        raise _impossible(key, value, "a string")
    return value


def names(key: str, value: Any) -> list[str]:
    """A list of names, also where they stand in one string with commas. Raises RecipeError."""
    listed = value.split(",") if isinstance(value, str) else value
    if not isinstance(listed, list | tuple) or not all(isinstance(item, str) for item in listed):
        raise _impossible(key, value, "a list of names")
    return [item.strip() for item in listed if item.strip()]


def targets(key: str, value: Any) -> str | tuple[str, ...]:
    """Target modules as PEFT takes them: a list of names, 'all-linear', or a regular expression."""
    if isinstance(value, str) and not value.replace("_", "").isalnum():
        return tuple(names(key, value)) if "," in value else value
    found = tuple(names(key, value))
    return "all-linear" if "all-linear" in found else found


def on(value: Any) -> bool:
    """Whether a value switches something on."""
    if isinstance(value, str):
        return value.strip().lower() not in ("", "false", "no", "off", "none", "null", "0", "disabled")
    return bool(value)


def _impossible(key: str, value: Any, wanted: str) -> RecipeError:
    return RecipeError(f"{key} is {value!r}, but must be {wanted}.", hint="see the trainer's documentation")
