"""Colours and letters of categories: one table for every picture in the terminal.

The colours are those of Okabe and Ito (https://jfly.uni-koeln.de/color/), which colour-blind people tell apart, and grey.
Every one goes with a letter, because there may be no colour.
"""

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
