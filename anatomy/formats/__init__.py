"""What a model's weights take in each format that people keep them in."""
