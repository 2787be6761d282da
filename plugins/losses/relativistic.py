"""The relativistic pairing loss: each real image is compared with one generated image."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import softplus

from ganlab import Loss, hookimpl


class Relativistic(Loss):
    """D: f(D(G(z)) - D(x)). G: f(D(x) - D(G(z))). f(t) = log(1 + e^t), and D(x) is the logit.

    This is the RSGAN loss -log sigmoid(C(x_r) - C(x_f)). R3GAN combines it with the R1 and R2
    penalties and gives both images of a pair the same label: set ``train.fake_labels: real``.
    """

    name = "relativistic"
    paper = (
        "Jolicoeur-Martineau, 2018, arXiv:1807.00734, section 4.1; "
        "Huang et al., 2024 (R3GAN), arXiv:2501.05441, equation 2"
    )
    real_in_g = True

    def d(self, real: Tensor, fake: Tensor) -> Tensor:
        return softplus(fake - real)

    def g(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        assert real is not None
        return softplus(real - fake)


@hookimpl
def register_losses() -> list[type[Loss]]:
    return [Relativistic]
