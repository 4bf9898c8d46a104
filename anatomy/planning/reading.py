"""Reading: what a trainer's file says of a run, key by key."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

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

    def to_dict(self) -> dict[str, Any]:
        """As in `config` of `plan --json`."""
        made = {name: list(v) if isinstance(v, tuple) else v for name, v in self.settings.items()}
        said = {"settings": made} if self.fate in ("used", "default") else {"why": self.why}
        return {"key": self.name, "value": self.value, **said}


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """A trainer's file, read."""

    file: str
    """Its path, as it was given."""
    kind: str
    """Whose file it is: a name of `anatomy.trainers.kinds.KINDS`."""
    trainer: str
    """The trainer's name and the version whose schema and defaults are meant."""
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
        return tuple(f"{_said(key)} ({self.kind}): {key.why}" for key in self.of("not modelled"))

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences on keys that nothing is known of, and on what a number in sight lacks."""
        unknown = self.of("not understood")
        found = tuple(f"{self.file}: {key.name} is not understood{key.why}" for key in unknown)
        missing = [key.name for key in self.of("not modelled")]
        if missing:
            found += (f"{self.file}: the numbers leave out {', '.join(dict.fromkeys(missing))}",)
        return found

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


def _said(key: Key) -> str:
    return key.name if key.value is None else f"{key.name} {key.value}"
