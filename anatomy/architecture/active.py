"""The parameters that one token uses, in a model whose tokens go to some of its experts."""

from anatomy.architecture.facts import Facts
from anatomy.architecture.tree import ModuleNode

_ROUTED = "experts.routed"


def active_parameters(tree: ModuleNode, facts: Facts) -> int | None:
    """All parameters but the routed experts that a token does not go to; None without experts, or where that is not known.

    Embeddings, the head, routers and shared experts count whole, as in the figures that most models are named after:
    DeepSeek-V3's 37 of 671 billion (arXiv:2412.19437), Mixtral 8x7B's 13 of 47 (arXiv:2401.04088). It is assumed that
    every token goes to as many experts as the config says, in every layer that has experts, and none is dropped.
    """
    routed = tree.by_component().get(_ROUTED, 0)
    experts, used = facts.experts, facts.experts_active
    if not routed or not experts or not used or used > experts or not _as_many_everywhere(tree, experts):
        return None
    one_of_each, left = divmod(routed, experts)
    return None if left else tree.parameters - one_of_each * (experts - used)


def _as_many_everywhere(tree: ModuleNode, experts: int) -> bool:
    """Whether no layer stacks another number of experts than the config's."""
    return all(
        own.shape[0] == experts
        for node in tree.walk()
        for own in node.own
        if len(own.shape) == 3 and [name for name, _ in own.parts] == [_ROUTED]
    )
