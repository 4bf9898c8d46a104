"""A planned run, as a Document."""
