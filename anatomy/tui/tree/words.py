"""What a module is, in the field's words."""

from anatomy.architecture.tree import OwnParameter

WORDS: dict[str, tuple[str, str]] = {
    "embedding": ("embedding", "Turns the input into vectors: each token id picks a row of its table."),
    "position": ("position embedding", "Tells positions apart: a vector, or a bias of attention, for each."),
    "attention.query": (
        "query projection",
        "Makes the queries of attention: what each position looks for in the others.",
    ),
    "attention.key": (
        "key projection",
        "Makes the keys of attention: what each position can be found by.",
    ),
    "attention.value": (
        "value projection",
        "Makes the values of attention: what each position hands on when it is looked at.",
    ),
    "attention.output": (
        "output projection of attention",
        "Mixes what the heads have gathered back into the residual stream.",
    ),
    "attention.other": ("part of attention", "Belongs to attention and is no single role in it."),
    "ffn.gate": (
        "gate projection",
        "Decides, through the activation function, how much of each inner feature passes.",
    ),
    "ffn.up": ("up projection", "Widens each position's vector to the inner features of the feed-forward."),
    "ffn.down": ("down projection", "Narrows the inner features back to the residual stream's width."),
    "ffn.other": ("part of the feed-forward", "Belongs to the feed-forward and is no single role in it."),
    "router": ("router", "Scores the experts for each token; the best few compute it."),
    "experts.routed": (
        "routed experts",
        "Feed-forwards of which each token visits a few that the router picks.",
    ),
    "experts.shared": ("shared expert", "A feed-forward beside the routed experts that every token visits."),
    "norm": ("normalization", "Brings each vector to a common scale before or after a block."),
    "mixer": (
        "sequence mixer",
        "Mixes positions without attention: a recurrent or state-space layer, or a convolution.",
    ),
    "vision": ("vision tower", "Part of the encoder that turns images into vectors."),
    "audio": ("audio tower", "Part of the encoder that turns sound into vectors."),
    "projector": ("projector", "Leads from one part, width or stream of the model to another."),
    "pooler": ("pooler", "Makes one vector of the whole sequence, for tasks that judge it as one."),
    "head": ("head", "Turns the last vectors into the model's answer: scores of tokens or classes."),
    "adapter": ("adapter", "Small matrices trained in place of the layer that they stand beside."),
    "other": ("other", "Counted, but none of the components that are told apart."),
    "attention": (
        "attention block",
        "Each position gathers from the others what its queries find among their keys.",
    ),
    "ffn": ("feed-forward block", "Computes on each position's vector alone: widen, activate, narrow."),
    "experts": (
        "mixture of experts",
        "Many feed-forwards and the router that picks a few of them for each token.",
    ),
    "": ("container", "Holds several parts; what they do is said at each of them."),
}
"""Component, or group of components -> what it is called, and what it does."""


def sides(kind: str, component: str, own: OwnParameter) -> str:
    """What a parameter's shape says: 'in 4,096, out 14,336', 'rows 128,256, width 4,096', 'width 4,096'.

    A Linear's matrix has shape (out, in), GPT-2's Conv1D's (in, out), an embedding's (rows, width). Where the class is
    not known, or the shape has other axes, it is given as it is.
    """
    shape = [f"{side:,}" for side in own.shape]
    if len(shape) == 1:
        return f"width {shape[0]}"
    if len(shape) == 2 and ("Embedding" in kind or (not kind and component in ("embedding", "position"))):
        return f"rows {shape[0]}, width {shape[1]}"
    if len(shape) == 2 and kind == "Conv1D":
        return f"in {shape[0]}, out {shape[1]}"
    if len(shape) == 2 and kind.endswith("Linear"):
        return f"in {shape[1]}, out {shape[0]}"
    return " × ".join(shape) or "one number"
