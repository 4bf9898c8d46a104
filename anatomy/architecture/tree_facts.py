"""What the shapes of a model's tree say of it, where no config does."""

import math

from anatomy.architecture.facts import Facts
from anatomy.architecture.site import Shape
from anatomy.architecture.tree import ModuleNode


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
        experts=max((n for component, n in lists if component == "experts.routed"), default=0) or None,
    )


def _largest(tree: ModuleNode, component: str) -> Shape | None:
    """The shape of the largest matrix that is wholly of one component."""
    shapes = (
        own.shape for node in tree.walk() for own in node.own if [c for c, _ in own.parts] == [component]
    )
    return max((shape for shape in shapes if len(shape) == 2), key=math.prod, default=None)
