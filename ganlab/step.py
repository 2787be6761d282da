"""The step: the context of one update of D or G that is passed to training components."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor, nn

from ganlab import distributed
from ganlab.schedules import Schedule, at
from ganlab.types import AuxiliaryOutputs, Batch, DataSpec, DiscriminatorOutput, Role


class AdversarialLoss(Protocol):
    """The methods of `ganlab.Loss` that a step needs."""

    real_in_g: ClassVar[bool]

    def d(self, real: Tensor, fake: Tensor) -> Tensor:
        """Return D's loss per example, (N,), from logits (N,)."""

    def g(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        """Return G's loss per example, (N,), from logits (N,)."""

    def logged_output(self, logit: Tensor) -> Tensor:
        """Return the values to log as D(x), (N,)."""


class ImageTransform(Protocol):
    """The part of `ganlab.components.BoundComponent` that `Step.discriminate` needs."""

    def augment(self, x: Tensor, step: Step) -> Tensor:
        """Return the images (N, C, H, W) to pass to D in place of ``x``."""


@dataclass
class Step:
    """One update of D or G: its batches, the networks, the loss, and the random numbers.

    Training components draw random numbers only with `randn`, `rand` and `labels`, so that a run
    is reproducible with any number of processes.
    """

    role: Role
    """The network that this step updates: ``generator`` or ``discriminator``."""

    index: int
    """The number of earlier updates of this network, from 0."""

    real: Batch
    """The real images. In a D step, training components may have changed or replaced them."""

    fake: Batch
    """The generated images; in a G step, they carry the gradient to G."""

    G: nn.Module
    """The generator. Call `generate` to use the precision of the run."""

    D: nn.Module
    """The discriminator. Call `discriminate` to augment and to use the precision of the run."""

    loss: AdversarialLoss
    spec: DataSpec
    components: Sequence[ImageTransform] = ()
    """The training components whose ``augment`` is applied to D's input, in this order."""

    images: int = 0
    """Real images that D saw before this iteration: the argument of schedules."""

    autocast: torch.dtype | None = None
    """The dtype in which G and D compute; None for the dtype of their weights."""

    compiled: Mapping[Role, Callable[..., Any]] = field(default_factory=dict)
    """The compiled forms of G and D, if they are compiled."""

    logged: dict[str, Tensor] = field(default_factory=dict)
    """The scalars that `log` recorded, by name."""

    owners: dict[str, str] = field(default_factory=dict)
    """For each term, by name, the key of the component that added it."""

    def discriminate(self, x: Tensor, y: Tensor) -> DiscriminatorOutput:
        """Augment images ``x`` (N, C, H, W), and return D's output for them and labels ``y``.

        The output is in full precision. A component may call this method any number of times.
        """
        for part in self.components:
            x = part.augment(x, self)
        with self._precision():
            output: DiscriminatorOutput = self.compiled.get("discriminator", self.D)(x, y)
        # Losses and penalties are computed in full precision, whatever the networks use.
        return DiscriminatorOutput(
            full(output.logit), full(output.features), AuxiliaryOutputs(full(output.auxiliary))
        )

    def generate(self, z: Tensor, y: Tensor) -> Tensor:
        """Return G's images (N, C, H, W) in [-1, 1] for noise ``z`` (N, Z) and labels ``y``.

        In a D step, the images carry no gradient.
        """
        with torch.set_grad_enabled(self.role == "generator"), self._precision():
            images: Tensor = full(self.compiled.get("generator", self.G)(z, y))
        return images

    def input_gradient(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the gradient of D's logits with respect to ``x``, (N, C, H, W).

        The gradient can itself be differentiated, as gradient penalties need.
        """
        with self.double_backward():
            x = x.detach().requires_grad_()
            logit = self.discriminate(x, y).logit
            (gradient,) = torch.autograd.grad(logit.sum(), x, create_graph=True)
        return gradient

    @contextmanager
    def double_backward(self) -> Iterator[None]:
        """Run G and D uncompiled and in full precision, so that gradients are differentiable.

        Code that ``torch.compile`` generates can be differentiated only once.
        """
        before = self.autocast, self.compiled
        self.autocast, self.compiled = None, {}
        try:
            yield
        finally:
            self.autocast, self.compiled = before

    def log(self, name: str, value: Tensor) -> None:
        """Log a scalar (0-d) that is not a loss term, such as an adaptive strength.

        The value is copied, because the log is written later, after a buffer may have changed.
        """
        self.logged[name] = value.detach().clone()

    def now(self, option: float | Schedule) -> Tensor:
        """Return the current value of an option that may be a schedule: 0-d, on the device."""
        # `torch.full` fills on the device; `torch.tensor` would copy a value from the host.
        return torch.full(
            (), at(option, self.images), device=self.real.x.device, dtype=self.real.x.dtype
        )

    def randn(self, n: int, *shape: int) -> Tensor:
        """Return standard normal numbers, (n, *shape), on the device of the images.

        ``n`` is the number of images of this process. Processes that share a batch draw the numbers
        of the whole batch, and each keeps its own rows.
        """
        whole = n * distributed.world_size()
        x = self.real.x
        return distributed.local(torch.randn(whole, *shape, device=x.device, dtype=x.dtype))

    def rand(self, n: int, *shape: int) -> Tensor:
        """Return uniform numbers in [0, 1), (n, *shape), on the device, shared as in `randn`."""
        whole = n * distributed.world_size()
        x = self.real.x
        return distributed.local(torch.rand(whole, *shape, device=x.device, dtype=x.dtype))

    def labels(self, n: int) -> Tensor:
        """Return class indices, (n,) int64, drawn uniformly over the classes."""
        whole = (n * distributed.world_size(),)
        return distributed.local(
            torch.randint(self.spec.num_classes, whole, device=self.real.x.device)
        )

    def _precision(self) -> AbstractContextManager[Any]:
        device = self.real.x.device.type
        if self.autocast is None:
            return torch.autocast(device, enabled=False)
        return torch.autocast(device, dtype=self.autocast)


def full(value: Any) -> Any:
    """Return bfloat16 and float16 tensors as float32, also inside tuples, lists and dicts.

    Other tensors and values are returned unchanged.
    """
    if isinstance(value, Tensor):
        return value.float() if value.dtype in (torch.bfloat16, torch.float16) else value
    if isinstance(value, dict):
        return {key: full(one) for key, one in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*map(full, value))
    if isinstance(value, tuple | list):
        return type(value)(map(full, value))
    return value
