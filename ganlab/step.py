"""One update of the discriminator or the generator, as training components see it."""

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
        """Return the discriminator's loss, (N,), from logits (N,)."""

    def g(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        """Return the generator's loss, (N,), from logits (N,)."""

    def logged_output(self, logit: Tensor) -> Tensor:
        """Return the value that the log shows as D(x)."""


class ImageTransform(Protocol):
    """A training component bound to its state, as `Step.discriminate` needs it."""

    def augment(self, x: Tensor, step: Step) -> Tensor:
        """Return images (N, C, H, W) as the discriminator sees them."""


@dataclass
class Step:
    """One update of D or of G. Training components draw random numbers only from it."""

    role: Role
    index: int
    """How many updates this network had before."""

    real: Batch
    fake: Batch
    G: nn.Module
    D: nn.Module
    loss: AdversarialLoss
    spec: DataSpec
    components: Sequence[ImageTransform] = ()
    images: int = 0
    """Real images that D was shown before this iteration: what schedules are a function of."""

    autocast: torch.dtype | None = None
    """The type that G and D compute in, where it is not that of their weights."""

    compiled: Mapping[Role, Callable[..., Any]] = field(default_factory=dict)
    """The compiled forms of G and D, if they are compiled."""

    logged: dict[str, Tensor] = field(default_factory=dict)

    owners: dict[str, str] = field(default_factory=dict)
    """The key of the component that a term is of, by the term's name."""

    def discriminate(self, x: Tensor, y: Tensor) -> DiscriminatorOutput:
        """Augment ``x`` (N, C, H, W), then ask D. Call it as often as you need."""
        for part in self.components:
            x = part.augment(x, self)
        with self._precision():
            output: DiscriminatorOutput = self.compiled.get("discriminator", self.D)(x, y)
        # Losses and penalties are computed in full precision, whatever the networks use.
        return DiscriminatorOutput(
            full(output.logit), full(output.features), AuxiliaryOutputs(full(output.auxiliary))
        )

    def generate(self, z: Tensor, y: Tensor) -> Tensor:
        """Return images (N, C, H, W), black at -1, white at 1; without gradient in a D step."""
        with torch.set_grad_enabled(self.role == "generator"), self._precision():
            images: Tensor = full(self.compiled.get("generator", self.G)(z, y))
        return images

    def input_gradient(self, x: Tensor, y: Tensor) -> Tensor:
        """d logit / d x, (N, C, H, W), which can be differentiated once more."""
        with self.double_backward():
            x = x.detach().requires_grad_()
            logit = self.discriminate(x, y).logit
            (gradient,) = torch.autograd.grad(logit.sum(), x, create_graph=True)
        return gradient

    @contextmanager
    def double_backward(self) -> Iterator[None]:
        """Inside, gradients have gradients: G and D compute in full precision, as they are.

        What ``torch.compile`` makes can be differentiated only once.
        """
        before = self.autocast, self.compiled
        self.autocast, self.compiled = None, {}
        try:
            yield
        finally:
            self.autocast, self.compiled = before

    def log(self, name: str, value: Tensor) -> None:
        """Have the log show a scalar that is not minimised, such as an adaptive strength.

        It is copied: the log is written later, when a buffer has changed again.
        """
        self.logged[name] = value.detach().clone()

    def now(self, option: float | Schedule) -> Tensor:
        """Return an option's present value, 0-d on the device: some options have a schedule."""
        # `full` fills on the device; a tensor made from a number would be copied there.
        return torch.full(
            (), at(option, self.images), device=self.real.x.device, dtype=self.real.x.dtype
        )

    def randn(self, n: int, *shape: int) -> Tensor:
        """Standard normal numbers (n, *shape) on the device of the images, a row for each image.

        Processes that share a batch draw for all of it, and each gets its own rows.
        """
        whole = n * distributed.world_size()
        x = self.real.x
        return distributed.local(torch.randn(whole, *shape, device=x.device, dtype=x.dtype))

    def rand(self, n: int, *shape: int) -> Tensor:
        """Uniform numbers in [0, 1), (n, *shape), on the device of the images, as `randn`."""
        whole = n * distributed.world_size()
        x = self.real.x
        return distributed.local(torch.rand(whole, *shape, device=x.device, dtype=x.dtype))

    def labels(self, n: int) -> Tensor:
        """Class indices (n,) int64, all equally likely."""
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
    """Return a tensor, or the tensors in tuples, lists and dicts, in at least single precision."""
    if isinstance(value, Tensor):
        return value.float() if value.dtype in (torch.bfloat16, torch.float16) else value
    if isinstance(value, dict):
        return {key: full(one) for key, one in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*map(full, value))
    if isinstance(value, tuple | list):
        return type(value)(map(full, value))
    return value
