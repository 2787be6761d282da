"""The data-to-data cross-entropy of ReACGAN."""

from __future__ import annotations

import torch
from pydantic import Field, PositiveFloat, PositiveInt
from torch import Tensor, nn

from ganlab import Batch, Conditioning, DataSpec, Step, distributed, hookimpl

from ._embeddings import Embeddings, agreement


class ReACGAN(Conditioning):
    """An auxiliary classifier that tells images of different classes apart: the D2D-CE loss.

    -log of exp([f_i . v_{y_i} - m_p]_- / tau)
    over    exp([f_i . v_{y_i} - m_p]_- / tau) + sum_{y_j != y_i} exp([f_i . f_j - m_n]_+ / tau)
    with unit vectors f_i of images and v_y of classes, [.]_- = min(., 0), [.]_+ = max(., 0): D at
    real, G at generated images. What is close, or far, enough no longer counts.
    """

    name = "reacgan"
    paper = "Kang et al., 2021, arXiv:2111.01118, equation 8"

    weight: float = Field(default=1.0, ge=0)
    """Weight of the loss in both networks, lambda."""

    temperature: PositiveFloat = 0.5
    """tau: the smaller, the more the hardest negatives count."""

    m_p: float = Field(default=0.98, ge=-1, le=1)
    """Similarity to its class's vector beyond which an image is left in peace."""

    m_n: float = Field(default=0.02, ge=-1, le=1)
    """Similarity to an image of another class below which it is left in peace."""

    size: PositiveInt = 512
    """Length of the vectors."""

    def auxiliary(self, features: int, spec: DataSpec) -> nn.Module:
        return Embeddings(features, spec.num_classes, self.size)

    def d_terms(self, step: Step, state: nn.Module | None) -> dict[str, Tensor]:
        return {"d2d_ce": self.weight * self._loss(step.real, step.spec)}

    def g_terms(self, step: Step, state: nn.Module | None) -> dict[str, Tensor]:
        return {"d2d_ce": self.weight * self._loss(step.fake, step.spec)}

    def _loss(self, batch: Batch, spec: DataSpec) -> Tensor:
        images, proxies = batch.output.auxiliary[self.name]
        own = ((images * proxies).sum(1, keepdim=True) - self.m_p).clamp(max=0)  # (n, 1)
        whole = distributed.gather(images)  # (N, E), of all processes; n rows are this one's
        others = (images @ whole.T - self.m_n).clamp(min=0)
        # Rows of soft labels agree with themselves by less than 1, and are no negative still.
        itself = distributed.local(torch.eye(len(whole), dtype=torch.bool, device=images.device))
        negative = 1 - agreement(batch.y, spec.num_classes, dtype=images.dtype)
        others = others / self.temperature + negative.masked_fill(itself, 0).clamp(min=0).log()
        own = own / self.temperature
        return (torch.cat([own, others], dim=1).logsumexp(1) - own[:, 0]).mean()


@hookimpl
def register_conditionings() -> list[type[Conditioning]]:
    return [ReACGAN]
