"""The relativistic average loss: each logit is compared with the mean logit of the other batch."""

from __future__ import annotations

from typing import Literal

from torch import Tensor
from torch.nn.functional import softplus

from ganlab import Loss, distributed, hookimpl


class RelativisticAverage(Loss):
    """D: f(C(x) - E C(G(z))) + f(E C(x) - C(G(z))). G: the same with x and G(z) exchanged.

    C is the logit and E the mean over the batch. f(t) is -log sigmoid(t) for ``standard``,
    (t - 1)^2 for ``least-squares`` and max(0, 1 - t) for ``hinge``.
    """

    name = "relativistic-average"
    paper = "Jolicoeur-Martineau, 2018, arXiv:1807.00734, section 4.3 and appendix"
    real_in_g = True

    form: Literal["standard", "least-squares", "hinge"] = "standard"
    """The loss to make relativistic: ``standard`` (RaSGAN), ``least-squares`` (RaLSGAN) or
    ``hinge`` (RaHingeGAN)."""

    def d(self, real: Tensor, fake: Tensor) -> Tensor:
        mean_real, mean_fake = distributed.mean(real.mean()), distributed.mean(fake.mean())
        return self._f(real - mean_fake) + self._f(mean_real - fake)

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
