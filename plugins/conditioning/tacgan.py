"""The twin auxiliary classifiers of TAC-GAN."""

from __future__ import annotations

from pydantic import Field
from torch import Tensor, nn

from ganlab import Conditioning, DataSpec, Step, hookimpl

from ._classes import Classifier, cross_entropy


class TACGAN(Conditioning):
    """Add a twin classifier of generated images to AC-GAN, which keeps the images diverse.

    D maximises E_real log C(y | x) + E_fake log C_mi(y | x);
    G maximises E_fake log C(y | x) - E_fake log C_mi(y | x).
    C is AC-GAN's classifier and C_mi the twin. The second term of G removes AC-GAN's preference
    for images that are easy to classify. D's logit does not depend on the label.
    """

    name = "tacgan"
    paper = "Gong et al., 2019, arXiv:1907.02690, section 3.2"

    weight: float = Field(default=1.0, ge=0)
    """Weight of all terms in both networks (lambda_c)."""

    fake: float = Field(default=0.0, ge=0)
    """Weight of a cross-entropy of C on generated images, relative to real images, in D's loss. 0
    as in the paper's analysis, where C is trained on real images only."""

    def auxiliary(self, features: int, spec: DataSpec) -> nn.Module:
        return Twins(features, spec.num_classes)

    def d_terms(self, step: Step, state: nn.Module | None) -> dict[str, Tensor]:
        real, _ = step.real.output.auxiliary[self.name]
        fake, twin = step.fake.output.auxiliary[self.name]
        classes = cross_entropy(real, step.real.y) + self.fake * cross_entropy(fake, step.fake.y)
        return {
            "classes": self.weight * classes,
            "twin": self.weight * cross_entropy(twin, step.fake.y),
        }

    def g_terms(self, step: Step, state: nn.Module | None) -> dict[str, Tensor]:
        fake, twin = step.fake.output.auxiliary[self.name]
        return {
            "classes": self.weight * cross_entropy(fake, step.fake.y),
            "twin": -self.weight * cross_entropy(twin, step.fake.y),
        }


class Twins(nn.Module):
    def __init__(self, features: int, num_classes: int) -> None:
        super().__init__()
        self.own = Classifier(features, num_classes)
        self.twin = Classifier(features, num_classes)

    def forward(self, h: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        return self.own(h, y), self.twin(h, y)


@hookimpl
def register_conditionings() -> list[type[Conditioning]]:
    return [TACGAN]
