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
        self.wrong: list[RecipeError] = []
        self.missing = [caveat for caveat in trainer.caveats if self._asked_for(caveat)]
        made = [(rule, self._made(rule)) for rule in trainer.rules]
        in_use = self._in_use(made)
        self.made = [(rule, _only(settings, in_use)) for rule, settings in made]

    def reading(self, file: str) -> Reading:
        """What was read. Raises RecipeError for values that no recipe can have, with all of them."""
        trainer = self.trainer
        model, revision = self._name(trainer.model), self._name(trainer.revision)
        if self.wrong:
            raise RecipeError.together(self.wrong)
        assumed = trainer.assumed(self.values)
        found = Reading(
            file=file,
            kind=trainer.kind,
            trainer=trainer.version,
            name=trainer.name,
            model=model,
            revision=revision,
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
            left_open={
                caveat.leaves_open: self._says(caveat) for caveat in self.missing if caveat.leaves_open
            },
        )
        _ = found.recipe  # its checks
        return found

    def _made(self, rule: Rule) -> Settings:
        """What a rule makes, without what nothing can stand for; nothing where it cannot read a value."""
        try:
            settings = rule.settings(self.values)
        except RecipeError as error:
            self.wrong.append(error)
            return {}
        return _only(settings, {*settings} - {caveat.leaves_open for caveat in self.missing})

    def _in_use(self, made: list[tuple[Rule, Settings]]) -> set[str]:
        """Names of the settings that mean something in the run that the rules describe."""
        merged = _merged([dict(self.trainer.settled), *(settings for _, settings in made)])
        try:
            probe = Recipe.from_dict({name: value for name, value in merged.items() if name != "peft"})
        except RecipeError as error:
            self.wrong += [self._in_its_words(part, made) for part in error.parts]
            return {*merged}
        return {*settings_in_use(probe), *(("peft",) if probe.uses_adapters else ())}

    def _in_its_words(self, error: RecipeError, made: list[tuple[Rule, Settings]]) -> RecipeError:
        """An impossible value of the recipe with the name of the key that the file has it under."""
        rules = (rule for rule, settings in made if error.setting in settings)
        key = next((key for rule in rules for key in rule.keys if key in self.said), None)
        return error if key is None else RecipeError(f"{key}: {error.message}", hint=error.hint)

    def _name(self, key: str | None) -> str | None:
        value = None if key is None else self.said.get(key)
        if value is not None and not isinstance(value, str):
            self.wrong.append(
                RecipeError(f"{key} is {value!r}, which is no name.", hint="write it as a string")
            )
            return None
        return value

    def _says(self, caveat: Caveat) -> str:
        """'optimizer came_pytorch: transformers has ... .'"""
        asking = [f"{key} {_plain(self.said[key])}" for key in self._causes(caveat)]
        return f"{', '.join(asking) or caveat.keys[0]}: {caveat.effect}."

    def _causes(self, caveat: Caveat) -> list[str]:
        """The keys of the file that ask for what a caveat is about: those that are on, or off where the default is on."""
        written = [key for key in caveat.keys if key in self.said]
        switched_on = [key for key in written if on(self.said[key])]
        if switched_on or caveat.when is None:
            return switched_on
        rest = {key: value for key, value in self.values.items() if key not in written}
        defaults = {key: value for key, value in self.trainer.defaults.items() if key in written}
        return [] if caveat.when({**rest, **defaults}) else written

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
        lacking = [caveat.effect for caveat in self.missing if key in self._causes(caveat)]
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
                value = _plain(self.values.get(name))
                yield Key(name=name, value=value, fate="default", settings=settings, left_out=True)
        for caveat in self.missing:
            if not self._causes(caveat):
                name = caveat.keys[0]
                value = None if name in self.said else _plain(self.values.get(name))
                yield Key(name=name, value=value, fate="not modelled", why=caveat.effect, left_out=True)


def _merged(parts: list[Settings]) -> Settings:
    """Settings of several rules as one; PEFT's fields are put together."""
    found: Settings = {}
    for part in parts:
        joined = {"peft": {**found.get("peft", {}), **part["peft"]}} if "peft" in part else {}
        found |= {**part, **joined}
    return found


def _only(settings: Settings, names: set[str]) -> Settings:
    return {name: value for name, value in settings.items() if name in names}


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
