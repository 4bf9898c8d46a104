"""A training step on a real device -> Measurement, with no dispatch mode active; kept as a file."""
