"""What a model keeps while it writes."""
