"""What the schemes with an auxiliary classifier share."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import log_softmax

from ganlab import one_hot


class Classifier(nn.Module):
    """A linear layer on D's features, which never sees the label: (h, y) -> (N, outputs)."""

    def __init__(self, features: int, outputs: int) -> None:
        super().__init__()
        self.linear = nn.Linear(features, outputs)

    def forward(self, h: Tensor, y: Tensor) -> Tensor:
        return self.linear(h)


def cross_entropy(logits: Tensor, y: Tensor, *, first: int = 0) -> Tensor:
    """Return -E log p(first + y | x) from logits (N, outputs), for indices or (N, K) rows."""
    log_p = log_softmax(logits, dim=1)
    rows = one_hot(y, logits.shape[1] - first, dtype=logits.dtype)
    return -(rows * log_p[:, first : first + rows.shape[1]]).sum(1).mean()
