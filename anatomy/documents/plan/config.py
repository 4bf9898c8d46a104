"""What `anatomy plan` says of a trainer's file: which keys made the recipe, which did not, and why."""

from collections.abc import Collection, Iterator

from anatomy.documents.document import Facts, as_json
from anatomy.planning.reading import Fate, Key, Reading
from anatomy.training.recipe import Recipe

SHOWN = 12
"""Keys without effect that are named; JSON and csv have all of them, with reasons."""


def config_facts(config: Reading, recipe: Recipe, adapted: Collection[str]) -> Facts:
    """The keys of the file by what became of them; `recipe` is the one that was run, `adapted` what the model changed."""
    items = tuple(_items(config, config.overridden(recipe, adapted)))
    return Facts(title=f"Read from {config.file} as {config.trainer}", items=items)


def _items(config: Reading, changed: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    yield from _said("used", config, "used")
    yield from _said(f"{config.name}'s defaults", config, "default")
    if changed:
        yield "changed by flags", ", ".join(changed)
    if ignored := [key.name for key in config.of("ignored") if key.value is not None]:
        more = len(ignored) - SHOWN
        yield "no effect", ", ".join(ignored[:SHOWN]) + (f" and {more} more" if more > 0 else "")
    if unknown := config.of("not understood"):
        yield "not understood", ", ".join(key.name for key in unknown)


def _said(title: str, config: Reading, fate: Fate) -> Iterator[tuple[str, str]]:
    if found := [_words(key) for key in config.of(fate)]:
        yield title, ", ".join(found)


def _words(key: Key) -> str:
    """'lora_r 32 (r)': a key, its value and the settings that it made."""
    value = "" if key.value is None else f" {key.value if isinstance(key.value, str) else as_json(key.value)}"
    made = ", ".join(
        name
        if key.value == setting
        else f"{name} {setting if isinstance(setting, str) else as_json(setting)}"
        for name, setting in key.settings.items()
        if name != key.name or setting != key.value
    )
    return f"{key.name}{value}" + (f" ({made})" if made else "")
