"""The module tree and its details: what a model is made of, walked through."""
