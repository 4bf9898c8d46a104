"""An LSTM language model of one's own: what it is made of, and what a training step of it needs.

anatomy show examples/lstm_lm.py:build
anatomy plan examples/lstm_lm.py:build --batch-size 32 --seq-len 256

Both run this file. `build` makes the model, `inputs` its arguments; the model returns a loss first.
"""

import torch
from torch import nn

VOCABULARY, WIDTH, HIDDEN, LAYERS = 10_000, 256, 512, 2


class LanguageModel(nn.Module):
    """Embedding, LSTM, a head over the vocabulary."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, WIDTH)
        self.lstm = nn.LSTM(WIDTH, HIDDEN, LAYERS, batch_first=True)
        self.head = nn.Linear(HIDDEN, VOCABULARY)

    def forward(self, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(mean loss of each next token, logits) of tokens [batch, length]."""
        states, _ = self.lstm(self.embedding(tokens))
        logits = self.head(states)
        loss = nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), tokens[:, 1:].flatten())
        return loss, logits


def build() -> nn.Module:
    """The model."""
    return LanguageModel()


def inputs(batch_size: int, seq_len: int) -> dict[str, torch.Tensor]:
    """A batch of random tokens."""
    return {"tokens": torch.randint(0, VOCABULARY, (batch_size, seq_len))}
