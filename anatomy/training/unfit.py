"""Linear layers that 'all-linear' names and no adapter can be put on: left out by default, as a user would after the failure."""

from dataclasses import fields
from typing import Any

from anatomy.training.peft_types import ALL_LINEAR
from anatomy.training.recipe import Recipe

EXCLUDES = "exclude_modules"
"""PEFT's setting for layers that are not adapted."""


def unfit_layers(model: Any, recipe: Recipe) -> dict[str, str]:
    """Last name of a layer that the recipe's adapters do not fit -> why; empty where all fit or some were named."""
    if not recipe.uses_adapters or recipe.target_modules != ALL_LINEAR or EXCLUDES in recipe.peft_options:
        return {}
    from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING
    from torch.nn import Linear

    kind = PEFT_TYPE_TO_CONFIG_MAPPING.get(recipe.adapter_type)
    if kind is None or EXCLUDES not in {field.name for field in fields(kind)}:
        return {}
    found: dict[str, str] = {}
    for path, module in model.named_modules():
        name = path.rpartition(".")[2]
        if not isinstance(module, Linear) or name in found:
            continue
        if _looks_like_a_head(model, name):
            found[name] = f"PEFT trains {name} as a head, for its name's end"
        elif why := _why_unfit(model, recipe.adapter_type, name, module):
            found[name] = why
    return found


def _looks_like_a_head(model: Any, name: str) -> bool:
    """Whether PEFT takes a layer before the head of a classifier for one: it looks at the ends of names."""
    classifies = type(model).__name__.endswith(("ForSequenceClassification", "ForTokenClassification"))
    return classifies and name.endswith(("classifier", "score")) and name not in ("classifier", "score")


def _why_unfit(model: Any, kind: str | None, name: str, module: Any) -> str:
    """Why PEFT refuses the layer, or why it fails under an adapter; '' where it fits."""
    from types import SimpleNamespace

    from peft.tuners.tuners_utils import _check_lora_target_modules_mamba

    try:
        _check_lora_target_modules_mamba(SimpleNamespace(peft_type=kind), model, name)
    except ValueError:
        return f"PEFT puts no adapters on {name} of a {model.config.model_type} model"
    return f"{name} ({type(module).__name__}) returns more than one tensor" if _returns_more(module) else ""


def _returns_more(module: Any) -> bool:
    """Whether a linear layer has a forward of its own that returns a tuple, which an adapter cannot be added to."""
    import ast
    import inspect
    import textwrap

    from torch.nn import Linear

    forward = type(module).forward
    if forward is Linear.forward or not type(module).__module__.startswith("transformers."):
        return False
    tree = ast.parse(textwrap.dedent(inspect.getsource(forward)))
    returned = [node.value for node in ast.walk(tree) if isinstance(node, ast.Return)]
    return any(isinstance(value, ast.Tuple) for value in returned)
