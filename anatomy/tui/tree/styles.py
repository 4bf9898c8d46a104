"""Colours of the module tree, by the theme's own variables; what a role of a cell is drawn as."""

_FAMILIES = {
    "embedding": "$text-secondary",
    "position": "$text-secondary",
    "head": "$text-secondary",
    "attention": "$text-primary",
    "ffn": "$text-success",
    "experts": "$text-warning",
    "router": "$text-warning",
    "mixer": "$text-accent",
    "vision": "$text-accent",
    "audio": "$text-accent",
    "projector": "$text-error",
    "adapter": "$text-error",
}
"""Family of components -> the theme's colour; all others are drawn as text."""
_MARKS = {
    "tied": "color: $text-accent;",
    "trainable": "color: $text-success; text-style: bold;",
    "frozen": "color: $text-muted;",
    "quantized": "color: $text-secondary;",
    "target": "color: $text-warning; text-style: bold;",
    "adapter": "color: $text-warning;",
}
_LETTERS = {
    "=": "tied",
    "T": "trainable",
    "t": "trainable",
    "F": "frozen",
    "Q": "quantized",
    "L": "target",
    "l": "target",
    "A": "adapter",
}
_ROLES = {
    "header": "color: $text-muted; text-style: underline;",
    "guide": "color: $foreground 30%;",
    "glyph": "color: $text-muted;",
    "label": "color: $foreground;",
    "parameter": "color: $text-muted;",
    "times": "color: $text-muted;",
    "number": "color: $foreground;",
    "kind": "color: $text-muted;",
    "text": "color: $foreground;",
    "cursor": "background: $block-cursor-background; color: $block-cursor-foreground; text-style: $block-cursor-text-style;",
    "cursor-blurred": "background: $block-cursor-blurred-background; color: $block-cursor-blurred-foreground;",
    **_MARKS,
    **{family: f"color: {color};" for family, color in _FAMILIES.items()},
    "adapter": "color: $text-warning;",
}
COMPONENTS = tuple(f"module-tree--{name}" for name in _ROLES)
"""The component classes, to be styled by any style sheet."""
STYLES = "Lines {\n    height: 1fr;\n    overflow-x: hidden;\n    scrollbar-gutter: stable;\n" + "".join(
    f"    & > .module-tree--{name} {{ {style} }}\n" for name, style in _ROLES.items()
)
STYLES += "    &:nocolor > .module-tree--cursor { text-style: reverse; }\n}\n"
"""The widget's own style sheet."""


def class_of(role: str) -> str:
    """The component class of a cell's role: 'mark T' -> 'trainable', 'bar ffn' -> 'ffn', 'number' -> 'number'."""
    kind, _, what = role.partition(" ")
    if kind == "mark":
        return _LETTERS.get(what, "text")
    if kind in ("bar", "word"):
        return what if what in _FAMILIES else "text"
    return kind if kind in _ROLES else "text"
