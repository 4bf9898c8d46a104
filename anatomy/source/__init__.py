"""A reference -> Blueprint: where a model's facts come from. Reads descriptions, never weights; imports no torch."""

from anatomy.source.locate import load
from anatomy.source.overrides import parse_override

__all__ = ["load", "parse_override"]
