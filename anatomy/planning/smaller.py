"""The smallest change with which a run fits. Every candidate is really rehearsed; none is estimated."""

from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from anatomy.errors import AnatomyError, RecipeError
from anatomy.training.recipe import Recipe
from anatomy.units import format_bytes

Needs = Callable[[Recipe, Mapping[str, Any]], int | None]
"""Rehearses a recipe for a model with facts of its config set by hand, on the device that it has to fit: the bytes that
it needs there, or None where it does not fit. Raises AnatomyError for what cannot be run."""

Change = Mapping[str, Any]
"""Settings of a recipe by name, and their new values."""

SHORTEST = 128
"""Sequences are not cut to fewer tokens."""
_EIGHT_BITS = ("adamw_bnb_8bit", "paged_adamw_8bit")
_OPTIMIZERS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(
        ("adamw_torch", "adamw_torch_fused", "adamw_apex_fused", "paged_adamw_32bit"), _EIGHT_BITS
    ),
    "adamw_bnb_8bit": _EIGHT_BITS[1:],
    **dict.fromkeys(("lion_32bit", "paged_lion_32bit"), ("lion_8bit", "paged_lion_8bit")),
    "lion_8bit": ("paged_lion_8bit",),
}
"""Optimizer -> the same with smaller states, then with states that may leave the device."""
_METHODS: dict[str, tuple[str, ...]] = {"full": ("lora", "qlora"), "lora": ("qlora",)}


@dataclass(frozen=True, kw_only=True, slots=True)
class Layers:
    """How deep a model is."""

    setting: str
    """The fact of its config that says so, e.g. 'num_hidden_layers' or 'text_config.num_hidden_layers'."""
    count: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Smaller:
    """A change with which a run fits."""

    change: Change
    """Settings of the recipe."""
    overrides: Mapping[str, Any] = field(default_factory=dict)
    """Facts of the config to set by hand, beside those that were set already."""
    needed_bytes: int
    """What the changed run needs on the device."""

    @property
    def flags(self) -> str:
        """The change as one types it: '--batch-size 2 --grad-accum 4'."""
        settings = (_FLAGS.get(name) or f"--{name.replace('_', '-')} {v}" for name, v in self.change.items())
        return " ".join((*settings, *(f"--set {key}={value}" for key, value in self.overrides.items())))


_FLAGS = {"gradient_checkpointing": "--gradient-checkpointing"}


def smaller(recipe: Recipe, needs: Needs, *, layers: Layers | None = None) -> Smaller | None:
    """The smallest change with which a run that does not fit will; None where none that is known would do.

    Kinds of changes are added one after the other, each as far as it goes, those first that leave the training as
    it is: checkpointing, more and smaller micro-batches, smaller optimizer states, shorter sequences, adapters, a
    4-bit base. Once the run fits, each is taken back as far as it may be, the last first. Only when all together
    do not suffice, layers are left out: as few as possible of the recipe as it is, else of the smallest one.
    """
    search = _Search(recipe, needs)
    chosen: dict[str, int] = {}
    for kind, options in search.ladder.items():
        runnable = (n for n in range(len(options), 0, -1) if search.runs({**chosen, kind: n}))
        chosen[kind] = next(runnable, 0)
        if search.needed(chosen) is not None:
            return search.answer(_relaxed(search, chosen), {})
    return None if layers is None else _shallower(search, chosen, layers)


def does_not_fit(needed_bytes: int, free_bytes: int, device: str, found: Smaller | None) -> RecipeError:
    """The refusal of a run, in a sentence with both numbers; the hint names the flags of the change that was found."""
    hint = "choose a smaller model, or a device with more memory"
    if found is not None:
        hint = f"it fits with {found.flags} ({format_bytes(found.needed_bytes)})"
    return RecipeError(
        f"This run needs {format_bytes(needed_bytes)}, and {device} has {format_bytes(free_bytes)} free.",
        hint=hint,
    )


def _relaxed(search: "_Search", chosen: dict[str, int]) -> dict[str, int]:
    """Every kind of change taken back as far as the run still fits."""
    for kind in reversed(chosen):
        chosen = _taken_back(search, chosen, kind)
    return chosen


def _taken_back(search: "_Search", chosen: dict[str, int], kind: str) -> dict[str, int]:
    return {**chosen, kind: _least(chosen[kind], lambda far: search.needed({**chosen, kind: far}))}


def _shallower(search: "_Search", smallest: dict[str, int], layers: Layers) -> Smaller | None:
    """The most layers with which the recipe fits; else, with which the smallest one does."""
    return _fewest_left_out(search, {}, layers) or _fewest_left_out(search, smallest, layers)


def _fewest_left_out(search: "_Search", chosen: dict[str, int], layers: Layers) -> Smaller | None:
    def fewer(left_out: int) -> dict[str, int]:
        return {layers.setting: layers.count - left_out}

    most = layers.count - 1
    if search.needed(chosen, fewer(most)) is None:
        return None
    return search.answer(chosen, fewer(_least(most, lambda n: search.needed(chosen, fewer(n)))))


def _least(enough: int, needed: Callable[[int], int | None]) -> int:
    """The least with which a run fits: what fits goes on fitting, and `enough` is known to."""
    return bisect_left(range(enough), True, key=lambda far: needed(far) is not None)


class _Search:
    """What was tried: a state is how far each kind of change goes, 0 for not at all."""

    def __init__(self, recipe: Recipe, needs: Needs) -> None:
        self.recipe = recipe
        self.ladder = _ladder(recipe)
        self._needs = needs
        self._tried: dict[tuple[tuple[tuple[str, Any], ...], ...], tuple[bool, int | None]] = {}

    def runs(self, chosen: Mapping[str, int]) -> bool:
        """Whether the model can run it at all."""
        return self._try(chosen, {})[0]

    def needed(self, chosen: Mapping[str, int], overrides: Mapping[str, Any] | None = None) -> int | None:
        """The bytes that it needs, None where it does not fit or cannot be run."""
        return self._try(chosen, overrides or {})[1]

    def answer(self, chosen: Mapping[str, int], overrides: Mapping[str, Any]) -> Smaller:
        """A state that fits, as a change."""
        needed = self.needed(chosen, overrides)
        assert needed is not None
        return Smaller(change=self._change(chosen), overrides=overrides, needed_bytes=needed)

    def _change(self, chosen: Mapping[str, int]) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        for kind, far in chosen.items():
            merged |= self.ladder[kind][far - 1] if far else {}
        return merged

    def _try(self, chosen: Mapping[str, int], overrides: Mapping[str, Any]) -> tuple[bool, int | None]:
        change = self._change(chosen)
        key = (tuple(change.items()), tuple(overrides.items()))
        if key not in self._tried:
            try:
                self._tried[key] = True, self._needs(replace(self.recipe, **change), overrides)
            except AnatomyError:
                self._tried[key] = False, None
        return self._tried[key]


def _ladder(recipe: Recipe) -> dict[str, tuple[Change, ...]]:
    """Kind of change -> its steps, the smallest first. The order is that in which they are tried."""
    off = recipe.gradient_checkpointing == "off"
    kinds: dict[str, list[Change]] = {
        "checkpointing": [{"gradient_checkpointing": "non-reentrant"}] if off else [],
        "batch": _batches(recipe),
        "optimizer": [{"optimizer": name} for name in _OPTIMIZERS.get(recipe.optimizer, ())],
        "sequence": _sequences(recipe),
        "method": [{"method": name} for name in _METHODS.get(recipe.method, ())],
    }
    return {kind: tuple(options) for kind, options in kinds.items() if options}


def _batches(recipe: Recipe) -> list[Change]:
    """The same step of smaller micro-batches."""
    whole = recipe.batch_size
    return [
        {"batch_size": part, "grad_accum": recipe.grad_accum * whole // part}
        for part in range(whole - 1, 0, -1)
        if whole % part == 0
    ]


def _sequences(recipe: Recipe) -> list[Change]:
    halves = []
    length = recipe.seq_len // 2
    while length >= SHORTEST:
        halves.append({"seq_len": length})
        length //= 2
    return list(halves)
