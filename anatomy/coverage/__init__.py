"""Every (task, model type) of the installed transformers: built, taken apart and rehearsed, one process each."""
