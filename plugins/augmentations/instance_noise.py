"""Instance noise: Gaussian noise on every image that D sees."""

from __future__ import annotations

from torch import Tensor, nn

from ganlab import Augmentation, Step, hookimpl
from ganlab.schedules import Weight


class InstanceNoise(Augmentation):
    """D sees x + std * noise, real and generated images alike: their supports overlap."""

    name = "instance-noise"
    paper = (
        "Sønderby et al., 2017, arXiv:1610.04490, section 3; Arjovsky & Bottou, 2017, 1701.04862"
    )

    std: Weight = 0.1
    """Standard deviation, where pixels go from -1 to 1; it is often annealed to zero:
    ``0.1 to 0 over 1000000 images``."""

    def augment(self, x: Tensor, step: Step, state: nn.Module | None) -> Tensor:
        return x + step.now(self.std) * step.randn(*x.shape)


@hookimpl
def register_augmentations() -> list[type[Augmentation]]:
    return [InstanceNoise]
