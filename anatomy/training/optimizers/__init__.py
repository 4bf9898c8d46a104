"""The optimizers that a recipe can name: what each is, and how the Trainer makes it."""
