"""A separate output of D for each class."""

from __future__ import annotations

from torch import Tensor, nn

from ganlab import Conditioning, DataSpec, hookimpl, one_hot


class MultiDisc(Conditioning):
    """Give D one output per class; the label selects the logit: (W h + b)_y.

    The layer replaces the network's own last layer, so that the classes share no weights in it.
    """

    name = "multi-disc"
    paper = (
        "Mescheder, Geiger & Nowozin, 2018, arXiv:1801.04406, code; Liu et al., 2019, 1905.01723"
    )

    def head(self, features: int, plain: nn.Module, spec: DataSpec) -> nn.Module:
        return Head(features, spec.num_classes)


class Head(nn.Module):
    def __init__(self, features: int, num_classes: int) -> None:
        super().__init__()
        self.rows = nn.Linear(features, num_classes)

    def forward(self, h: Tensor, y: Tensor) -> Tensor:
        logits = self.rows(h)
        return (one_hot(y, logits.shape[1], dtype=logits.dtype) * logits).sum(1)


@hookimpl
def register_conditionings() -> list[type[Conditioning]]:
    return [MultiDisc]
