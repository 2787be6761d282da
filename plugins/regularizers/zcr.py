"""Latent consistency regularization: of D and of G, on the noise."""

from __future__ import annotations

from pydantic import Field
from torch import Tensor, nn

from ganlab import Penalty, Regularizer, Step, hookimpl
from ganlab.schedules import Weight


class LatentConsistency(Penalty):
    """D says the same of images of neighbouring noise, which G makes different.

    D: d * E |D(G(z, y), y) - D(G(z + dz, y), y)|^2. G: -g * E mean_pixels (G(z, y) -
    G(z + dz, y))^2. dz ~ N(0, sigma^2).
    """

    name = "zcr"
    paper = "Zhao et al., 2021, arXiv:2002.04724, algorithm 2"

    d: Weight = 5.0
    """Weight of D's term (lambda_dis)."""

    g: Weight = 0.5
    """Weight of G's term (lambda_gen), whose sign is negative."""

    sigma: float = Field(default=0.03, gt=0)
    """Standard deviation of the change of the noise."""

    def d_terms(self, step: Step, state: nn.Module | None) -> dict[str, Tensor]:
        beside = self._beside(step)
        difference = step.fake.output.logit - step.discriminate(beside, step.fake.y).logit
        return {"zcr": step.now(self.d) * difference.square().mean()}

    def g_terms(self, step: Step, state: nn.Module | None) -> dict[str, Tensor]:
        return {"zcr": -step.now(self.g) * (step.fake.x - self._beside(step)).square().mean()}

    def _beside(self, step: Step) -> Tensor:
        """Return images of the same labels and of noise close by."""
        z = step.fake.z
        assert z is not None
        return step.generate(z + self.sigma * step.randn(*z.shape), step.fake.y)


@hookimpl
def register_regularizers() -> list[type[Regularizer]]:
    return [LatentConsistency]
