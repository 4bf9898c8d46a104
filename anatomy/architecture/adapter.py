"""An adapter as PEFT saves it: what it adds to which modules, and whether its base has them."""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from anatomy.architecture.components import classify_all
from anatomy.architecture.facts import Facts
from anatomy.architecture.fused import Parts
from anatomy.architecture.site import Shape, surround
from anatomy.architecture.tree import ModuleNode
from anatomy.blueprint import TensorHeader

_WRAPPERS = ("base_model.model.", "base_model.")
"""What PEFT puts before the path of the model that it wraps; it saves the longer one."""

_ADDED = re.compile(
    r"(lora|vera|ia3|hada|lokr|oft|boft|hra|fourierft|randlora|bone|miss|c3a|road|delora|shira|vblora|gralora|waveft"
    r"|trainable_tokens|adaption|prompt|prefix|base_layer)(_\w+)?",
    re.IGNORECASE,
)
"""How a segment begins that PEFT adds under the module it adapts: 'lora_A', 'ia3_l', 'vera_lambda_b'."""

_RANKS = ("r", "init_r", "num_virtual_tokens", "oft_block_size", "n_frequency", "block_size")
"""What adapter_config.json calls the size of an adapter, by its type."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Adapted:
    """Modules of one name that are adapted alike."""

    module: str
    """The last segment of their paths, e.g. 'q_proj'; '' where the model as a whole is adapted, as by virtual tokens."""
    count: int
    """How many there are."""
    shapes: tuple[tuple[str, Shape], ...]
    """(what is added to each, its shape), e.g. ('lora_A', (16, 4096))."""

    @property
    def parameters(self) -> int:
        """Elements added to all of them."""
        return self.count * sum(math.prod(shape) for _, shape in self.shapes)


@dataclass(frozen=True, kw_only=True, slots=True)
class AdapterFacts:
    """An adapter, by its settings and its tensors."""

    peft_type: str
    """PEFT's name of its type, e.g. 'LORA'."""
    settings: Mapping[str, Any]
    """What of adapter_config.json decides its size and strength; only what is set."""
    modules: tuple[Adapted, ...]
    """What is adapted; empty where the weights' header is not known."""
    copied: int
    """Elements of modules that are saved whole, trained copies of the base's (`modules_to_save`)."""
    base: str | None
    """The model that it adapts, as the settings name it."""
    base_parameters: int | None = None
    """Of the base; None where it could not be read."""
    placed: tuple[int, int] | None = None
    """(adapted modules that the base has with matrices of these widths, adapted modules); None without a base, and where no
    module is adapted."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "peft_type": self.peft_type,
            "settings": dict(self.settings),
            "modules": [
                {
                    "module": adapted.module,
                    "count": adapted.count,
                    "shapes": {name: list(shape) for name, shape in adapted.shapes},
                    "parameters": adapted.parameters,
                }
                for adapted in self.modules
            ],
            "copied": self.copied,
            "base": self.base,
            "base_parameters": self.base_parameters,
            "placed": None if self.placed is None else {"fitting": self.placed[0], "of": self.placed[1]},
        }


_SETTINGS = (
    *(
        *_RANKS,
        "lora_alpha",
        "alpha",
        "lora_dropout",
        "target_modules",
        "target_parameters",
        "modules_to_save",
    ),
    *("use_dora", "use_rslora", "bias", "task_type", "layers_to_transform", "rank_pattern", "alpha_pattern"),
)


def describe_adapter(
    config: Mapping[str, Any], shapes: Mapping[str, Shape], base: ModuleNode | None
) -> AdapterFacts:
    """The adapter of `config` (adapter_config.json) whose tensors have these names, as saved, and shapes.

    `base` is the tree of the model that it adapts, where that is known.
    """
    added = _by_module(shapes)
    modules = {path: parameters for path, parameters in added.items() if path}
    groups: dict[tuple[str, tuple[tuple[str, Shape], ...]], int] = {}
    for path, parameters in added.items():
        key = path.rpartition(".")[2], tuple(sorted(parameters.items()))
        groups[key] = groups.get(key, 0) + 1
    name = config.get("base_model_name_or_path")
    return AdapterFacts(
        peft_type=str(config.get("peft_type") or "of a type that is not named"),
        settings={key: config[key] for key in _SETTINGS if config.get(key) not in (None, [], {}, False)},
        modules=tuple(
            Adapted(module=module, count=count, shapes=parts) for (module, parts), count in groups.items()
        ),
        copied=sum(math.prod(shape) for path, shape in shapes.items() if _split(path) is None),
        base=name if isinstance(name, str) else None,
        base_parameters=None if base is None else base.parameters,
        placed=None if base is None or not modules else (_fitting(modules, base), len(modules)),
    )


def parts_of_adapter(tensors: Mapping[str, Shape]) -> tuple[dict[str, Parts], tuple[str, ...]]:
    """Parts of every tensor, and those that no rule knew: what PEFT adds is the adapter, a copy is what it copies."""
    parts: dict[str, Parts] = {
        path: (("adapter", math.prod(shape)),) for path, shape in tensors.items() if _split(path)
    }
    copies = {path: shape for path, shape in tensors.items() if path not in parts}
    known, unknown = classify_all(surround(copies, Facts()))
    return parts | known, unknown


def shapes_of(tensors: tuple[TensorHeader, ...]) -> dict[str, Shape]:
    """Path in the base -> shape, in the tensors' order: their names without what PEFT puts before them."""
    names = [tensor.name for tensor in tensors]
    wrapper = next((w for w in _WRAPPERS if names and all(name.startswith(w) for name in names)), "")
    return {tensor.name.removeprefix(wrapper): tensor.shape for tensor in tensors}


def _split(path: str) -> tuple[str, str] | None:
    """'layers.0.q_proj.lora_A.weight' -> ('layers.0.q_proj', 'lora_A'); None for a copy of the base's own weight."""
    segments = path.split(".")
    at = next((i for i, segment in enumerate(segments) if _ADDED.fullmatch(segment)), None)
    if at is None or segments[at] == "base_layer":
        return None
    rest = segments[at:]
    return ".".join(segments[:at]), ".".join(
        rest[:-1] if rest[-1] in ("weight", "default") and rest[1:] else rest
    )


def _by_module(shapes: Mapping[str, Shape]) -> dict[str, dict[str, Shape]]:
    """Adapted module -> what is added to it."""
    found: dict[str, dict[str, Shape]] = {}
    for path, shape in shapes.items():
        if split := _split(path):
            found.setdefault(split[0], {})[split[1]] = shape
    return found


def _fitting(added: Mapping[str, Mapping[str, Shape]], base: ModuleNode) -> int:
    """How many adapted modules the base has, with a matrix as wide on both sides as the adapter is."""
    matrices = {node.path: own.shape for node in base.walk() for own in node.own if own.name == "weight"}
    return sum(
        any(_is_as_wide(parameters, matrices[path]) for path in _spellings(module) if path in matrices)
        for module, parameters in added.items()
    )


def _spellings(module: str) -> Iterator[str]:
    """The module's path, and as the path of a model that is not, or is, inside another."""
    yield from (module, f"model.{module}", module.removeprefix("model."))


def _is_as_wide(parameters: Mapping[str, Shape], matrix: Shape) -> bool:
    """Whether a low-rank pair spans the matrix, written out by in or in by out; what is no pair says nothing."""
    down, up = parameters.get("lora_A"), parameters.get("lora_B")
    if down is None or up is None or len(down) != 2 or len(up) != 2:
        return True
    return {down[1], up[0]} == set(matrix)
