"""The auxiliary classifier of AC-GAN."""

from __future__ import annotations

from pydantic import Field
from torch import Tensor, nn

from ganlab import Conditioning, DataSpec, Step, hookimpl

from ._classes import Classifier, cross_entropy


class ACGAN(Conditioning):
    """Add the loss of an auxiliary classifier on D's features to the losses of D and G.

    Both networks maximise L_C = E log P(C = c | x_real) + E log P(C = c | x_fake). D's logit does
    not depend on the label.
    """

    name = "acgan"
    paper = "Odena, Olah & Shlens, 2017, arXiv:1610.09585, equation 3"

    real: float = Field(default=1.0, ge=0)
    """Weight of the cross-entropy on real images in D's loss."""

    fake: float = Field(default=1.0, ge=0)
    """Weight of the cross-entropy on generated images in D's loss. 1 in the paper; much later work
    uses 0."""

    generator: float = Field(default=1.0, ge=0)
    """Weight of the cross-entropy on generated images in G's loss."""

    def auxiliary(self, features: int, spec: DataSpec) -> nn.Module:
        return Classifier(features, spec.num_classes)

    def d_terms(self, step: Step, state: nn.Module | None) -> dict[str, Tensor]:
        real = cross_entropy(step.real.output.auxiliary[self.name], step.real.y)
        fake = cross_entropy(step.fake.output.auxiliary[self.name], step.fake.y)
        return {"classes_real": self.real * real, "classes_fake": self.fake * fake}

    def g_terms(self, step: Step, state: nn.Module | None) -> dict[str, Tensor]:
        fake = cross_entropy(step.fake.output.auxiliary[self.name], step.fake.y)
        return {"classes": self.generator * fake}


@hookimpl
def register_conditionings() -> list[type[Conditioning]]:
    return [ACGAN]
