"""Checkpoints that are quantized already: how they are stored, and what training adapters over them runs."""
