"""The data-to-data cross-entropy of ReACGAN."""

from __future__ import annotations

import torch
from pydantic import Field, PositiveFloat, PositiveInt
from torch import Tensor, nn

from ganlab import Batch, Conditioning, DataSpec, Step, distributed, hookimpl

from ._embeddings import Embeddings, agreement


class ReACGAN(Conditioning):
    """Pull images to their class embedding and away from images of other classes: D2D-CE.

    -log of exp([f_i . v_{y_i} - m_p]_- / tau)
    over    exp([f_i . v_{y_i} - m_p]_- / tau) + sum_{y_j != y_i} exp([f_i . f_j - m_n]_+ / tau)
    with unit vectors f_i of images and v_y of classes, [.]_- = min(., 0) and [.]_+ = max(., 0).
    The margins m_p and m_n remove the gradient of easy positives and easy negatives. D minimises
    the loss on real images and G on generated images.
    """

    name = "reacgan"
    paper = "Kang et al., 2021, arXiv:2111.01118, equation 8"

    weight: float = Field(default=1.0, ge=0)
    """Weight of the D2D-CE loss in both networks (lambda)."""

    temperature: PositiveFloat = 0.5
    """Temperature tau. A smaller value gives more weight to the hardest negatives."""

    m_p: float = Field(default=0.98, ge=-1, le=1)
    """Positive margin: cosine similarity to the class embedding above which an image has no
    gradient from this term."""

    m_n: float = Field(default=0.02, ge=-1, le=1)
    """Negative margin: cosine similarity to an image of another class below which the pair has no
    gradient."""

    size: PositiveInt = 512
    """Dimension of the embeddings."""

    def auxiliary(self, features: int, spec: DataSpec) -> nn.Module:
        return Embeddings(features, spec.num_classes, self.size)

    def d_terms(self, step: Step, state: nn.Module | None) -> dict[str, Tensor]:
        return {"d2d_ce": self.weight * self._loss(step.real, step.spec)}

    def g_terms(self, step: Step, state: nn.Module | None) -> dict[str, Tensor]:
        return {"d2d_ce": self.weight * self._loss(step.fake, step.spec)}

    def _loss(self, batch: Batch, spec: DataSpec) -> Tensor:
        images, proxies = batch.output.auxiliary[self.name]
        positive = ((images * proxies).sum(1, keepdim=True) - self.m_p).clamp(max=0)  # (n, 1)
        all_images = distributed.gather(images)  # (N, E) of all processes; n rows of this process
        negative = (images @ all_images.T - self.m_n).clamp(min=0)  # (n, N)
        other_class = 1 - agreement(batch.y, spec.num_classes, dtype=images.dtype)
        # A soft label agrees with itself by less than 1, but an image is no negative of itself.
        diagonal = torch.eye(len(all_images), dtype=torch.bool, device=images.device)
        other_class = other_class.masked_fill(distributed.local(diagonal), 0).clamp(min=0)
        negative = negative / self.temperature + other_class.log()
        positive = positive / self.temperature
        return (torch.cat([positive, negative], dim=1).logsumexp(1) - positive[:, 0]).mean()


@hookimpl
def register_conditionings() -> list[type[Conditioning]]:
    return [ReACGAN]
