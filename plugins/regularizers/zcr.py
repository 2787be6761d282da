"""Latent consistency regularization of D and G."""

from __future__ import annotations

from pydantic import Field
from torch import Tensor, nn

from ganlab import Penalty, Regularizer, Step, hookimpl
from ganlab.schedules import Weight


class LatentConsistency(Penalty):
    """Make D insensitive and G sensitive to a small change of the noise.

    D: d * E |D(G(z, y), y) - D(G(z + dz, y), y)|^2.
    G: -g * E mean_pixels (G(z, y) - G(z + dz, y))^2. dz ~ N(0, sigma^2).
    """

    name = "zcr"
    paper = "Zhao et al., 2021, arXiv:2002.04724, algorithm 2"

    d: Weight = 5.0
    """Weight of D's term (lambda_dis): a number or a schedule. 5 in the paper."""

    g: Weight = 0.5
    """Weight of G's term (lambda_gen): a number or a schedule. The term enters G's loss with a
    negative sign, so that G maximises the difference. 0.5 in the paper."""

    sigma: float = Field(default=0.03, gt=0)
    """Standard deviation of dz. The noise z has a standard deviation of 1."""

    def d_terms(self, step: Step, state: nn.Module | None) -> dict[str, Tensor]:
        neighbours = self._neighbours(step)
        difference = step.fake.output.logit - step.discriminate(neighbours, step.fake.y).logit
        return {"zcr": step.now(self.d) * difference.square().mean()}

    def g_terms(self, step: Step, state: nn.Module | None) -> dict[str, Tensor]:
        return {"zcr": -step.now(self.g) * (step.fake.x - self._neighbours(step)).square().mean()}

    def _neighbours(self, step: Step) -> Tensor:
        """Return G(z + dz, y) for the noise z and the labels y of the generated batch."""
        z = step.fake.z
        assert z is not None
        return step.generate(z + self.sigma * step.randn(*z.shape), step.fake.y)


@hookimpl
def register_regularizers() -> list[type[Regularizer]]:
    return [LatentConsistency]
