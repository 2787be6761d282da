"""What one update looks like to everybody who takes part in it, and what it minimises."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from ganlab import across
from ganlab.errors import PluginError
from ganlab.schedules import Schedule, at

if TYPE_CHECKING:
    from ganlab.components import Loss, Participant

Role = Literal["generator", "discriminator"]


@dataclass(frozen=True)
class DataSpec:
    """The sizes that a dataset fixes for both networks."""

    num_classes: int
    image_size: int
    channels: int
    class_names: tuple[str, ...]


class Notes(dict[str, Any]):
    """What the schemes' notes said, by the name of the scheme."""

    def __missing__(self, name: str) -> Any:
        raise PluginError(
            f"nothing took a note for '{name}': a scheme that reads its note must be used in the "
            "discriminator too"
        )


class Verdict(NamedTuple):
    """What D says of a batch."""

    logit: Tensor
    """(N,) unbounded; above zero means real."""

    features: Tensor
    """(N, F) what the head saw."""

    notes: dict[str, Any]
    """By name of the scheme: whatever its note said."""


class Mapped(NamedTuple):
    """What an image is a function of: G's input after conditioning, before the first layer."""

    w: Tensor
    """(N, W), or (N, L, W) when every layer has its own."""

    style: Tensor | Sequence[Tensor]
    """(N, S) what conditional normalisation is a function of, or one for each norm site."""


@dataclass(frozen=True)
class Side:
    """One batch that is shown to D: the real one or the generated one."""

    x: Tensor
    """(N, C, H, W) in [-1, 1], before any augmentation."""

    y: Tensor
    """(N,) int64 class indices, or (N, K) float rows."""

    z: Tensor | None = None
    """(N, Z) the noise of a generated batch."""

    verdict: Verdict | None = None
    """What D said of it. None in a G step whose loss does not look at the real batch."""

    @property
    def judged(self) -> Verdict:
        """The verdict, where there must be one."""
        assert self.verdict is not None, "this side was not shown to the discriminator"
        return self.verdict


@dataclass(frozen=True)
class Active:
    """A participant of a run, and the module that holds its buffers."""

    key: str
    """Unique in the run: ``regularizers.r1``. It names the component's state in checkpoints."""

    component: Participant
    """Conditioning, regularizer or augmentation."""

    state: nn.Module | None = None


@dataclass
class Step:
    """One update of D or of G. Everybody who takes part draws randomness only from here."""

    role: Role
    index: int
    """How many updates this network had before."""

    real: Side
    fake: Side
    G: nn.Module
    D: nn.Module
    loss: Loss
    spec: DataSpec
    participants: Sequence[Active] = ()
    images: int = 0
    """Real images that D was shown before this iteration: what schedules are a function of."""

    autocast: torch.dtype | None = None
    """The type that G and D compute in, where it is not that of their weights."""

    compiled: Mapping[Role, Callable[..., Any]] = field(default_factory=dict)
    """The compiled forms of G and D, if they are compiled."""

    logged: dict[str, Tensor] = field(default_factory=dict)

    owners: dict[str, str] = field(default_factory=dict)
    """The key of the participant that a term is of, by the term's name."""

    def judge(self, x: Tensor, y: Tensor) -> Verdict:
        """Augment ``x`` (N, C, H, W), then ask D. Call it as often as you need."""
        for part in self.participants:
            x = part.component.augment(x, self, part.state)
        with self._precision():
            verdict: Verdict = self.compiled.get("discriminator", self.D)(x, y)
        # Losses and penalties are computed in full precision, whatever the networks use.
        return Verdict(full(verdict.logit), full(verdict.features), Notes(full(verdict.notes)))

    def generate(self, z: Tensor, y: Tensor) -> Tensor:
        """Return images (N, C, H, W), black at -1, white at 1; without gradient in a D step."""
        with torch.set_grad_enabled(self.role == "generator"), self._precision():
            images: Tensor = full(self.compiled.get("generator", self.G)(z, y))
        return images

    def input_gradient(self, x: Tensor, y: Tensor) -> Tensor:
        """d logit / d x, (N, C, H, W), which can be differentiated once more."""
        with self.twice():
            x = x.detach().requires_grad_()
            logit = self.judge(x, y).logit
            (gradient,) = torch.autograd.grad(logit.sum(), x, create_graph=True)
        return gradient

    @contextmanager
    def twice(self) -> Iterator[None]:
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
        whole = n * across.world_size()
        x = self.real.x
        return across.mine(torch.randn(whole, *shape, device=x.device, dtype=x.dtype))

    def rand(self, n: int, *shape: int) -> Tensor:
        """Uniform numbers in [0, 1), (n, *shape), on the device of the images, as `randn`."""
        whole = n * across.world_size()
        x = self.real.x
        return across.mine(torch.rand(whole, *shape, device=x.device, dtype=x.dtype))

    def labels(self, n: int) -> Tensor:
        """Class indices (n,) int64, all equally likely."""
        whole = (n * across.world_size(),)
        return across.mine(torch.randint(self.spec.num_classes, whole, device=self.real.x.device))

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


def objective(step: Step) -> dict[str, Tensor]:
    """Return the named scalar terms whose sum the network of ``step.role`` minimises.

    This is the whole of what is minimised: the loss of ``step.loss`` per example, wrapped or
    replaced by whoever takes part, and the terms that they add.
    """
    adversarial = partial(_plain, step)
    # Whoever replaces the loss is what the others wrap, wherever the experiment names it.
    for part in sorted(step.participants, key=lambda p: not p.component.replaces_loss):
        adversarial = partial(part.component.adversarial, step, adversarial, part.state)
    terms = {"adversarial": _per_example(adversarial(), step).mean()}
    for part in step.participants:
        every = part.component.interval()
        if step.index % every:
            continue
        new = (
            part.component.d_terms(step, part.state)
            if step.role == "discriminator"
            else part.component.g_terms(step, part.state)
        )
        for name, value in new.items():
            if value.dim():
                expected = f"the term '{name}' must be a scalar, got shape {tuple(value.shape)}"
                raise PluginError(f"{part.key}: {expected}")
            # What is computed at every k-th step counts k times, so that k changes no balance.
            scaled = every * value if every > 1 else value
            unique = f"{part.key}.{name}" if name in terms else name
            terms[unique] = scaled
            step.owners[unique] = part.key
    return terms


def _per_example(loss: Tensor, step: Step) -> Tensor:
    if loss.shape != step.fake.judged.logit.shape:
        got = f"got shape {tuple(loss.shape)} for a batch of {len(step.fake.x)}"
        raise PluginError(f"the adversarial loss must be one number per example: {got}")
    return loss


def _plain(step: Step) -> Tensor:
    """The adversarial loss per example, (N,)."""
    if step.role == "discriminator":
        return step.loss.d(step.real.judged.logit, step.fake.judged.logit)
    real = step.real.judged.logit if step.loss.real_in_g else None
    return step.loss.g(step.fake.judged.logit, real)
