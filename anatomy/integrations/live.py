"""A rehearsal of the model at hand: its twin, its optimizer's twin, and the batch that it is about to see."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import torch

from anatomy.integrations.twin import Twin
from anatomy.memory.timeline import Category
from anatomy.rehearsal.adapted import AdaptedNames
from anatomy.rehearsal.cast import packed_share, unique_parameters
from anatomy.rehearsal.recorder import Recorder
from anatomy.training.optimizers import build as optimizers
from anatomy.training.quantized import base as quantization
from anatomy.training.step import Batch, Run, unwrapped


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """What a step is told; see StepSettings."""

    grad_accum: int
    max_grad_norm: float
    autocast_dtype: str | None


@dataclass(kw_only=True)
class LiveCast:
    """A Cast (see anatomy.rehearsal.cast) whose model and optimizer exist already."""

    twin: Twin
    settings: Settings
    batch: Batch
    """On the host, or on meta where its values do not matter; every micro-batch is like it."""
    make_run: Callable[[Any, Any, Settings, Callable[[], Batch]], Run]
    """The run of a model, its optimizer, settings, and a function that makes batches."""
    batch_assumptions: tuple[str, ...] = ()
    also_not_modelled: tuple[str, ...] = ()

    @property
    def grad_accum(self) -> int:
        return self.settings.grad_accum

    @property
    def eager(self) -> bool:
        config = getattr(unwrapped(self.twin.model), "config", None)
        return getattr(config, "_attn_implementation", None) == "eager"

    @property
    def not_modelled(self) -> tuple[str, ...]:
        return (*self.twin.left_out, *self.also_not_modelled)

    def load(self, recorder: Recorder) -> Any:
        """Write down what is on the device: the base model first, as it was loaded, then what a method added."""
        model = self.twin.model
        found = [(path.rpartition(".")[0], parameter) for path, parameter in model.named_parameters()]
        added = _added(model)
        for owner, parameter in found:
            if not added(owner):
                recorder.adopt(parameter, module=owner, category=Category.WEIGHTS)
        for path, module in quantization.quantized_modules(model):
            for tensor in quantization.state_tensors(module):
                recorder.adopt(tensor, module=path, category=Category.QUANTIZATION)
        for path, buffer in model.named_buffers():
            recorder.adopt(buffer, module=path.rpartition(".")[0], category=Category.BUFFERS)
        for owner, parameter in found:
            recorder.adopt(parameter, module=owner, category=Category.ADAPTERS)
        owner_of = {id(parameter): owner for owner, parameter in found}
        for parameter, tensor in optimizers.owned_states(self.twin.optimizer):
            recorder.adopt(tensor, module=owner_of.get(id(parameter), ""), category=Category.OPTIMIZER)
        for tensor in self.twin.others:
            recorder.adopt(tensor, module="", category=Category.BUFFERS)
        return model

    def make_optimizer(self, model: Any) -> Any:
        return self.twin.optimizer

    def make_batch(self) -> Batch:
        return dict(self.batch)

    def prepare(self, model: Any, optimizer: Any, make_batch: Callable[[], Batch], grad_accum: int) -> Run:
        settings = Settings(
            grad_accum=grad_accum,
            max_grad_norm=self.settings.max_grad_norm,
            autocast_dtype=self.settings.autocast_dtype,
        )
        return self.make_run(model, optimizer, settings, make_batch)

    def total_parameters(self, model: Any) -> int:
        return sum(_logical_count(parameter) for parameter in unique_parameters(model))

    def weight_assumptions(self, model: Any) -> tuple[str, ...]:
        added = _added(model)
        named = model.named_parameters()
        return packed_share(model, [p for path, p in named if not added(path.rpartition(".")[0])])


def live_components(model: Any) -> Callable[[str], str]:
    """Path of a module of the bare model -> its component; '' throughout for a model without transformers' config."""
    from transformers import PretrainedConfig

    from anatomy.architecture.tree import module_components

    base = unwrapped(model)
    config = getattr(base, "config", None)
    if not isinstance(config, PretrainedConfig):
        return lambda path: ""
    found = module_components(base, config)
    inner = ".base_layer"  # PEFT's wrapper holds adapters as well: what it wraps says what it is
    bare = {path.replace(inner, ""): name for path, name in found.items() if path.endswith(inner)}
    components: Mapping[str, str] = {**found, **bare}
    return lambda path: components.get(path, "")


def _added(model: Any) -> Callable[[str], bool]:
    """Whether a method added what the module at this path holds: adapters, prompts, retrained copies."""
    if not hasattr(model, "get_base_model"):
        return lambda path: False
    names = AdaptedNames(model, lambda path: "")

    def added(path: str) -> bool:
        outside = path != "base_model" and not path.startswith("base_model.")
        return outside or ".modules_to_save" in path or names(path) == "adapter"

    return added


def _logical_count(parameter: torch.Tensor) -> int:
    """Of a packed 4-bit weight the number of weights that it stands for."""
    state = getattr(parameter, "quant_state", None)  # 8 bits are one weight each
    return int(parameter.numel() if state is None else prod(state.shape))
