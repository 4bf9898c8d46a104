"""Anatomy: a model taken apart. Facts, tree, components, what is shared, and what its checkpoint stores."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from anatomy.architecture.active import active_parameters
from anatomy.architecture.components import COMPONENTS
from anatomy.architecture.facts import Facts, facts_from_config, named_dtype, prediction_layers, quantization
from anatomy.architecture.packed import (
    held_name,
    is_buffer,
    is_packed,
    is_quantization_data,
    unpacked_shape,
)
from anatomy.architecture.refusals import UnknownArchitectureError
from anatomy.architecture.remarks import dtype_note, other_note, prediction_note, surplus_note
from anatomy.architecture.site import Shape
from anatomy.architecture.skeleton import Skeleton, build_skeleton, says_untied
from anatomy.architecture.stored import Stored, compare
from anatomy.architecture.tied import TiedGroup, head_is_tied, tied_groups
from anatomy.architecture.tree import ModuleNode, tree_from_model, tree_from_shapes
from anatomy.architecture.tree_facts import completed, facts_from_tree
from anatomy.blueprint import Blueprint, TensorHeader
from anatomy.errors import ArchitectureError
from anatomy.result import Result
from anatomy.units import format_count

SCHEMA_VERSION = 1
"""Of `show --json`. Keys may be added without changing it."""

if TYPE_CHECKING:
    from anatomy.architecture.adapter import AdapterFacts


@dataclass(frozen=True, kw_only=True, slots=True)
class Anatomy(Result):
    """What a model is made of."""

    id: str
    """What the user calls the model."""
    origin: str
    """Where its description was read."""
    model_type: str | None
    """The config's model type; None when only headers are known."""
    architecture: str | None
    """Class that was built, or that the config names where headers were enough; None when only headers are known."""
    facts: Facts
    """The numbers that describe it."""
    tree: ModuleNode
    """Every module with its parameters; all totals derive from it."""
    tied: tuple[TiedGroup, ...] = ()
    """Parameters that stand at several places, counted once."""
    unclassified: tuple[str, ...] = ()
    """Parameters that no rule recognised; counted as 'other'."""
    buffers: Mapping[str, int] = field(default_factory=dict)
    """Persistent buffers, path -> elements; not parameters."""
    dtype: str | None = None
    """torch's name of the dtype that the config names; None where it names none, or where its checkpoint is quantized."""
    stored: Stored | None = None
    """The checkpoint beside the model; None when no headers were read."""
    adapter: "AdapterFacts | None" = None
    """Of an adapter, what it adds to which model; the tree and the totals are then the adapter's."""
    also: tuple[tuple[str, int], ...] = ()
    """Other totals that can rightly be given for this model: (why, parameters)."""
    overrides: Mapping[str, Any] = field(default_factory=dict)
    """The facts of its config that the user set by hand."""
    notes: tuple[str, ...] = ()
    """What the reader should know about how this was counted."""

    def __repr__(self) -> str:
        made = self.architecture or "by its headers"
        return f"<Anatomy of {self.id!r}: {format_count(self.total)} parameters, {made}>"

    @property
    def total(self) -> int:
        """Parameters that the model holds, tied ones once."""
        return self.tree.parameters

    @property
    def active(self) -> int | None:
        """Parameters that one token uses, where it goes to some of the experts; None without such."""
        return active_parameters(self.tree, self.facts)

    @property
    def by_component(self) -> dict[str, int]:
        """Component -> parameters, in the order of COMPONENTS; adds up to `total`."""
        counts = self.tree.by_component()
        return {name: counts[name] for name in COMPONENTS if counts.get(name)}

    @property
    def by_dtype(self) -> dict[str, int]:
        """dtype -> elements: as stored where headers are known, else all in the config's dtype; empty if unknown."""
        if self.stored is not None:
            return dict(self.stored.by_dtype)
        return {self.dtype: self.total} if self.dtype else {}

    def to_dict(self) -> dict[str, Any]:
        """The content of `show --json`."""
        return {
            "schema_version": SCHEMA_VERSION,
            "model": {
                "id": self.id,
                "origin": self.origin,
                "model_type": self.model_type,
                "architecture": self.architecture,
                "overrides": dict(self.overrides),
            },
            "facts": self.facts.to_dict(),
            "parameters": {
                "total": self.total,
                "active": self.active,
                "stored": self.stored.elements if self.stored else None,
                "by_component": self.by_component,
                "by_dtype": self.by_dtype,
                "also": [{"why": why, "total": total} for why, total in self.also],
            },
            "stored": self.stored.to_dict() if self.stored else None,
            "adapter": self.adapter.to_dict() if self.adapter else None,
            "buffers": dict(self.buffers),
            "tied": [group.to_dict() for group in self.tied],
            "unclassified": list(self.unclassified),
            "notes": list(self.notes),
            "tree": self.tree.to_dict(),
        }


def anatomy_from(blueprint: Blueprint, *, trust_remote_code: bool = False) -> Anatomy:
    """Take a blueprint apart: the real class on meta where there is a config for it, else its headers.

    Raises ArchitectureError when the model can neither be built nor counted.
    """
    return describe(blueprint, trust_remote_code=trust_remote_code)[0]


def describe(blueprint: Blueprint, *, trust_remote_code: bool = False) -> tuple[Anatomy, Skeleton | None]:
    """The anatomy, and the model that it was taken from; None where headers were counted. Raises as `anatomy_from`."""
    if blueprint.adapter is not None:
        from anatomy.architecture.adapted import count_adapter  # it makes what this module defines

        return count_adapter(blueprint, blueprint.adapter, trust_remote_code=trust_remote_code), None
    if blueprint.config is None:
        return count_headers(blueprint), None
    if blueprint.names == "gguf" and blueprint.tensors:  # a class would have the same under other names
        counted = count_headers(blueprint)
        return replace(counted, notes=(*_set_in_vain(blueprint), *counted.notes)), None
    try:
        skeleton = build_skeleton(blueprint, trust_remote_code=trust_remote_code)
    except UnknownArchitectureError as error:
        if not blueprint.tensors:
            raise
        why = f"Counted from the checkpoint's headers, by names and shapes: {error.message}"
        counted = count_headers(blueprint)
        return replace(counted, notes=(why, *_set_in_vain(blueprint), *counted.notes)), None
    return take_apart(skeleton, blueprint), skeleton


def _set_in_vain(blueprint: Blueprint) -> tuple[str, ...]:
    """What was set by hand cannot change a count of what is stored, and no class is there to know it."""
    keys = ", ".join(blueprint.overrides)
    return (f"Set by hand, but without a class that could know it: {keys}.",) if keys else ()


def take_apart(skeleton: Skeleton, blueprint: Blueprint) -> Anatomy:
    """The anatomy of a built model, beside its checkpoint where the blueprint has headers."""
    model, config, raw = skeleton.model, skeleton.config, blueprint.config or {}
    tree, unclassified = tree_from_model(model, config)
    facts = completed(replace(facts_from_config(config), tied=head_is_tied(model)), tree)
    tied = tied_groups(model)
    buffers = _persistent_buffers(model)
    also, notes = _if_untied(skeleton, blueprint, tree.parameters)
    stored = None
    if blueprint.tensors:
        prefix = getattr(model, "base_model_prefix", "")
        stored = compare(
            blueprint.tensors,
            tree,
            facts=facts,
            tied=tied,
            buffers=buffers,
            base_prefix=prefix,
            predicting=prediction_layers(config),
        )
    return Anatomy(
        id=blueprint.id,
        origin=str(blueprint.origin),
        overrides=blueprint.overrides,
        model_type=config.model_type,
        architecture=skeleton.class_name,
        facts=facts,
        tree=tree,
        tied=tied,
        unclassified=unclassified,
        buffers=buffers,
        dtype=None if quantization(raw) else named_dtype(raw),
        stored=stored,
        also=also,
        notes=(
            *blueprint.notes,
            *skeleton.notes,
            *notes,
            *surplus_note(stored, facts),
            *(prediction_note(raw, tree, skeleton.class_name) if stored is None else ()),
            *dtype_note(raw, blueprint.tensors is not None),
            *other_note(tree, unclassified),
        ),
    )


def count_headers(blueprint: Blueprint) -> Anatomy:
    """The anatomy that a checkpoint's names and shapes justify, without torch and without the model's code."""
    if not blueprint.tensors:
        raise ArchitectureError(
            f"{blueprint.id} has neither a config nor tensor headers, so there is nothing to count.",
            hint="name a folder with config.json or *.safetensors, or a model id",
        )
    shapes, notes = _weights(blueprint.tensors)
    known = facts_from_config(blueprint.config) if blueprint.config else Facts()
    tree, unclassified = tree_from_shapes(shapes, known)
    facts = known if blueprint.config else facts_from_tree(tree)
    return Anatomy(
        id=blueprint.id,
        origin=str(blueprint.origin),
        overrides=blueprint.overrides,
        model_type=(blueprint.config or {}).get("model_type"),
        architecture=None,
        facts=facts,
        tree=tree,
        unclassified=unclassified,
        buffers={t.name: t.elements for t in blueprint.tensors if is_buffer(t)},
        stored=compare(blueprint.tensors, tree, facts=facts),
        notes=(
            *blueprint.notes,
            *notes,
            *(dtype_note(blueprint.config, True) if blueprint.config else ()),
            *other_note(tree, unclassified),
        ),
    )


def _weights(tensors: tuple[TensorHeader, ...]) -> tuple[dict[str, Shape], list[str]]:
    """The parameters among stored tensors, packed ones with the shape that they unpack to."""
    beside = {tensor.name: tensor for tensor in tensors}
    shapes: dict[str, Shape] = {}
    unknown = 0
    for tensor in tensors:
        if is_quantization_data(tensor) or is_buffer(tensor):
            continue
        packed = is_packed(tensor)
        shape = unpacked_shape(tensor, beside) if packed else tensor.shape
        unknown += shape is None
        shapes[held_name(tensor.name) if packed else tensor.name] = tensor.shape if shape is None else shape
    notes = (
        [f"{unknown} packed tensors are counted as stored: how to unpack them is not known."]
        if unknown
        else []
    )
    return shapes, notes


def _persistent_buffers(model: Any) -> dict[str, int]:
    kept = model.state_dict().keys()
    return {path: buffer.numel() for path, buffer in model.named_buffers() if path in kept}


def _if_untied(
    skeleton: Skeleton, blueprint: Blueprint, total: int
) -> tuple[tuple[tuple[str, int], ...], tuple[str, ...]]:
    """Where the config says untied but the class ties, and no checkpoint decides: the other total, and why."""
    raw = blueprint.config or {}
    if blueprint.tensors or not says_untied(raw) or not head_is_tied(skeleton.model):
        return (), ()
    extra = skeleton.model.get_output_embeddings().weight.numel()
    note = (
        f"The config says tie_word_embeddings: false, but the installed transformers ties the head of "
        f"{skeleton.class_name}. With a head of its own the model has {total + extra} parameters ({extra} more); "
        "the checkpoint's headers would decide."
    )
    return (("with a head of its own, as the config says", total + extra),), (note,)
