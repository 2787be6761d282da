"""InfoGAN: latent codes that can be predicted from the image, learned without real labels."""

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
    """Give G latent codes c in addition to noise; a network Q on D's features predicts c.

    Both networks maximise lambda * L_I with L_I = E log Q(c | x) + H(c) <= I(c; G(z, c)). The
    categorical code is the label given to G. The continuous codes are uniform on [-1, 1] and are
    computed from the first elements of the noise. No real label is used: D does not see labels, so
    the meaning of each code is learned.
    """

    name = "infogan"
    paper = "Chen et al., 2016, arXiv:1606.03657, equations 5 and 6"

    categorical: float = Field(default=1.0, ge=0)
    """Weight lambda of the categorical code. 1 in the paper."""

    continuous: float = Field(default=0.1, ge=0)
    """Weight lambda of the continuous codes. The authors' code uses 1, PyTorch-StudioGAN 0.1."""

    codes: NonNegativeInt = 2
    """Number of continuous codes. It must be smaller than ``train.z_dim``."""

    fixed_std: bool = True
    """Fix the standard deviation that Q predicts for continuous codes at 1. false: learn it."""

    hidden: PositiveInt = 128
    """Width of Q's hidden layer. Q's input is D's features."""

    def latent(self, z_dim: int, spec: DataSpec) -> nn.Module:
        if self.codes >= z_dim:
            message = f"infogan needs train.z_dim > codes; got z_dim {z_dim}, codes {self.codes}"
            raise ConfigError([Problem("conditioning", message)])
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
