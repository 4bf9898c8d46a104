"""Names in a model whose layers adapters have wrapped, and what they were before."""

from collections.abc import Callable
from typing import Any

from anatomy.memory.held import HeldParameter
from anatomy.rehearsal.attribution import OUTSIDE
from anatomy.training.adapters import unfused_names
from anatomy.training.bottleneck import Bottleneck


class AdaptedNames:
    """Maps paths of the model as it runs (inside PEFT's wrappers) to the bare model's components."""

    def __init__(self, model: Any, component_of: Callable[[str], str]) -> None:
        self._component_of = component_of
        self._prefix = _path_of_bare(model)
        self._holders = {path: held for path, module in model.named_modules() if (held := _held(module))}
        self.targets = _targets(model)
        self.unfused = unfused_names(model) if hasattr(model, "get_base_model") else ()

    def __call__(self, path: str) -> str:
        bare, inside = self._bare(path)
        return "adapter" if inside else "" if bare is None or path == OUTSIDE else self._component_of(bare)

    def owner(self, path: str) -> str:
        """The bare model's module to which the one at `path` belongs: itself, or what an adapter is put on.

        '' for the whole, and for what stands around the model or beside it.
        """
        return self._bare(path)[0] or ""

    def held(self, model: Any) -> dict[str, tuple[HeldParameter, ...]]:
        """`owner` -> the parameters that it has in this model, in the model's order; tied ones where they are first met."""
        found: dict[str, list[HeldParameter]] = {}
        for path, parameter in model.named_parameters():
            running, _, name = path.rpartition(".")
            bare, inside = self._bare(running)
            held = HeldParameter(
                name=f"{inside}.{name}" if inside else name,
                shape=tuple(parameter.shape),
                dtype=str(parameter.dtype).removeprefix("torch."),
                trainable=parameter.requires_grad,
                adapter=bool(inside),
            )
            found.setdefault(bare or "", []).append(held)
        return {owner: tuple(parameters) for owner, parameters in found.items()}

    def _bare(self, path: str) -> tuple[str | None, str]:
        """The path in the bare model, None outside of it; and inside of that what a method added, '' for the model's own."""
        if self._prefix != path and not path.startswith(f"{self._prefix}." if self._prefix else ""):
            around = not path or self._prefix.startswith(f"{path}.")
            return None, "" if around else path  # PEFT's own: around the model, or beside it
        names = list(filter(None, path.removeprefix(self._prefix).split(".")))
        at, bare = self._prefix, list[str]()
        for number, name in enumerate(names):
            held = self._holders.get(at)
            if held is not None and name != held:
                return ".".join(bare), ".".join(names[number:])
            if held is None:
                bare.append(name)
            at = f"{at}.{name}" if at else name
        return ".".join(bare), ""


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
