"""What a model shares between several places, so that nothing is counted twice and nothing is missed."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class TiedGroup:
    """One parameter that stands at several places."""

    counted: str
    """The path under which it is counted."""
    also: tuple[str, ...]
    """The other paths, which count 0."""
    parameters: int
    """Its elements."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {"counted": self.counted, "also": list(self.also), "parameters": self.parameters}


def tied_groups(model: Any) -> tuple[TiedGroup, ...]:
    """The parameters of an nn.Module that have more than one path, by identity."""
    paths: dict[int, list[str]] = {}
    sizes: dict[int, int] = {}
    for path, parameter in model.named_parameters(remove_duplicate=False):
        paths.setdefault(id(parameter), []).append(path)
        sizes[id(parameter)] = parameter.numel()
    return tuple(
        TiedGroup(counted=first, also=tuple(also), parameters=sizes[key])
        for key, (first, *also) in paths.items()
        if also
    )


def head_is_tied(model: Any) -> bool | None:
    """Whether the output embedding is the input embedding; None when the model lacks one of them."""
    try:
        head, table = model.get_output_embeddings(), model.get_input_embeddings()
    except (AttributeError, NotImplementedError):
        return None
    if head is None or table is None:
        return None
    weights = getattr(head, "weight", None), getattr(table, "weight", None)
    return None if None in weights else weights[0] is weights[1]
