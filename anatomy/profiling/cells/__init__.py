"""The cells of a grid: run each in a process of its own, and keep what it gives."""
