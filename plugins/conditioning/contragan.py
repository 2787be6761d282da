"""The conditional contrastive loss of ContraGAN."""

from __future__ import annotations

import torch
from pydantic import Field, PositiveFloat, PositiveInt
from torch import Tensor, nn

from ganlab import Batch, Conditioning, DataSpec, Step, distributed, hookimpl

from ._embeddings import Embeddings, agreement


class ContraGAN(Conditioning):
    """Pull images of the same class and their class embedding together: the 2C loss.

    -log of [exp(l_i . e(y_i) / t) + sum_{k != i, y_k = y_i} exp(l_i . l_k / t)]
    over    [exp(l_i . e(y_i) / t) + sum_{k != i} exp(l_i . l_k / t)]
    with unit vectors l_i of images and e(y) of classes. D minimises it on real images and G on
    generated images.
    """

    name = "contragan"
    paper = "Kang & Park, 2020, arXiv:2006.12681, equation 8"

    weight: float = Field(default=1.0, ge=0)
    """Weight of the 2C loss in both networks (lambda)."""

    temperature: PositiveFloat = 1.0
    """Temperature t. A smaller value gives more weight to the nearest neighbours."""

    size: PositiveInt = 512
    """Dimension of the embeddings."""

    hidden: PositiveInt | None = None
    """Width of a ReLU layer between D's features and the embeddings. null: no such layer."""

    def auxiliary(self, features: int, spec: DataSpec) -> nn.Module:
        return Embeddings(features, spec.num_classes, self.size, hidden=self.hidden)

    def d_terms(self, step: Step, state: nn.Module | None) -> dict[str, Tensor]:
        return {"2c": self.weight * self._loss(step.real, step.spec)}

    def g_terms(self, step: Step, state: nn.Module | None) -> dict[str, Tensor]:
        return {"2c": self.weight * self._loss(step.fake, step.spec)}

    def _loss(self, batch: Batch, spec: DataSpec) -> Tensor:
        images, proxies = batch.output.auxiliary[self.name]
        all_images = distributed.gather(images)  # (N, E) of all processes; n rows of this process
        diagonal = torch.eye(len(all_images), dtype=torch.bool, device=images.device)
        same_image = distributed.local(diagonal)  # (n, N)
        to_proxy = (images * proxies).sum(1, keepdim=True) / self.temperature  # (n, 1)
        to_images = (images @ all_images.T / self.temperature).masked_fill(same_image, -torch.inf)
        same_class = to_images + agreement(batch.y, spec.num_classes, dtype=images.dtype).log()
        numerator = torch.cat([to_proxy, same_class], dim=1).logsumexp(1)
        denominator = torch.cat([to_proxy, to_images], dim=1).logsumexp(1)
        return (denominator - numerator).mean()


@hookimpl
def register_conditionings() -> list[type[Conditioning]]:
    return [ContraGAN]
