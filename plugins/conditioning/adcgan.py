"""The auxiliary discriminative classifier of ADC-GAN."""

from __future__ import annotations

from pydantic import Field
from torch import Tensor, nn

from ganlab import Conditioning, DataSpec, Step, hookimpl

from ._classes import Classifier, cross_entropy


class ADCGAN(Conditioning):
    """Train a classifier with 2K outputs: each class once as real and once as generated.

    D maximises E_real log C(y, real | x) + E_fake log C(y, fake | x);
    G maximises E_fake log C(y, real | x) - E_fake log C(y, fake | x).
    D's logit does not depend on the label.
    """

    name = "adcgan"
    paper = "Hou et al., 2022, arXiv:2107.10060, section 4"

    weight: float = Field(default=1.0, ge=0)
    """Weight of all terms in both networks (lambda)."""

    def auxiliary(self, features: int, spec: DataSpec) -> nn.Module:
        return Classifier(features, 2 * spec.num_classes)

    def d_terms(self, step: Step, state: nn.Module | None) -> dict[str, Tensor]:
        real = cross_entropy(step.real.output.auxiliary[self.name], step.real.y)
        return {"classes_real": self.weight * real, "classes_fake": self.weight * self._fake(step)}

    def g_terms(self, step: Step, state: nn.Module | None) -> dict[str, Tensor]:
        real = cross_entropy(step.fake.output.auxiliary[self.name], step.fake.y)
        return {"classes_real": self.weight * real, "classes_fake": -self.weight * self._fake(step)}

    def _fake(self, step: Step) -> Tensor:
        """Return -E_fake log C(y, fake | x), from the second half of the outputs."""
        logits = step.fake.output.auxiliary[self.name]
        return cross_entropy(logits, step.fake.y, first=step.spec.num_classes)


@hookimpl
def register_conditionings() -> list[type[Conditioning]]:
    return [ADCGAN]
