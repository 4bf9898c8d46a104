"""The losses that a recipe can name, and the passes of DPO."""
