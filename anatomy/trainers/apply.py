"""A trainer's table applied to what a file says: every key gets its fate, the rest of the recipe its defaults."""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from anatomy.errors import RecipeError
from anatomy.planning.reading import Key, Reading
from anatomy.planning.settings import settings_in_use
from anatomy.trainers.shared import STORED_WORDS
from anatomy.trainers.table import Caveat, Rule, Settings, Trainer, Values, on
from anatomy.training.recipe import Recipe


class Application:
    """One file under one trainer's table."""

    def __init__(self, trainer: Trainer, data: Mapping[str, Any]) -> None:
        self.trainer = trainer
        self.data = data
        said = {trainer.aliases.get(key, key): value for key, value in data.items() if value is not None}
        self.said: Values = said
        self.values: Values = {**trainer.defaults, **said}
        self.made = [(rule, rule.settings(self.values)) for rule in trainer.rules]
        self.in_use = _in_use([dict(trainer.settled), *(settings for _, settings in self.made)])
        self.made = [(rule, _only(settings, self.in_use)) for rule, settings in self.made]
        self.missing = [caveat for caveat in trainer.caveats if self._asked_for(caveat)]

    def reading(self, file: str) -> Reading:
        """What was read. Raises RecipeError for values that no recipe can have."""
        trainer = self.trainer
        assumed = trainer.assumed(self.values)
        found = Reading(
            file=file,
            kind=trainer.kind,
            trainer=trainer.version,
            model=_named(self.said, trainer.model),
            revision=_named(self.said, trainer.revision),
            overrides=self._overrides(),
            keys=(*(key for name in self.data for key in self._fates(name)), *self._defaults()),
            assumed=assumed,
            as_stored=STORED_WORDS in assumed,
            given=_merged([settings for rule, settings in self.made if self._in_file(rule)]),
            defaults=_merged(
                [
                    dict(trainer.settled),
                    *(settings for rule, settings in self.made if not self._in_file(rule)),
                ]
            ),
        )
        _ = found.recipe  # its checks
        return found

    def _in_file(self, row: Rule | Caveat) -> bool:
        return any(key in self.said for key in row.keys)

    def _asked_for(self, caveat: Caveat) -> bool:
        if caveat.when is not None:
            return caveat.when(self.values)
        return any(on(self.said.get(key)) for key in caveat.keys)

    def _overrides(self) -> dict[str, Any]:
        blocks = [self.said.get(key) for key in self.trainer.overrides]
        return {k: v for block in blocks if isinstance(block, Mapping) for k, v in block.items()}

    def _fates(self, name: str) -> Iterator[Key]:
        """What became of one key of the file; one that makes settings can ask for more than that."""
        key, value = self.trainer.aliases.get(name, name), self.data[name]
        settings = _merged([made for rule, made in self.made if key in rule.keys])
        lacking = [caveat.effect for caveat in self.missing if key in caveat.keys and on(value)]
        reason = self.trainer.reason(key)
        if value is None:
            yield Key(name=name, value=None, fate="ignored", why="it is empty")
        elif key not in self.trainer.known:
            yield Key(
                name=name, value=_plain(value), fate="not understood", why=_meant(name, self.trainer.known)
            )
        elif settings or key in self._of_the_model():
            yield Key(name=name, value=_plain(value), fate="used", settings=settings)
        elif not lacking:
            yield Key(
                name=name, value=_plain(value), fate="ignored", why=reason or "it changes nothing in this run"
            )
        for effect in lacking:
            yield Key(name=name, value=_plain(value), fate="not modelled", why=effect)

    def _of_the_model(self) -> tuple[str | None, ...]:
        return self.trainer.model, self.trainer.revision, *self.trainer.overrides

    def _defaults(self) -> Iterator[Key]:
        """What the trainer does without being told."""
        for rule, settings in self.made:
            if settings and not self._in_file(rule):
                name = rule.keys[0]
                yield Key(name=name, value=_plain(self.values.get(name)), fate="default", settings=settings)
        for caveat in self.missing:
            if not any(on(self.said.get(key)) for key in caveat.keys):
                yield Key(name=caveat.keys[0], value=None, fate="not modelled", why=caveat.effect)


def _merged(parts: list[Settings]) -> Settings:
    """Settings of several rules as one; PEFT's fields are put together."""
    found: Settings = {}
    for part in parts:
        joined = {"peft": {**found.get("peft", {}), **part["peft"]}} if "peft" in part else {}
        found |= {**part, **joined}
    return found


def _in_use(parts: list[Settings]) -> set[str]:
    """Names of the settings that mean something in the run that the parts describe. Raises RecipeError."""
    merged = _merged(parts)
    probe = Recipe.from_dict({name: value for name, value in merged.items() if name != "peft"})
    return {*settings_in_use(probe), *(("peft",) if probe.uses_adapters else ())}


def _only(settings: Settings, names: set[str]) -> Settings:
    return {name: value for name, value in settings.items() if name in names}


def _named(values: Values, key: str | None) -> str | None:
    value = None if key is None else values.get(key)
    if value is not None and not isinstance(value, str):
        raise RecipeError(f"{key} is {value!r}, which is no name.", hint="write it as a string")
    return value


def _meant(name: str, known: frozenset[str]) -> str:
    """The end of a sentence on a key that nothing is known of."""
    close = get_close_matches(name, sorted(known), 1, cutoff=0.75)
    return f"; did you mean {close[0]}?" if close else ""


def _plain(value: Any) -> Any:
    """A value as JSON can say it: YAML knows dates, sets and numbers that are none."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [_plain(item) for item in value]
    finite = isinstance(value, float) and value - value == 0
    return value if finite or value is None or isinstance(value, bool | int | str) else str(value)
