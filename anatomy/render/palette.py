"""Colours, letters and hatches: one table for every picture.

The colours are those of Okabe and Ito (https://jfly.uni-koeln.de/color/), which colour-blind people tell apart, and grey.
Every one goes with a letter or a hatch, because there may be no colour.
"""

from collections.abc import Mapping

from anatomy.memory.timeline import Category

CATEGORY_COLORS: dict[Category, str] = {
    Category.WEIGHTS: "#0072b2",
    Category.QUANTIZATION: "#56b4e9",
    Category.ADAPTERS: "#009e73",
    Category.BUFFERS: "#7f7f7f",
    Category.GRADIENTS: "#e69f00",
    Category.OPTIMIZER: "#cc79a7",
    Category.ACTIVATIONS: "#d55e00",
    Category.LOGITS: "#b8a800",
    Category.TEMPORARIES: "#a8a8a8",
    Category.WORKSPACES: "#5f5f5f",
}
"""Category -> colour, the same on dark and on light."""

CATEGORY_LETTERS: dict[Category, str] = {
    Category.WEIGHTS: "W",
    Category.QUANTIZATION: "Q",
    Category.ADAPTERS: "A",
    Category.BUFFERS: "B",
    Category.GRADIENTS: "G",
    Category.OPTIMIZER: "O",
    Category.ACTIVATIONS: "a",
    Category.LOGITS: "L",
    Category.TEMPORARIES: "t",
    Category.WORKSPACES: "w",
}
"""Category -> the letter that stands for it where there is no colour."""

CATEGORY_HATCHES: dict[Category, str] = {
    Category.WEIGHTS: "",
    Category.QUANTIZATION: "+++",
    Category.ADAPTERS: "xxx",
    Category.BUFFERS: "//--",
    Category.GRADIENTS: "\\\\\\",
    Category.OPTIMIZER: "---",
    Category.ACTIVATIONS: "///",
    Category.LOGITS: "|||",
    Category.TEMPORARIES: "",
    Category.WORKSPACES: "\\\\||",
}
"""Category -> the hatch that tells it from the others where colours are printed in grey, as matplotlib writes it."""

COMPONENT_COLORS: dict[str, str] = {
    "embedding": "#009e73",
    "position": "#66c5ab",
    "attention.query": "#0072b2",
    "attention.key": "#56b4e9",
    "attention.value": "#7fa9d6",
    "attention.output": "#004a80",
    "attention.other": "#9ec9e8",
    "ffn.gate": "#e69f00",
    "ffn.up": "#f2c14e",
    "ffn.down": "#b97a00",
    "ffn.other": "#f7dca0",
    "router": "#7a5195",
    "experts.routed": "#d55e00",
    "experts.shared": "#f0986b",
    "norm": "#5f5f5f",
    "mixer": "#b8a800",
    "vision": "#8f6bb0",
    "audio": "#b79fd0",
    "projector": "#d9c9e8",
    "pooler": "#a8a8a8",
    "head": "#cc79a7",
    "adapter": "#00c08c",
    "other": "#c8c8c8",
}
"""Component -> colour: one hue a family, its members in steps of lightness. Each also bears its name."""

CONTAINER_COLOR = "#e6e6e6"
"""Of a module that holds several components."""


def luminance(color: str) -> float:
    """Relative luminance of '#rrggbb', from 0 (black) to 1 (white), as WCAG 2.2 defines it."""
    channels = (int(color[at : at + 2], 16) / 255 for at in (1, 3, 5))
    linear = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def readable_on(color: str) -> str:
    """Black or white, whichever has more contrast on a colour."""
    # Contrast is (lighter + 0.05) / (darker + 0.05): black and white are equally far at sqrt(1.05 * 0.05) - 0.05.
    return "#000000" if luminance(color) > 0.179 else "#ffffff"


def component_color(name: str, colors: Mapping[str, str] = COMPONENT_COLORS) -> str:
    """The colour of a component; a container's for ''; of a group ('attention') its first member's."""
    if not name:
        return CONTAINER_COLOR
    return colors.get(name) or next(
        (color for known, color in colors.items() if known.startswith(f"{name}.")), colors["other"]
    )


OKABE_ITO = ("#0072b2", "#e69f00", "#009e73", "#d55e00", "#56b4e9", "#cc79a7", "#f0e442", "#5f5f5f")
"""Their colours in an order in which neighbours differ in lightness too, for groups that have no colour of their own."""
