"""What was predicted, held against what was measured."""
