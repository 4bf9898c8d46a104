"""What a collator would hand to the model: text, pictures and sound, as the model's own processors make them."""
