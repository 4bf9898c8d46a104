"""Names in a model that PEFT has wrapped, and what they were before."""

from collections.abc import Callable
from typing import Any

from anatomy.rehearsal.attribution import OUTSIDE


class AdaptedNames:
    """Maps paths of the model as it runs (inside PEFT's wrappers) to the bare model's components."""

    def __init__(self, model: Any, component_of: Callable[[str], str]) -> None:
        self._component_of = component_of
        self._prefix = "base_model.model." if hasattr(model, "get_base_model") else ""
        wrapped = {path for path, module in model.named_modules() if hasattr(module, "base_layer")}
        self._wrapped = wrapped
        self.targets = _targets(model)

    def __call__(self, path: str) -> str:
        if path == OUTSIDE:
            return ""
        wrapper = self._wrapper_of(path)
        if wrapper is not None and path != wrapper and not path.startswith(f"{wrapper}.base_layer"):
            return "adapter"
        bare = (wrapper or path).removeprefix(self._prefix)
        return self._component_of(bare.replace(".base_layer", ""))

    def _wrapper_of(self, path: str) -> str | None:
        while path:
            if path in self._wrapped:
                return path
            path = path.rpartition(".")[0]
        return None


def _targets(model: Any) -> tuple[str, ...]:
    """Last names of what PEFT adapted: modules, and parameters that are no module's weight (fused experts)."""
    tuner = getattr(model, "base_model", None)
    modules = getattr(tuner, "targeted_module_names", ())
    parameters = getattr(tuner, "targeted_parameter_names", ())
    names = {path.rpartition(".")[2] for path in modules}
    names |= {".".join(path.split(".")[-2:]).replace("base_layer.", "") for path in parameters}
    return tuple(sorted(names))
