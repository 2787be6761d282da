"""The conditional contrastive loss of ContraGAN."""

from __future__ import annotations

import torch
from pydantic import Field, PositiveFloat, PositiveInt
from torch import Tensor, nn

from ganlab import Batch, Conditioning, DataSpec, Step, distributed, hookimpl

from ._embeddings import Embeddings, agreement


class ContraGAN(Conditioning):
    """Images of one class attract each other and their class's vector: the 2C loss.

    -log of [exp(l_i . e(y_i) / t) + sum_{k != i, y_k = y_i} exp(l_i . l_k / t)]
    over    [exp(l_i . e(y_i) / t) + sum_{k != i} exp(l_i . l_k / t)]
    with unit vectors l_i of images and e(y) of classes: D at real, G at generated images.
    """

    name = "contragan"
    paper = "Kang & Park, 2020, arXiv:2006.12681, equation 8"

    weight: float = Field(default=1.0, ge=0)
    """Weight of the loss in both networks, lambda."""

    temperature: PositiveFloat = 1.0
    """t: the smaller, the more the nearest neighbours count."""

    size: PositiveInt = 512
    """Length of the vectors."""

    hidden: PositiveInt | None = None
    """Units of a ReLU layer between D's features and the vectors; none by default."""

    def auxiliary(self, features: int, spec: DataSpec) -> nn.Module:
        return Embeddings(features, spec.num_classes, self.size, hidden=self.hidden)

    def d_terms(self, step: Step, state: nn.Module | None) -> dict[str, Tensor]:
        return {"2c": self.weight * self._loss(step.real, step.spec)}

    def g_terms(self, step: Step, state: nn.Module | None) -> dict[str, Tensor]:
        return {"2c": self.weight * self._loss(step.fake, step.spec)}

    def _loss(self, batch: Batch, spec: DataSpec) -> Tensor:
        images, proxies = batch.output.auxiliary[self.name]
        others = distributed.gather(images)  # (N, E), of all processes; n rows are this one's
        itself = distributed.local(torch.eye(len(others), dtype=torch.bool, device=images.device))
        to_proxy = (images * proxies).sum(1, keepdim=True) / self.temperature  # (n, 1)
        to_others = (images @ others.T / self.temperature).masked_fill(itself, -torch.inf)
        agreeing = to_others + agreement(batch.y, spec.num_classes, dtype=images.dtype).log()
        positive = torch.cat([to_proxy, agreeing], dim=1).logsumexp(1)
        everything = torch.cat([to_proxy, to_others], dim=1).logsumexp(1)
        return (everything - positive).mean()


@hookimpl
def register_conditionings() -> list[type[Conditioning]]:
    return [ContraGAN]
