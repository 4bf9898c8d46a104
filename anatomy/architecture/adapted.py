"""A PEFT adapter, taken apart: what it adds, on its base where that is known."""

from dataclasses import replace

from anatomy.architecture.adapter import describe_adapter, parts_of_adapter, shapes_of
from anatomy.architecture.anatomy import Anatomy, anatomy_from
from anatomy.architecture.facts import Facts
from anatomy.architecture.plain import count_plain
from anatomy.architecture.plausible import check_plausible
from anatomy.architecture.stored import compare
from anatomy.architecture.tree import tree_from_parts
from anatomy.blueprint import Adapter, Blueprint
from anatomy.errors import ArchitectureError


def count_adapter(blueprint: Blueprint, adapter: Adapter, *, trust_remote_code: bool = False) -> Anatomy:
    """The anatomy of an adapter, on its base where that is known and can be built."""
    base, notes = None, blueprint.notes
    if adapter.base is not None:
        try:
            check_plausible(adapter.base.config or {})
            base = _base_of(adapter.base, trust_remote_code)
        except ArchitectureError as error:
            notes += (f"Its base could not be taken apart, so the adapter is shown alone: {error.message}",)
    tensors = blueprint.tensors or ()
    shapes = shapes_of(tensors)
    parts, unclassified = parts_of_adapter(shapes)
    tree = tree_from_parts(shapes, parts)
    held = tuple(replace(tensor, name=name) for tensor, name in zip(tensors, shapes, strict=True))
    return Anatomy(
        id=blueprint.id,
        origin=str(blueprint.origin),
        overrides=blueprint.overrides,
        model_type=None,
        architecture=None,
        facts=Facts(),
        tree=tree,
        adapter=describe_adapter(adapter.config, shapes, base.tree if base else None),
        unclassified=unclassified,
        stored=compare(held, tree, facts=Facts()) if tensors else None,
        notes=notes,
    )


def _base_of(base: Blueprint, trust_remote_code: bool) -> Anatomy:
    """An adapter's base, by its headers where these say all that its class would."""
    counted = None if trust_remote_code else count_plain(base)
    return counted or anatomy_from(base, trust_remote_code=trust_remote_code)
