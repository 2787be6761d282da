"""The auxiliary classifier and its loss, shared by the AC-GAN family of schemes."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import log_softmax

from ganlab import one_hot


class Classifier(nn.Module):
    """A linear layer on D's features: (h (N, F), y) -> logits (N, outputs). y is ignored."""

    def __init__(self, features: int, outputs: int) -> None:
        super().__init__()
        self.linear = nn.Linear(features, outputs)

    def forward(self, h: Tensor, y: Tensor) -> Tensor:
        return self.linear(h)


def cross_entropy(logits: Tensor, y: Tensor, *, first: int = 0) -> Tensor:
    """Return the mean cross-entropy -E log p(first + y | x), 0-d.

    ``logits`` are (N, outputs); the labels ``y`` are indices (N,) or rows (N, K). Class k of the
    labels is output ``first + k``.
    """
    log_p = log_softmax(logits, dim=1)
    rows = one_hot(y, logits.shape[1] - first, dtype=logits.dtype)
    return -(rows * log_p[:, first : first + rows.shape[1]]).sum(1).mean()
