"""Bases whose weights are packed: quantized as they are loaded, or stored so."""
