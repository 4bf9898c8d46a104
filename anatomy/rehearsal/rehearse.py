"""The dress rehearsal: load, apply the recipe, run real training steps on meta, keep the record."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from math import prod
from typing import Any

import torch
from torch.utils._python_dispatch import _disable_current_modes

from anatomy.memory.timeline import Category, Phase, Timeline
from anatomy.rehearsal.adapted import AdaptedNames
from anatomy.rehearsal.attribution import Attribution, phase_of_loss
from anatomy.rehearsal.bitsandbytes_cuda import import_quietly, paged_off_device
from anatomy.rehearsal.cuda import Stage, Target, acting
from anatomy.rehearsal.guards import failures_named, without_garbage_collection
from anatomy.rehearsal.ledger import Ledger
from anatomy.rehearsal.recorder import Recorder
from anatomy.training import optimizers, quantization
from anatomy.training.batch import plan_batch
from anatomy.training.methods import apply_method, choose_attention
from anatomy.training.recipe import Recipe
from anatomy.training.step import prepare, step, unwrapped
from anatomy.units import format_count, format_share

MICRO_BATCHES = 3
"""Micro-batches of a step to rehearse at most: from the second on, gradients are there and each is like the last."""
STEPS = 2
"""Steps to rehearse: in the first there are no optimizer states during backward, in the second there are."""

_PACKAGES = ("torch", "transformers", "peft", "accelerate", "bitsandbytes")


@dataclass(frozen=True, kw_only=True, slots=True)
class Rehearsal:
    """What a rehearsed run did, and what had to be assumed."""

    timeline: Timeline
    total_parameters: int
    """Parameters of the model with its adapters; tied ones once, quantized ones at their logical number."""
    trainable_parameters: int
    targets: tuple[str, ...]
    """Last names of the modules that got adapters, e.g. ('down_proj', 'q_proj')."""
    assumptions: tuple[str, ...]
    not_modelled: tuple[str, ...]
    versions: Mapping[str, str]
    """Installed versions of the libraries that were rehearsed."""


def rehearse(
    model: Any,
    recipe: Recipe,
    *,
    component_of: Callable[[str], str],
    target: Target | None = None,
    steps: int = STEPS,
    device: str = "meta",
) -> Rehearsal:
    """Train `model` for `steps` steps without data or device, and write down every block.

    `model` is a transformers model, on the meta device for a prediction; it is changed by the recipe and is used
    up. `component_of` maps a path of the bare model's modules to a component. With `device="cpu"` and a model on
    the CPU the same recorder watches real tensors.

    Raises RecipeError where the model cannot run the recipe, RehearsalError where the truth depends on data.
    """
    if recipe.uses_adapters:  # PEFT imports it
        import_quietly()
    rehearsal = _Rehearsing(model, recipe, Stage(target=target or Target()), device)
    rehearsal.run(steps)
    return rehearsal.result(component_of)


class _Rehearsing:
    """One rehearsal under way."""

    def __init__(self, model: Any, recipe: Recipe, stage: Stage, device: str) -> None:
        self.base = model
        self.accumulated = recipe.grad_accum
        self.recipe = replace(recipe, grad_accum=min(recipe.grad_accum, MICRO_BATCHES))
        self.stage = stage
        self.device = device
        self.ledger = Ledger()
        self.attribution = Attribution(self._recomputing, self._losing)
        self.recorder = Recorder(self.ledger, self.attribution, stage, device)
        self.batch = plan_batch(model, recipe)
        self.number = 0

    def run(self, steps: int) -> None:
        base_parameters = _unique_parameters(self.base)
        self.base_ids = {id(p) for p in base_parameters}
        self.base_count = sum(p.numel() for p in base_parameters)
        if self.recipe.quantized:  # only changes what the layers are: nothing has reached the device yet
            quantization.swap_linears(self.base, self.recipe)
            self.base_ids |= {id(p) for p in _unique_parameters(self.base)}
        with ExitStack() as stack:
            stack.enter_context(without_garbage_collection())
            if self.device == "meta":
                stack.enter_context(acting(self.stage))
            stack.enter_context(self.attribution)
            stack.enter_context(self.recorder)
            self._load()
            model = self._apply()
            optimizer = optimizers.build_optimizer(model, self.recipe)
            stack.enter_context(paged_off_device(self.stage))
            run = prepare(model, optimizer, self.recipe, self._collate, self.device)
            # torch.tensor() on meta makes its storage unseen by a dispatch mode.
            self.recorder.adopt(run.loss_so_far, module="", category=Category.LOGITS)
            for number in range(1, steps + 1):
                self.number = number
                with failures_named(self.attribution.path_of):
                    step(run, lambda phase: self._enter(phase, model, optimizer))
            self._label_states(optimizer)
            self.recorder.close()
            self.model = model

    def _load(self) -> None:
        """The weights arrive on the device, one module after the other; a 4-bit layer is packed on arrival."""
        packed = {id(module) for _, module in quantization.quantized_modules(self.base)}
        for path, module in self.base.named_modules():
            if id(module) in packed:
                self._pack(path, module)
            for parameter in module.parameters(recurse=False):
                self.recorder.adopt(parameter, module=path, category=Category.WEIGHTS)
            for buffer in module.buffers(recurse=False):
                self.recorder.adopt(buffer, module=path, category=Category.BUFFERS)

    def _pack(self, path: str, module: Any) -> None:
        self.recorder.adopt(module.weight, module=path, category=Category.TEMPORARIES)
        quantization.quantize(module, self.device)
        self.recorder.place(module.weight, module=path, category=Category.WEIGHTS)
        for tensor in quantization.state_tensors(module):
            self.recorder.place(tensor, module=path, category=Category.QUANTIZATION)
        self.base_ids.add(id(module.weight))

    def _apply(self) -> Any:
        choose_attention(self.base, self.recipe)
        with torch.device(self.device):
            model = apply_method(self.base, self.recipe)
        for path, parameter in model.named_parameters():
            category = Category.WEIGHTS if id(parameter) in self.base_ids else Category.ADAPTERS
            self.recorder.place(parameter, module=path.rpartition(".")[0], category=category)
        self.attribution.watch(model)
        base = unwrapped(model)
        if hasattr(base, "loss_function"):
            base.loss_function = self.attribution.wrap_loss(base.loss_function)
        return model

    def _enter(self, phase: Phase, model: Any, optimizer: Any) -> None:
        if self.ledger.phase is Phase.BACKWARD:
            for parameter in model.parameters():
                if parameter.grad is not None:
                    self.recorder.label(parameter.grad, Category.GRADIENTS)
        elif self.ledger.phase is Phase.OPTIMIZER:
            self._label_states(optimizer)
        self.ledger.enter(phase, self.number)

    def _collate(self) -> dict[str, torch.Tensor]:
        """The next batch, made on the host: no block of the device."""
        with _disable_current_modes():
            return self.batch.make()

    def _label_states(self, optimizer: Any) -> None:
        for tensor in optimizers.state_tensors(optimizer):
            self.recorder.label(tensor, Category.OPTIMIZER)

    def _recomputing(self, inside: bool) -> None:
        if self.ledger.phase is Phase.BACKWARD:
            self.ledger.new_span(is_forward=inside)

    def _losing(self, inside: bool) -> None:
        if self.ledger.phase in (Phase.FORWARD, Phase.LOSS):
            self.ledger.enter(phase_of_loss(inside), self.number)

    def result(self, component_of: Callable[[str], str]) -> Rehearsal:
        added = [p for p in _unique_parameters(self.model) if id(p) not in self.base_ids]
        trainable = [p for p in _unique_parameters(self.model) if p.requires_grad]
        versions = _versions()
        adapted = AdaptedNames(self.model, component_of)
        return Rehearsal(
            timeline=self.ledger.timeline(
                adapted, {"kind": "rehearsal", "device": self.stage.target.name, "versions": versions}
            ),
            total_parameters=self.base_count + sum(p.numel() for p in added),
            trainable_parameters=sum(p.numel() for p in trainable),
            targets=adapted.targets,
            assumptions=(
                *self.batch.assumptions,
                *self.recorder.questions.assumed,
                *self._kernels(),
                *self._packed(),
                *self._repeated(),
                *_fused_targets(adapted.targets),
            ),
            not_modelled=(*NOT_MODELLED, *self._unknown()),
            versions=versions,
        )

    def _unknown(self) -> tuple[str, ...]:
        scratch = [f"scratch of {op}: {reason}" for op, reason in self.stage.unknown.items()]
        return (*scratch, _PAGED) if self.stage.paged_bytes else tuple(scratch)

    def _repeated(self) -> tuple[str, ...]:
        if self.accumulated <= MICRO_BATCHES:
            return ()
        return (
            f"micro-batches {MICRO_BATCHES + 1} to {self.accumulated:,} of a step are like the one before them",
        )

    def _packed(self) -> tuple[str, ...]:
        """What a 4-bit base leaves unquantized is easily overlooked: embeddings, heads, fused experts."""
        if not self.recipe.quantized:
            return ()
        modules = quantization.quantized_modules(self.model)
        packed = sum(prod(module.weight.quant_state.shape) for _, module in modules)
        share = format_share(packed, self.base_count)
        kept = format_count(self.base_count - packed)
        return (
            f"4 bits hold {share} of the base parameters; {kept} stay unquantized, as transformers leaves them",
        )

    def _kernels(self) -> tuple[str, ...]:
        used = ", ".join(self.stage.kernels_used)
        if not used and self.recipe.attn == "eager":
            return ("attention is computed step by step (eager), with its matrices of scores",)
        return (f"attention kernel: {used}",) if used else ()


NOT_MODELLED: tuple[str, ...] = (
    "evaluation, generation and saving",
    "several devices",
    "fragmentation from batches of other lengths",
)
_PAGED = "pages of a paged optimizer's states that are on the device while it steps"


def _fused_targets(targets: tuple[str, ...]) -> tuple[str, ...]:
    """Adapters on fused experts are many, and easily overlooked behind 'all-linear'."""
    fused = [name for name in targets if "." in name]
    return (f"PEFT also adapts fused parameters: {', '.join(fused)}",) if fused else ()


def _unique_parameters(model: Any) -> list[Any]:
    return list({id(p): p for p in model.parameters()}.values())


def _versions() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
