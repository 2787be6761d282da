"""Instance noise: Gaussian noise added to every image that D sees."""

from __future__ import annotations

from torch import Tensor, nn

from ganlab import Augmentation, Step, hookimpl
from ganlab.schedules import Weight


class InstanceNoise(Augmentation):
    """Add Gaussian noise to the real and generated images that D sees: x + std * N(0, I).

    With noise, the distributions of real and generated images overlap, which stabilises training.
    """

    name = "instance-noise"
    paper = (
        "Sønderby et al., 2017, arXiv:1610.04490, section 3; Arjovsky & Bottou, 2017, 1701.04862"
    )

    std: Weight = 0.1
    """Standard deviation of the noise, for pixels in [-1, 1]: a number or a schedule. It is often
    annealed to zero: ``0.1 to 0 over 1000000 images``."""

    def augment(self, x: Tensor, step: Step, state: nn.Module | None) -> Tensor:
        return x + step.now(self.std) * step.randn(*x.shape)


@hookimpl
def register_augmentations() -> list[type[Augmentation]]:
    return [InstanceNoise]
