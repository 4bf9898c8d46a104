"""Names in a model whose layers adapters have wrapped, and what they were before."""

from collections.abc import Callable
from typing import Any

from anatomy.rehearsal.attribution import OUTSIDE
from anatomy.training.bottleneck import Bottleneck


class AdaptedNames:
    """Maps paths of the model as it runs (inside PEFT's wrappers) to the bare model's components."""

    def __init__(self, model: Any, component_of: Callable[[str], str]) -> None:
        self._component_of = component_of
        self._prefix = _path_of_bare(model)
        self._holders = {path: held for path, module in model.named_modules() if (held := _held(module))}
        self.targets = _targets(model)

    def __call__(self, path: str) -> str:
        if path == OUTSIDE:
            return ""
        if self._prefix != path and not path.startswith(f"{self._prefix}." if self._prefix else ""):
            around = not path or self._prefix.startswith(f"{path}.")
            return "" if around else "adapter"  # PEFT's own: around the model, or beside it
        at, bare = self._prefix, []
        for name in filter(None, path.removeprefix(self._prefix).split(".")):
            held = self._holders.get(at)
            if held is not None and name != held:
                return "adapter"
            if held is None:
                bare.append(name)
            at = f"{at}.{name}" if at else name
        return self._component_of(".".join(bare))


_HELD = ("base_layer", "original_module", "model")
"""What PEFT's wrappers call the module that they wrap: adapters, trained copies, adaption prompts."""


def _held(module: Any) -> str | None:
    if not (isinstance(module, Bottleneck) or type(module).__module__.startswith("peft.")):
        return None
    return next((name for name in _HELD if name in module._modules), None)


def _path_of_bare(model: Any) -> str:
    """The path of the model inside PEFT's wrappers; empty without wrappers."""
    if not hasattr(model, "get_base_model"):
        return ""
    bare = model.get_base_model()
    return str(next(path for path, module in model.named_modules() if module is bare))


def _targets(model: Any) -> tuple[str, ...]:
    """Last names of what PEFT adapted: modules, and parameters that are no module's weight (fused experts)."""
    tuner = getattr(model, "base_model", None)
    modules = getattr(tuner, "targeted_module_names", ())
    parameters = getattr(tuner, "targeted_parameter_names", ())
    names = {path.rpartition(".")[2] for path in modules}
    names |= {".".join(path.split(".")[-2:]).replace("base_layer.", "") for path in parameters}
    return tuple(sorted(names))
