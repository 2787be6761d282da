"""Path length regularization of StyleGAN2."""

from __future__ import annotations

from typing import Any

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from ganlab import DataSpec, Penalty, Regularizer, Step, distributed, hookimpl
from ganlab.schedules import Weight


class PathLength(Penalty):
    """Make a step in w change the image by the same amount everywhere.

    weight * E (|J_w^T u| - a)^2 with J_w^T u = grad_w (G(w) * u) and u ~ N(0, 1 / (H W)) for each
    pixel; a is the running mean of the lengths |J_w^T u|. w is the first output of ``G.map``. If
    each layer has its own w, the length is the root of the mean square over layers. The penalty
    requires a double backward through G.
    """

    name = "path-length"
    paper = "Karras et al., 2020, arXiv:1912.04958, equation 4"

    weight: Weight = 2.0
    """Weight of the penalty (gamma_pl): a number or a schedule. 2 in the authors' code."""

    decay: float = Field(default=0.99, ge=0, lt=1)
    """Decay of the running mean at each evaluation: the fraction of the old value to keep."""

    batch_shrink: PositiveInt = 2
    """Divide the batch size by this number for the penalty, because it needs much memory. At
    least two images are used."""

    every: int = Field(default=4, ge=1)
    """Add the term in every k-th update only, multiplied by k (lazy regularization). 4 in the
    authors' code."""

    def state(self, spec: DataSpec) -> nn.Module:
        return RunningMean()

    def g_terms(self, step: Step, state: Any) -> dict[str, Tensor]:
        assert step.fake.z is not None
        labels = distributed.gather(step.fake.y)
        # Batch normalisation needs at least two images.
        labels = distributed.local(labels[: max(2, len(labels) // self.batch_shrink)])
        with step.double_backward():
            z = step.randn(len(labels), step.fake.z.shape[1])
            latents = step.G.map(z, labels)  # type: ignore[operator]
            if not latents.w.requires_grad:  # the mapping has no learned parameters
                latents = latents._replace(w=latents.w.detach().requires_grad_())
            images = step.G.synthesize(latents)  # type: ignore[operator]
            pixels = step.randn(*images.shape) / (images.shape[2] * images.shape[3]) ** 0.5
            (gradient,) = torch.autograd.grad((images * pixels).sum(), latents.w, create_graph=True)
        layers = gradient.shape[1] if gradient.dim() == 3 else 1
        lengths = gradient.flatten(1).norm(dim=1) / layers**0.5
        with torch.no_grad():
            state.mean.lerp_(distributed.mean(lengths.mean()), 1 - self.decay)
        step.log("path_length_mean", state.mean)
        return {"path_length": step.now(self.weight) * (lengths - state.mean).square().mean()}


class RunningMean(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(()))


@hookimpl
def register_regularizers() -> list[type[Regularizer]]:
    return [PathLength]
