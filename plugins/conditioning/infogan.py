"""InfoGAN: codes that can be read off the images, found without any real label."""

from __future__ import annotations

import math

import torch
from pydantic import Field, NonNegativeInt, PositiveInt
from torch import Tensor, nn

from ganlab import Conditioning, DataSpec, Step, hookimpl
from ganlab.errors import ConfigError, Problem

from ._classes import cross_entropy
from ._codes import Code, Q, uniform


class InfoGAN(Conditioning):
    """G draws from a code c besides noise, and Q reads c off the image. D sees no label.

    Both networks maximise lambda * L_I, L_I = E log Q(c | x) + H(c) <= I(c; G(z, c)), for a code
    with a value for each class, which is the label that G is given, and for continuous codes,
    uniform on [-1, 1], made of the first numbers of the noise.
    """

    name = "infogan"
    paper = "Chen et al., 2016, arXiv:1606.03657, equations 5 and 6"

    categorical: float = Field(default=1.0, ge=0)
    """lambda of the categorical code."""

    continuous: float = Field(default=0.1, ge=0)
    """lambda of the continuous codes. The authors' code has 1, PyTorch-StudioGAN 0.1."""

    codes: NonNegativeInt = 2
    """How many continuous codes."""

    fixed_std: bool = True
    """Q's standard deviation of continuous codes is 1; else it is learned."""

    hidden: PositiveInt = 128
    """Units of Q's hidden layer, on top of D's features."""

    def latent(self, z_dim: int, spec: DataSpec) -> nn.Module:
        if self.codes >= z_dim:
            what = f"infogan makes {self.codes} codes of noise, and train.z_dim is {z_dim}"
            raise ConfigError([Problem("conditioning", f"{what}; make it larger than the codes")])
        return Code(z_dim, spec.num_classes, self.codes)

    def auxiliary(self, features: int, spec: DataSpec) -> nn.Module:
        outputs = spec.num_classes + (1 if self.fixed_std else 2) * self.codes
        return Q(features, self.hidden, outputs)

    def d_terms(self, step: Step, state: nn.Module | None) -> dict[str, Tensor]:
        k, n = step.spec.num_classes, self.codes
        assert step.fake.z is not None
        out = step.fake.output.auxiliary[self.name]
        bound = math.log(k) - cross_entropy(out[:, :k], step.fake.y)
        terms = {"info_categorical": -self.categorical * bound}
        if n:
            log_std = out[:, k + n :] if not self.fixed_std else torch.zeros_like(out[:, k:])
            z_score = (uniform(step.fake.z[:, :n]) - out[:, k : k + n]) * (-log_std).exp()
            log_q = -0.5 * (z_score.square() + math.log(2 * math.pi)) - log_std
            bound = log_q.sum(1).mean() + n * math.log(2)
            terms["info_continuous"] = -self.continuous * bound
        return terms

    def g_terms(self, step: Step, state: nn.Module | None) -> dict[str, Tensor]:
        return self.d_terms(step, state)


@hookimpl
def register_conditionings() -> list[type[Conditioning]]:
    return [InfoGAN]
