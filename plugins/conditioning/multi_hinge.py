"""The multi-class hinge loss of MHingeGAN."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ganlab import Batch, Conditioning, DataSpec, Step, hookimpl, one_hot


class MultiHinge(Conditioning):
    """Replace the loss by a multi-class hinge loss over K classes and the class "generated".

    D: max(0, 1 - s_y(x) + s_{not y}(x)) + max(0, 1 - s_{K+1}(G) + s_{not K+1}(G)).
    G: max(0, 1 - s_y(G) + s_{not y}(G)), where s_{not k} is the largest of the other scores.
    D's logit, which the log and gradient penalties use, is s_y - s_{K+1}. The authors' code trains
    G with feature matching and adds this loss with weight 0.05. Here it is G's only loss.
    """

    name = "multi-hinge"
    paper = "Kavalerov, Czaja & Chellappa, 2019, arXiv:1912.04216 (version 1: K + 1 classes)"
    replaces_loss = True

    def head(self, features: int, plain: nn.Module, spec: DataSpec) -> nn.Module:
        return Head(features, spec.num_classes)

    def adversarial(
        self, step: Step, plain: Callable[[], Tensor], state: nn.Module | None
    ) -> Tensor:
        if step.role == "generator":
            return self._label_loss(step.fake)
        generated = margins(step.fake.output.auxiliary[self.name])[:, -1]
        return self._label_loss(step.real) + generated

    def _label_loss(self, batch: Batch) -> Tensor:
        """Return max(0, 1 - s_y + s_{not y}) for each image, (N,)."""
        losses = margins(batch.output.auxiliary[self.name])[:, :-1]
        return (one_hot(batch.y, losses.shape[1], dtype=losses.dtype) * losses).sum(1)


def margins(scores: Tensor) -> Tensor:
    """Return max(0, 1 - s_k + s_{not k}) for every class k, (N, K + 1), from scores (N, K + 1)."""
    top = scores.topk(2, dim=1)
    classes = torch.arange(scores.shape[1], device=scores.device)
    others = torch.where(classes == top.indices[:, :1], top.values[:, 1:], top.values[:, :1])
    return torch.relu(1 - scores + others)


class Head(nn.Module):
    def __init__(self, features: int, num_classes: int) -> None:
        super().__init__()
        self.scores = nn.Linear(features, num_classes + 1)

    def forward(self, h: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        scores = self.scores(h)
        selected = one_hot(y, scores.shape[1] - 1, dtype=scores.dtype) * scores[:, :-1]
        return selected.sum(1) - scores[:, -1], scores


@hookimpl
def register_conditionings() -> list[type[Conditioning]]:
    return [MultiHinge]
