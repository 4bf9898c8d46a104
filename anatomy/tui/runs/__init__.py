"""Measurements beside their predictions."""
