"""Muon, of torch.optim since 2.9: no Trainer makes it, so it is put together here as its author describes.

Jordan et al. 2024 (kellerjordan.github.io/posts/muon): matrices of hidden layers with Muon; embeddings, the head, and
what is no matrix (norms, biases, fused experts) with AdamW, here in the Trainer's groups and with its fused kernel.
"""

from collections.abc import Iterable
from typing import Any

import torch


class Several(torch.optim.Optimizer):
    """Optimizers over parts of one model's parameters, stepped one after the other."""

    def __init__(self, optimizers: Iterable[torch.optim.Optimizer]) -> None:
        self.optimizers = tuple(optimizers)
        super().__init__([{**group} for part in self.optimizers for group in part.param_groups], {})

    def step(self, closure: Any = None) -> None:
        """One step of each."""
        for part in self.optimizers:
            part.step()


def muon(trainer: Any) -> Several:
    """Muon and AdamW over the model of a Trainer that has no more than its arguments."""
    model, args = trainer.model, trainer.args
    hidden = hidden_matrices(model)
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    decayed = set(trainer.get_decay_parameter_names(model))
    rest = [(name in decayed, p) for name, p in named if id(p) not in hidden]
    groups = [
        {"params": [p for decays, p in rest if decays is wanted], "weight_decay": decay}
        for wanted, decay in ((True, args.weight_decay), (False, 0.0))
    ]
    groups = [group for group in groups if group["params"]]
    matrices = [p for _, p in named if id(p) in hidden]
    parts: list[torch.optim.Optimizer] = []
    if matrices:
        parts.append(torch.optim.Muon(matrices, lr=args.learning_rate, weight_decay=args.weight_decay))
    if groups:
        parts.append(torch.optim.AdamW(groups, lr=args.learning_rate, fused=True))
    return Several(parts)


def hidden_matrices(model: Any) -> set[int]:
    """Ids of the trained matrices that are neither an embedding's nor the head's."""
    outside = [module for module in model.modules() if isinstance(module, torch.nn.Embedding)]
    head = getattr(model, "get_output_embeddings", lambda: None)()
    kept = {id(p) for module in (*outside, *([] if head is None else [head])) for p in module.parameters()}
    return {id(p) for p in model.parameters() if p.requires_grad and p.ndim == 2 and id(p) not in kept}
