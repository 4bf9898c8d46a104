"""A measured run beside its prediction, as a Document."""
