"""A dress rehearsal for fine-tuning transformers: what a model is made of, what a run needs, whether it fits."""

__version__ = "0.1.0"
