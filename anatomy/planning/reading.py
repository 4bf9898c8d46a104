"""Reading: what a trainer's file says of a run, key by key."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from anatomy.errors import RecipeError
from anatomy.training.recipe import Recipe

Fate = Literal["used", "default", "ignored", "not modelled", "not understood"]
"""What became of a key: it made settings of the recipe; it is left out of the file, and the trainer's own default made
them; it does not matter for memory; it does, and is not part of the plan; nothing is known of it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Key:
    """One key of a trainer's file, or one that was left out."""

    name: str
    value: Any
    """As in the file; of a default, the trainer's."""
    fate: Fate
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the recipe that it made, alone or with others."""
    why: str = ""
    """Why it is ignored, what it would change, or what it may have been meant for."""
    left_out: bool = False
    """Whether the file does not have it: what it says is the trainer's own default."""

    def to_dict(self) -> dict[str, Any]:
        """As in `config` of `plan --json`."""
        made = {name: list(v) if isinstance(v, tuple) else v for name, v in self.settings.items()}
        said = {"settings": made} if self.fate in ("used", "default") else {"why": self.why}
        default = {"default": True} if self.left_out and self.fate == "not modelled" else {}
        return {"key": self.name, "value": self.value, **said, **default}


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """A trainer's file, read."""

    file: str
    """Its path, as it was given."""
    kind: str
    """Whose file it is: a name of `anatomy.trainers.kinds.KINDS`."""
    trainer: str
    """The package and the version whose schema and defaults are meant."""
    name: str = ""
    """The trainer's name as it is written, e.g. 'LLaMA-Factory'."""
    model: str | None = None
    """The model that the file names."""
    revision: str | None = None
    """The revision of it that the file names."""
    overrides: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the model's config that the file changes."""
    keys: tuple[Key, ...] = ()
    """Every key of the file, and the defaults that count, in the order of the file."""
    assumed: tuple[str, ...] = ()
    """What the file leaves open and the recipe had to settle."""
    as_stored: bool = False
    """Whether the trainer loads weights in the dtype that the checkpoint is stored in, whatever that is."""
    given: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the recipe that the file's keys make, by name."""
    defaults: Mapping[str, Any] = field(default_factory=dict)
    """Settings that the trainer's own defaults make where the file says nothing."""
    left_open: Mapping[str, str] = field(default_factory=dict)
    """Settings of the recipe that the file decides and that no recipe has, with what the file says of them."""

    @property
    def recipe(self) -> Recipe:
        """The recipe that the trainer would run."""
        return Recipe.from_dict({**self.defaults, **self.given})

    def of(self, fate: Fate) -> tuple[Key, ...]:
        """The keys with one fate."""
        return tuple(key for key in self.keys if key.fate == fate)

    @property
    def not_modelled(self) -> tuple[str, ...]:
        """Sentences on what the trainer would do and the plan does not."""
        return tuple(f"{self._named(key)}: {key.why}" for key in self.of("not modelled"))

    def _named(self, key: Key) -> str:
        """'packing True (axolotl)'; of what the file does not have 'loss_type (LLaMA-Factory's default)'."""
        value = "" if key.value is None else f" {key.value}"
        whose = f"{self.name}'s default" if key.left_out else self.name
        return f"{key.name}{value} ({whose})"

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences on keys that nothing is known of, and on what a number in sight lacks."""
        unknown = self.of("not understood")
        found = tuple(f"{self.file}: {key.name} is not understood{key.why}" for key in unknown)
        missing = [self._in_short(key) for key in self.of("not modelled")]
        if missing:
            found += (f"{self.file}: the numbers leave out {', '.join(dict.fromkeys(missing))}",)
        return found

    def _in_short(self, key: Key) -> str:
        return f"{key.name} ({self.name}'s default)" if key.left_out else key.name

    def check_chosen(self, chosen: Collection[str]) -> None:
        """Raises RecipeError where the file leaves open a setting that is not among the `chosen` ones."""
        if missing := [name for name in self.left_open if name not in chosen]:
            flags = " and ".join(f"--{name.replace('_', '-')} X" for name in missing)
            raise RecipeError(
                f"{self.file}: {' '.join(self.left_open[name] for name in missing)}",
                hint=f"{flags} plans another in its place"
                + (" (`anatomy optimizers` lists them)" if "optimizer" in missing else ""),
            )

    def overridden(self, recipe: Recipe, adapted: Collection[str] = ()) -> tuple[str, ...]:
        """Settings of the file, or of its trainer, that `recipe`, which was run, has with another value: the command
        line's. `adapted`: those that were changed because the model cannot run them."""
        said, ran = self.recipe.to_dict(), recipe.to_dict()
        made = {*self.given, *self.defaults} - {*adapted}
        return tuple(name for name in said if name in made and said[name] != ran[name])

    def to_dict(self, recipe: Recipe, adapted: Collection[str] = ()) -> dict[str, Any]:
        """`config` of `plan --json`; the arguments are those of `overridden`."""
        return {
            "file": self.file,
            "kind": self.kind,
            "trainer": self.trainer,
            "model": self.model,
            "revision": self.revision,
            **{name: [key.to_dict() for key in self.of(fate)] for name, fate in _NAMES.items()},
            "overridden": list(self.overridden(recipe, adapted)),
        }


_NAMES: dict[str, Fate] = {
    "used": "used",
    "defaults": "default",
    "ignored": "ignored",
    "not_modelled": "not modelled",
    "not_understood": "not understood",
}
