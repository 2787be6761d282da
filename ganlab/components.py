"""The base class of every kind of component: the page that a plugin author reads.

A component is a frozen object whose annotated fields are its YAML options, and nothing else lives
on it. Learned parameters live in the modules that it builds for a network and train with that
network. Buffers (running means, adaptive strengths) live in the module that `state` returns; the
core saves, restores and moves it and hands it back as ``state``. What measures images, metrics and
extractors, has a page of its own: `ganlab.metrics`. Labels ``y`` are (N,) int64 class
indices or (N, K) float rows; `ganlab.nn.one_hot` and `ganlab.nn.Embed` take both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from PIL import Image
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from ganlab.metrics import Extractor, Metric
from ganlab.nn import DiscriminatorNet, GeneratorNet
from ganlab.options import Component
from ganlab.sites import Sites
from ganlab.step import Step
from ganlab.types import Batch, DataSpec, Role

# ------------------------------------------------------------------ what takes part in a step


class TrainingComponent(Component):
    """A component that can add terms to what D and G minimise, or change the adversarial one.

    Rules of a term: no ``.item()``, no branch on a tensor's value, no data-dependent shape (mask,
    do not index), randomness only from ``step``, buffers changed in place.
    """

    replaces_loss: ClassVar[bool] = False
    """True if `adversarial` does not call ``plain``: the experiment then writes no ``loss``."""

    calls_loss: ClassVar[bool] = False
    """True if it calls ``step.loss`` itself, which nothing may replace then."""

    def interval(self) -> int:
        """Return k if its terms are added at every k-th update only; they then count k times."""
        return 1

    def state(self, spec: DataSpec) -> nn.Module | None:
        """Return a module holding the buffers that must survive a resume."""
        return None

    def adversarial(
        self, step: Step, plain: Callable[[], Tensor], state: nn.Module | None
    ) -> Tensor:
        """Return the adversarial loss per example, (N,): ``plain()``, changed or replaced."""
        return plain()

    def d_terms(self, step: Step, state: nn.Module | None) -> dict[str, Tensor]:
        """Return named scalars to add to what D minimises."""
        return {}

    def g_terms(self, step: Step, state: nn.Module | None) -> dict[str, Tensor]:
        """Return named scalars to add to what G minimises."""
        return {}

    def augment(self, x: Tensor, step: Step, state: nn.Module | None) -> Tensor:
        """Return images (N, C, H, W) as D shall see them; differentiable."""
        return x

    def real_batch(self, step: Step, state: nn.Module | None) -> Batch:
        """Return what a D step shows as the real batch."""
        return step.real

    def after_step(self, step: Step, state: nn.Module | None) -> None:
        """Act after the optimizer moved ``step.role``'s network; without gradients."""

    def transform(self, network: nn.Module, role: Role, spec: DataSpec) -> nn.Module:
        """Return ``network`` changed once after it was built: spectral normalisation."""
        return network


@dataclass(frozen=True)
class BoundComponent:
    """A component of a run, and the module that holds its buffers."""

    key: str
    """Unique in the run: ``regularizers.r1``. It names the component's state in checkpoints."""

    component: TrainingComponent
    """Conditioning, regularizer or augmentation."""

    state: nn.Module | None = None

    def augment(self, x: Tensor, step: Step) -> Tensor:
        """Return images (N, C, H, W) as the discriminator sees them."""
        return self.component.augment(x, step, self.state)


class Conditioning(TrainingComponent):
    """How the label reaches the networks. Override the sites that the scheme uses.

    A site returns a module that initialises itself, or None for "not with these options". Sites of
    G are ``latent``, ``style`` and ``norm``; sites of D are ``image``, ``head`` and ``auxiliary``.
    """

    kind = "conditioning"
    SITES: ClassVar[dict[Role, tuple[str, ...]]] = {
        "generator": ("latent", "style", "norm"),
        "discriminator": ("image", "head", "auxiliary"),
    }

    requires_sites: ClassVar[tuple[str, ...]] = ()
    """Sites of D of which another scheme must claim one, such as ``("image", "head")``."""

    def latent(self, z_dim: int, spec: DataSpec) -> nn.Module | None:
        """Module (z (N, z_dim), y) -> (N, out_features), with ``out_features``. They chain."""
        return None

    def style(self, z_dim: int, spec: DataSpec) -> nn.Module | None:
        """Module (z, y) -> (N, out_features), with ``out_features``: what norm sites depend on.

        One owner. Without it the style is the one-hot label.
        """
        return None

    def norm(
        self, channels: int, style_dim: int, plain: nn.Module, spec: DataSpec
    ) -> nn.Module | None:
        """Module (h (N, channels, *), style (N, style_dim)) -> h. One owner.

        ``plain`` is the normalisation that the network would use: keep it or replace it.
        """
        return None

    def image(self, channels: int, spec: DataSpec) -> nn.Module | None:
        """Module (x (N, channels, H, W), y) -> (N, out_channels, H, W), with ``out_channels``.

        They chain.
        """
        return None

    def head(self, features: int, plain: nn.Module, spec: DataSpec) -> nn.Module | None:
        """Module (h (N, features), y) -> logit (N,), or (logit, auxiliary). One owner.

        ``plain`` is the network's own last layer, (N, features) -> (N, 1): keep it or replace it.
        """
        return None

    def auxiliary(self, features: int, spec: DataSpec) -> nn.Module | None:
        """Module (h (N, features), y) -> anything: ``output.auxiliary[self.name]`` for terms."""
        return None

    @classmethod
    def claims(cls, role: Role) -> list[str]:
        """Return the sites of one network that this scheme overrides."""
        return [s for s in cls.SITES[role] if getattr(cls, s) is not getattr(Conditioning, s)]


class Regularizer(TrainingComponent):
    """A term, a limit or a transformation that keeps training stable."""

    kind = "regularizer"


class Penalty(Regularizer):
    """A regularizer that adds terms, and may do so lazily."""

    every: int = Field(default=1, ge=1)
    """Add the terms at every k-th update only, k times as strong."""

    def interval(self) -> int:
        return self.every


class Augmentation(TrainingComponent):
    """A differentiable change of every image that D sees, real and generated alike."""

    kind = "augmentation"


class Loss(Component):
    """The adversarial loss, per example and never reduced, so that weights and masks work."""

    kind = "loss"
    real_in_g: ClassVar[bool] = False
    """True if G's loss looks at the real batch too (relativistic losses)."""

    def d(self, real: Tensor, fake: Tensor) -> Tensor:
        """Return what D minimises, (N,), from logits (N,) of real and generated images."""
        raise NotImplementedError

    def g(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        """Return what G minimises, (N,), from logits (N,)."""
        raise NotImplementedError

    def logged_output(self, logit: Tensor) -> Tensor:
        """Return what the log calls D(x): a probability where the loss knows one."""
        return logit


# ------------------------------------------------------------------------------ networks


class Network(Component):
    """What generators and discriminators have in common."""

    sizes: ClassVar[tuple[int, ...]] = (16, 32, 64, 128)
    """The image sizes that it can do."""

    channels: ClassVar[tuple[int, ...]] = (1, 3)
    """The numbers of image channels that it can do."""


class Generator(Network):
    """Builds the network that draws. It asks ``sites`` and never tests what it gets."""

    kind = "generator"

    def build(self, z_dim: int, spec: DataSpec, sites: Sites) -> GeneratorNet:
        """Return the network, its own layers initialised."""
        raise NotImplementedError


class Discriminator(Network):
    """Builds the network that judges. It asks ``sites`` and never tests what it gets."""

    kind = "discriminator"

    def build(self, spec: DataSpec, sites: Sites) -> DiscriminatorNet:
        """Return the network, its own layers initialised."""
        raise NotImplementedError


# ------------------------------------------------------------------------------ datasets

Split = Literal["train", "test"]


@dataclass(frozen=True)
class Images:
    """A labelled set of images as a dataset finds it, before the core resizes and caches it."""

    images: np.ndarray | Sequence[Image.Image] | Iterator[Image.Image]
    """uint8 (N, H, W) or (N, H, W, C); or pictures of any size and mode, one at a time."""

    labels: np.ndarray
    """(N,) integers from 0."""

    class_names: tuple[str, ...]
    """A name for each label that can occur."""

    channels: Literal[1, 3] | None = None
    """What pictures become, grey or colour; None means grey if all are. Arrays stay as they are."""


class Dataset(Component):
    """Labelled images. A subclass finds and reads them; the core does the rest, once.

    The rest: select ``classes``, cut to ``limit``, resize with antialiasing, keep as uint8, hash
    the content, cache.
    """

    kind = "dataset"

    image_size: int = Field(default=32, ge=8)
    """Height and width that the networks see."""

    limit: PositiveInt | None = None
    """Use this many images, drawn evenly from the classes; all by default."""

    classes: list[int | str] | None = Field(default=None, min_length=2)
    """Use these classes only, by name or number, in this order; all by default."""

    flip: bool = False
    """Mirror each image left to right half of the time, in training."""

    fallback: dict[str, Any] | None = None
    """The dataset to use, loudly, where this one cannot be had: `digits`, or a block of options."""

    fallback_images: PositiveInt | None = None
    """How many images to train for on the fallback, instead of the experiment's own budget."""

    def read(self, root: Path, split: Split) -> Images:
        """Return the split, downloading it below ``root`` if need be.

        Raises `ganlab.errors.DataUnavailable` when it is neither there nor to be had, and
        `ganlab.errors.DataError` when it is there but broken.
        """
        raise NotImplementedError

    def fingerprint(self, root: Path, split: Split) -> str:
        """Return what changes when the files change: names the cache entry; cheap to compute.

        The empty string means "always the same". None of the options needs to be in it.
        """
        return ""


# ------------------------------------------------------------------------------ observers


class Callback(Component):
    """Watches a run in which the experiment names it. What it raises ends the run."""

    kind = "callback"

    def on_run_start(self, run: Any) -> None:
        """Called once, when the networks stand and before the first step."""

    def on_step_end(self, run: Any, step: int, losses: dict[str, Tensor]) -> None:
        """Called after each G update with detached scalars; reading one waits for the device."""

    def on_log(self, run: Any, records: list[dict[str, float]]) -> None:
        """Called once a log interval with every step's numbers since the last one."""

    def on_evaluate(self, run: Any, step: int, scores: dict[str, float]) -> None:
        """Called after each evaluation."""

    def on_run_end(self, run: Any, error: BaseException | None) -> None:
        """Called once, last. ``error`` is what stopped the run, or None."""


KINDS: dict[str, type[Component]] = {
    kind.kind: kind
    for kind in (
        Dataset,
        Generator,
        Discriminator,
        Conditioning,
        Loss,
        Regularizer,
        Augmentation,
        Metric,
        Extractor,
        Callback,
    )
}
"""The ten kinds, by the name that the command line and hooks use."""
