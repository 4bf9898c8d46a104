"""What the shapes of a model's tree say of it, where no config does."""

import math
from dataclasses import replace

from anatomy.architecture.facts import Facts
from anatomy.architecture.site import Shape
from anatomy.architecture.tree import ModuleNode, OwnParameter
from anatomy.architecture.vocabulary import says


def facts_from_tree(tree: ModuleNode) -> Facts:
    """What shapes alone say: depth of the longest list of layers, vocabulary, width, inner width, experts."""
    lists = [(node.component, sum(child.name.isdigit() for child in node.children)) for node in tree.walk()]
    table = _largest(tree, "embedding")
    hidden = table[1] if table else None
    down = _largest(tree, "ffn.down")
    return Facts(
        layers=max((n for component, n in lists if component in ("", "mixer")), default=0) or None,
        vocabulary=table[0] if table else None,
        hidden_size=hidden,
        ffn_width=next((width for width in down if width != hidden), hidden) if down else None,
        expert_width=expert_width(tree, hidden),
        experts=max((n for component, n in lists if component == "experts.routed"), default=0) or None,
    )


def completed(facts: Facts, tree: ModuleNode) -> Facts:
    """A config's facts with those that it leaves to its class: the feed-forward's width, as GPT-2's, and the experts'."""
    ffn, expert = facts.ffn_width, facts.expert_width
    if ffn is None and "ffn_width" not in facts.varying:
        ffn = facts_from_tree(tree).ffn_width
    if facts.experts:
        expert = expert_width(tree, facts.hidden_size) or expert
    return replace(facts, ffn_width=ffn, expert_width=expert)


def expert_width(tree: ModuleNode, hidden: int | None) -> int | None:
    """Inner width of the routed experts, by the matrices that lead back to the model's width; None where there are none, or
    they lead elsewhere.
    """
    widths = {
        own.shape[-2] if own.shape[-1] == hidden else own.shape[-1]
        for node in tree.walk()
        for own in node.own
        if _leads_back(node, own) and hidden in own.shape[-2:]
    }
    return widths.pop() if len(widths) == 1 else None


def _leads_back(node: ModuleNode, own: OwnParameter) -> bool:
    """Whether it is an expert's second matrix, one of them or all stacked."""
    if [component for component, _ in own.parts] != ["experts.routed"] or len(own.shape) not in (2, 3):
        return False
    return says(own.name, "down") or (own.name == "weight" and says(node.name, "down"))


def _largest(tree: ModuleNode, component: str) -> Shape | None:
    """The shape of the largest matrix that is wholly of one component."""
    shapes = (
        own.shape for node in tree.walk() for own in node.own if [c for c, _ in own.parts] == [component]
    )
    return max((shape for shape in shapes if len(shape) == 2), key=math.prod, default=None)
