"""Who plays in a rehearsal: a model, how it comes onto the device, its optimizer, its batch and its step."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from math import prod
from typing import Any, Protocol

import torch

from anatomy.memory.timeline import Category
from anatomy.rehearsal.kernels.int8_cuda import KEPT_INPUTS, NO_OUTLIERS
from anatomy.rehearsal.recorder import Recorder
from anatomy.training.evaluation import evaluation_assumptions, evaluation_of
from anatomy.training.inputs.batch import plan_batch
from anatomy.training.losses.apply import apply_loss, loss_of
from anatomy.training.losses.dpo import pairs, reference_of, with_preferences
from anatomy.training.losses.kinds import LOSSES
from anatomy.training.methods import apply_method, choose_attention
from anatomy.training.optimizers import build as optimizers
from anatomy.training.optimizers.kinds import kind_of
from anatomy.training.quantized import base as quantization
from anatomy.training.quantized.stored.swap import holds_states, holds_weights, keep_packed, stored_words
from anatomy.training.recipe import Recipe
from anatomy.training.step import Batch, Run, prepare
from anatomy.units import format_count, format_share
from anatomy.versions import installed


class Cast(Protocol):
    """A run that is ready to be rehearsed: made from a recipe, or from a model that is about to be trained."""

    @property
    def grad_accum(self) -> int:
        """Micro-batches of a real step."""

    @property
    def batch_assumptions(self) -> tuple[str, ...]:
        """What was assumed of the batch."""

    @property
    def not_modelled(self) -> tuple[str, ...]:
        """What the real run does beside."""

    @property
    def eager(self) -> bool:
        """Whether attention is computed step by step, by no kernel that would be named."""

    def load(self, recorder: Recorder) -> Any:
        """Bring the weights onto the device, the method applied, and write them down; returns what is called."""

    def make_optimizer(self, model: Any) -> Any:
        """The optimizer over the loaded model."""

    def make_batch(self) -> Batch:
        """The next micro-batch, on the host."""

    def prepare(self, model: Any, optimizer: Any, make_batch: Callable[[], Batch], grad_accum: int) -> Run:
        """The run to step, with `grad_accum` micro-batches a step."""

    def total_parameters(self, model: Any) -> int:
        """Parameters with adapters; tied ones once, quantized ones at their logical number."""

    def weight_assumptions(self, model: Any) -> tuple[str, ...]:
        """What is easily overlooked in how the weights are kept."""


class RecipeCast:
    """A skeleton to which a recipe's method is applied on stage, as in a real run. The skeleton is used up."""

    moves = True
    """Whether what a method leaves on the host is moved to the device, as the Trainer does."""

    def __init__(self, model: Any, recipe: Recipe, device: str) -> None:
        self.base = model
        self.device = device
        self.grad_accum = recipe.grad_accum
        self.recipe = recipe
        self.eager = recipe.attn == "eager"
        self.batch = pairs(model, recipe) if recipe.objective == "dpo" else plan_batch(model, recipe)
        self.evaluation = evaluation_of(model, recipe)
        self.not_modelled = ("what DPOTrainer logs beside its loss",) * (recipe.objective == "dpo")
        self.base_count = sum(int(p.numel()) for p in unique_parameters(model))
        self.base_parameters: tuple[Any, ...] = ()
        if recipe.quantized:  # only changes what the layers are: nothing has reached the device yet
            quantization.swap_linears(model, recipe)
        elif recipe.dequantize is False:
            keep_packed(model)

    @property
    def batch_assumptions(self) -> tuple[str, ...]:
        return self.assumed_with(self.recipe)

    def assumed_with(self, recipe: Recipe) -> tuple[str, ...]:
        """`batch_assumptions` with the optimizer of `recipe`."""
        return (
            *self.batch.assumptions,
            *adapter_assumptions(recipe),
            *optimizer_assumptions(recipe),
            *loss_assumptions(recipe),
            *evaluation_assumptions(recipe),
        )

    def load(self, recorder: Recorder) -> Any:
        """The weights arrive on the device, one module after the other, then what the method adds."""
        packed = {id(module) for _, module in quantization.quantized_modules(self.base)}
        for path, module in self.base.named_modules():
            if id(module) in packed:
                self._pack(recorder, path, module)
            for name, parameter in module.named_parameters(recurse=False):
                state = holds_states(module, name)
                category = Category.QUANTIZATION if state else Category.WEIGHTS
                recorder.adopt(parameter, module=path, category=category)
            for name, buffer in module.named_buffers(recurse=False):
                recorder.adopt(buffer, module=path, category=_category_of(module, name))
        _place_states(recorder, self.base)
        # Held, not only their ids: an adapter could get the id of a parameter that is gone.
        self.base_parameters = tuple(unique_parameters(self.base))
        base = set(map(id, self.base_parameters))
        choose_attention(self.base, self.recipe)
        self.reference = reference_of(self.base, self.recipe)
        with torch.device(self.device):
            model = apply_method(self.base, self.recipe, moves=self.moves)
        apply_loss(model, self.recipe)
        if self.reference is not None:
            _adopt_reference(recorder, self.reference)
        owners = dict(model.named_modules())
        for path, parameter in model.named_parameters():
            owner, _, name = path.rpartition(".")
            known = Category.QUANTIZATION if holds_states(owners[owner], name) else Category.WEIGHTS
            recorder.place(
                parameter, module=owner, category=known if id(parameter) in base else Category.ADAPTERS
            )
        for path, buffer in model.named_buffers():
            owner, _, name = path.rpartition(".")
            recorder.place(buffer, module=owner, category=_category_of(owners[owner], name))
        _place_states(recorder, model)
        return model

    def _pack(self, recorder: Recorder, path: str, module: Any) -> None:
        """A quantized layer is packed on arrival."""
        recorder.adopt(module.weight, module=path, category=Category.TEMPORARIES)
        quantization.quantize(module, self.device)
        recorder.place(module.weight, module=path, category=Category.WEIGHTS)
        for tensor in quantization.state_tensors(module):
            recorder.place(tensor, module=path, category=Category.QUANTIZATION)

    def make_optimizer(self, model: Any) -> Any:
        return optimizers.build_optimizer(model, self.recipe)

    def make_batch(self) -> Batch:
        return self.batch.make()

    def prepare(self, model: Any, optimizer: Any, make_batch: Callable[[], Batch], grad_accum: int) -> Run:
        recipe = replace(self.recipe, grad_accum=grad_accum)
        run = replace(
            prepare(model, optimizer, recipe, make_batch, self.device),
            loss=loss_of(recipe),
            evaluation=self.evaluation,
        )
        return with_preferences(run, recipe, self.reference) if recipe.objective == "dpo" else run

    def total_parameters(self, model: Any) -> int:
        base = set(map(id, self.base_parameters))
        added = (p for p in unique_parameters(model) if id(p) not in base)
        return self.base_count + sum(int(p.numel()) for p in added)

    def weight_assumptions(self, model: Any) -> tuple[str, ...]:
        said = packed_share(model, self.base_parameters)
        keeps = NO_OUTLIERS in said and self.recipe.gradient_checkpointing == "non-reentrant"
        return (*said, KEPT_INPUTS) if keeps else said


def adapter_assumptions(recipe: Recipe) -> tuple[str, ...]:
    """What a method does beside its adapters: it lengthens sequences, or changes while it trains."""
    said = []
    if recipe.virtual_tokens:
        longer = recipe.seq_len + recipe.virtual_tokens
        said.append(f"{recipe.virtual_tokens:,} virtual tokens come before every sequence: {longer:,} in all")
    if recipe.adapter is not None and recipe.adapter.note:
        said.append(recipe.adapter.note)
    return tuple(said)


def optimizer_assumptions(recipe: Recipe) -> tuple[str, ...]:
    """What is not seen in an optimizer's name: that it is stood in for, compiled, or steps in backward."""
    kind = kind_of(recipe.optimizer)
    said = [f"{recipe.optimizer} is {kind.modelled}"] if kind.modelled else []
    if kind.note:
        said.append(kind.note)
    if recipe.optimizer_in_backward:
        said.append(
            "every parameter has an optimizer of its own and is updated in backward, where its gradient is a temporary: "
            "torchtune does this, Hugging Face's Trainer does not"
        )
    if recipe.add_tokens:
        said.append(
            f"{recipe.add_tokens:,} tokens are added to the vocabulary of the config{_frozen_rows(recipe)}"
        )
    return tuple(said)


def _frozen_rows(recipe: Recipe) -> str:
    trained = recipe.peft_options.keys() & {"modules_to_save", "trainable_token_indices"}
    if not recipe.uses_adapters or trained or recipe.adapter_type == "TRAINABLE_TOKENS":
        return ""
    return ", whose rows stay frozen: --peft modules_to_save or trainable_token_indices trains them"


def _adopt_reference(recorder: Recorder, reference: Any) -> None:
    """The second model arrives, as DPOTrainer loads it."""
    for path, module in reference.named_modules():
        name = f"reference.{path}".rstrip(".")
        for parameter in module.parameters(recurse=False):
            recorder.place(parameter, module=name, category=Category.WEIGHTS)
        for buffer in module.buffers(recurse=False):
            recorder.place(buffer, module=name, category=Category.BUFFERS)


def loss_assumptions(recipe: Recipe) -> tuple[str, ...]:
    """What is not seen in a loss's name."""
    kind, liger = LOSSES[recipe.loss], LOSSES["liger"]
    packages = {kind.package, liger.package if recipe.liger_kernels else None} - {None}
    note, used = kind.note, installed(tuple(sorted(map(str, packages))))
    said = [f"kernels are those of {name} {version}" for name, version in used.items()]
    said += [note] if note else []
    if recipe.objective == "dpo":
        where = {True: "a copy of the model", False: "the model without its adapters"}[
            recipe.copies_reference
        ]
        known = recipe.dpo_reference == "precomputed"
        said.append(f"DPO's reference is {'scored before training' if known else where}")
    return tuple(said)


def _place_states(recorder: Recorder, model: Any) -> None:
    """What packed layers keep beside their weights, under the names that they have in `model`; tables of codes are all's."""
    layers = quantization.quantized_modules(model)
    for path, module in layers:
        for tensor in quantization.state_tensors(module):
            recorder.place(tensor, module=path, category=Category.QUANTIZATION)
    for book in quantization.code_books().values() if layers else ():
        recorder.place(book, module="", category=Category.QUANTIZATION)


def _category_of(module: Any, name: str) -> Category:
    """Of a buffer: those of packed layers hold weights and what belongs to them."""
    if holds_states(module, name):
        return Category.QUANTIZATION
    return Category.WEIGHTS if holds_weights(module, name) else Category.BUFFERS


def unique_parameters(model: Any) -> list[Any]:
    """Every parameter of a model, tied ones once."""
    return list({id(p): p for p in model.parameters()}.values())


def packed_share(model: Any, base: Iterable[Any]) -> tuple[str, ...]:
    """What a quantized base of these parameters leaves dense is easily overlooked: embeddings, heads."""
    modules = quantization.quantized_modules(model)
    if not modules:
        return stored_words(model)
    packed = sum(prod(quantization.logical_shape(module)) for _, module in modules)
    in_layers = {id(module.weight) for _, module in modules}
    dense = sum(int(parameter.numel()) for parameter in base if id(parameter) not in in_layers)
    share, kept = format_share(packed, packed + dense), format_count(dense)
    bits = {kind.bits for _, module in modules if (kind := quantization.kind_of_layer(module))}
    said = f"{max(bits)} bits hold {share} of the base parameters; {kept} stay unquantized"
    return (said, NO_OUTLIERS) if 8 in bits else (said,)
