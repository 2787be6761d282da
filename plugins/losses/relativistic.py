"""The relativistic loss: each real image against one generated image."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import softplus

from ganlab import Loss, hookimpl


class Relativistic(Loss):
    """D: f(D(G(z)) - D(x)). G: f(D(x) - D(G(z))). f(t) = log(1 + e^t), and D is the logit.

    It is RSGAN's -log sigmoid(C(x_r) - C(x_f)), and what R3GAN pairs with R1 and R2 penalties.
    There a pair has one label: set ``train.fake_labels: real``.
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
