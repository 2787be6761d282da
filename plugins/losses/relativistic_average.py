"""The relativistic average loss: each image against the average of the other kind."""

from __future__ import annotations

from typing import Literal

from torch import Tensor
from torch.nn.functional import softplus

from ganlab import Loss, distributed, hookimpl


class RelativisticAverage(Loss):
    """D: f(C(x) - E C(G(z))) + f(E C(x) - C(G(z))). G: the same with x and G(z) exchanged.

    C is the logit, E the average over the batch, and f(t) is -log sigmoid(t) in the standard form,
    (t - 1)^2 for least squares, max(0, 1 - t) for the hinge.
    """

    name = "relativistic-average"
    paper = "Jolicoeur-Martineau, 2018, arXiv:1807.00734, section 4.3 and appendix"
    real_in_g = True

    form: Literal["standard", "least-squares", "hinge"] = "standard"
    """Which loss is made relative: RaSGAN, RaLSGAN or RaHingeGAN."""

    def d(self, real: Tensor, fake: Tensor) -> Tensor:
        of_real, of_fake = distributed.mean(real.mean()), distributed.mean(fake.mean())
        return self._f(real - of_fake) + self._f(of_real - fake)

    def g(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        assert real is not None
        return self.d(fake, real)

    def _f(self, t: Tensor) -> Tensor:
        if self.form == "standard":
            return softplus(-t)
        return (t - 1).square() if self.form == "least-squares" else (1 - t).relu()


@hookimpl
def register_losses() -> list[type[Loss]]:
    return [RelativisticAverage]
