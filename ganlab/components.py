"""The base class of every kind of component: the reference for plugin authors.

A component is a frozen object. Its annotated fields are its YAML options, and it holds nothing
else. Learned parameters live in the modules that a component builds for a network, and are trained
with that network. Buffers (running means, adaptive strengths) live in the module that `state`
returns: the core moves it to the device, saves it in checkpoints, restores it on resume, and
passes it to every method as ``state``. The base classes of metrics and extractors are in
`ganlab.metrics`.

Notation: G is the generator, D the discriminator. N is the number of images, C, H and W their
channels, height and width, and K the number of classes. Labels ``y`` are class indices, (N,) int64,
or class weights, (N, K) float; `ganlab.nn.one_hot` and `ganlab.nn.Embed` accept both.
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

# ----------------------------------------------------------------------- training components


class TrainingComponent(Component):
    """A component that can add terms to the losses of D and G, or change the adversarial loss.

    Terms must compile to a fixed graph: no ``.item()``, no branch on the value of a tensor, and no
    data-dependent shape (mask instead of indexing). Draw random numbers only from ``step``. Change
    buffers in place.
    """

    replaces_loss: ClassVar[bool] = False
    """True if `adversarial` replaces the loss, so that the experiment must not set ``loss``."""

    calls_loss: ClassVar[bool] = False
    """True if this component calls ``step.loss`` itself, so that no other may replace the loss."""

    def interval(self) -> int:
        """Return k to compute the terms at every k-th update only, multiplied by k."""
        return 1

    def state(self, spec: DataSpec) -> nn.Module | None:
        """Return a module that holds the buffers to keep in checkpoints, or None for no buffers."""
        return None

    def adversarial(
        self, step: Step, plain: Callable[[], Tensor], state: nn.Module | None
    ) -> Tensor:
        """Return the adversarial loss per example, (N,).

        ``plain()`` returns the loss without this component. Return it changed, or replace it.
        """
        return plain()

    def d_terms(self, step: Step, state: nn.Module | None) -> dict[str, Tensor]:
        """Return the terms to add to D's loss: 0-d tensors by name."""
        return {}

    def g_terms(self, step: Step, state: nn.Module | None) -> dict[str, Tensor]:
        """Return the terms to add to G's loss: 0-d tensors by name."""
        return {}

    def augment(self, x: Tensor, step: Step, state: nn.Module | None) -> Tensor:
        """Return the images (N, C, H, W) to pass to D in place of ``x``.

        The operation must be differentiable. It is applied to real and generated images alike.
        """
        return x

    def real_batch(self, step: Step, state: nn.Module | None) -> Batch:
        """Return the batch to pass to D as the real one in a D step."""
        return step.real

    def after_step(self, step: Step, state: nn.Module | None) -> None:
        """Update buffers after the optimizer step of ``step.role``'s network. Gradients are off."""

    def transform(self, network: nn.Module, role: Role, spec: DataSpec) -> nn.Module:
        """Return the network to train, once after it is built: for example, spectrally normalised.

        ``network`` may be changed in place.
        """
        return network


@dataclass(frozen=True)
class BoundComponent:
    """A training component of a run, together with the module that holds its buffers."""

    key: str
    """A name that is unique in the run, such as ``regularizers.r1``; used in checkpoints."""

    component: TrainingComponent
    """A conditioning scheme, a regularizer or an augmentation."""

    state: nn.Module | None = None
    """The module that ``component.state()`` returned."""

    def augment(self, x: Tensor, step: Step) -> Tensor:
        """Return the images (N, C, H, W) to pass to D in place of ``x``."""
        return self.component.augment(x, step, self.state)


class Conditioning(TrainingComponent):
    """A conditioning scheme: the modules through which the label enters the networks.

    A site is a place in a network where the label may enter: ``latent``, ``style`` and ``norm`` in
    G; ``image``, ``head`` and ``auxiliary`` in D. Override the method of each site that the scheme
    uses. The method returns a module with initialised parameters, which is trained with the
    network, or None if the scheme's options do not use the site.

    At the sites ``latent`` and ``image``, several schemes are applied one after the other, and at
    ``auxiliary`` each scheme has its own module. Only one scheme may use each of the other sites.
    """

    kind = "conditioning"
    SITES: ClassVar[dict[Role, tuple[str, ...]]] = {
        "generator": ("latent", "style", "norm"),
        "discriminator": ("image", "head", "auxiliary"),
    }

    requires_sites: ClassVar[tuple[str, ...]] = ()
    """Another scheme must use at least one of these sites of D, such as ``("image", "head")``."""

    def latent(self, z_dim: int, spec: DataSpec) -> nn.Module | None:
        """Return a module that computes G's input from the noise and the label.

        It maps (z (N, z_dim), y) to (N, out_features) and has the attribute ``out_features``.
        """
        return None

    def style(self, z_dim: int, spec: DataSpec) -> nn.Module | None:
        """Return a module that computes the style: the condition of the norm sites.

        It maps (z (N, z_dim), y) to (N, out_features) and has the attribute ``out_features``. If no
        scheme uses this site, the style is the one-hot label, (N, K).
        """
        return None

    def norm(
        self, channels: int, style_dim: int, plain: nn.Module, spec: DataSpec
    ) -> nn.Module | None:
        """Return a normalisation layer that depends on the style.

        It maps (h (N, channels, *), style (N, style_dim)) to a tensor of the shape of h. ``plain``
        is the network's own normalisation layer, h -> h: use it or replace it.
        """
        return None

    def image(self, channels: int, spec: DataSpec) -> nn.Module | None:
        """Return a module that computes D's input from the image and the label.

        It maps (x (N, channels, H, W), y) to (N, out_channels, H, W) and has the attribute
        ``out_channels``.
        """
        return None

    def head(self, features: int, plain: nn.Module, spec: DataSpec) -> nn.Module | None:
        """Return a module that computes D's logit from its features and the label.

        It maps (h (N, features), y) to logits, (N,) or (N, 1), or to (logits, auxiliary output).
        ``plain`` is the network's own last layer, (N, features) -> (N, 1): use it or replace it.
        """
        return None

    def auxiliary(self, features: int, spec: DataSpec) -> nn.Module | None:
        """Return a module that computes an auxiliary output of D, such as class logits.

        It maps (h (N, features), y) to any value. Terms read it as
        ``step.real.output.auxiliary[self.name]``, and likewise for ``step.fake``.
        """
        return None

    @classmethod
    def claims(cls, role: Role) -> list[str]:
        """Return the sites of the network ``role`` that this scheme overrides."""
        return [s for s in cls.SITES[role] if getattr(cls, s) is not getattr(Conditioning, s)]


class Regularizer(TrainingComponent):
    """A regularizer: a loss term, or a transformation of a network, that stabilises training."""

    kind = "regularizer"


class Penalty(Regularizer):
    """A regularizer that adds loss terms and supports lazy regularization.

    Lazy regularization: Karras et al., 2020, arXiv:1912.04958, appendix B.
    """

    every: int = Field(default=1, ge=1)
    """Compute the terms at every k-th update only, multiplied by k."""

    def interval(self) -> int:
        return self.every


class Augmentation(TrainingComponent):
    """A differentiable augmentation of every image that D sees, real and generated alike."""

    kind = "augmentation"


class Loss(Component):
    """The adversarial loss, per example: no reduction, so that components can weight examples."""

    kind = "loss"
    real_in_g: ClassVar[bool] = False
    """True if G's loss needs D's logits of the real batch, as relativistic losses do."""

    def d(self, real: Tensor, fake: Tensor) -> Tensor:
        """Return D's loss per example, (N,), from the logits (N,) of real and generated images."""
        raise NotImplementedError

    def g(self, fake: Tensor, real: Tensor | None = None) -> Tensor:
        """Return G's loss per example, (N,), from the logits (N,) of generated images.

        ``real`` are the logits (N,) of real images if ``real_in_g`` is True, else None.
        """
        raise NotImplementedError

    def logged_output(self, logit: Tensor) -> Tensor:
        """Return the values to log as D(x), (N,): probabilities if the loss defines them."""
        return logit


# ------------------------------------------------------------------------------ networks


class Network(Component):
    """The base class of generators and discriminators."""

    sizes: ClassVar[tuple[int, ...]] = (16, 32, 64, 128)
    """The supported image sizes, in pixels."""

    channels: ClassVar[tuple[int, ...]] = (1, 3)
    """The supported numbers of image channels."""


class Generator(Network):
    """Builds G. The architecture asks ``sites`` for modules and uses them without inspecting them.

    The same code then serves every conditioning scheme.
    """

    kind = "generator"

    def build(self, z_dim: int, spec: DataSpec, sites: Sites) -> GeneratorNet:
        """Return G with initialised layers: noise (N, z_dim) and labels to images in [-1, 1]."""
        raise NotImplementedError


class Discriminator(Network):
    """Builds D. The architecture asks ``sites`` for modules and uses them without inspecting them.

    The same code then serves every conditioning scheme.
    """

    kind = "discriminator"

    def build(self, spec: DataSpec, sites: Sites) -> DiscriminatorNet:
        """Return D with initialised layers: images and labels to a `DiscriminatorOutput`."""
        raise NotImplementedError


# ------------------------------------------------------------------------------ datasets

Split = Literal["train", "test"]


@dataclass(frozen=True)
class Images:
    """Labelled images as a dataset reads them, before the core resizes and caches them."""

    images: np.ndarray | Sequence[Image.Image] | Iterator[Image.Image]
    """A uint8 array (N, H, W) or (N, H, W, C), or PIL images of any size and mode."""

    labels: np.ndarray
    """(N,) class indices from 0."""

    class_names: tuple[str, ...]
    """The name of each class, in the order of the indices."""

    channels: Literal[1, 3] | None = None
    """Convert PIL images to grey (1) or RGB (3); None: grey only if all are. Ignored for arrays."""


class Dataset(Component):
    """A labelled image dataset. A subclass downloads and reads the images.

    The core then selects ``classes``, reduces to ``limit``, resizes with antialiasing, converts to
    uint8, hashes the content and caches the result.
    """

    kind = "dataset"

    image_size: int = Field(default=32, ge=8)
    """Height and width of the training images, in pixels."""

    limit: PositiveInt | None = None
    """Use this many images, chosen evenly from the classes; all by default."""

    classes: list[int | str] | None = Field(default=None, min_length=2)
    """Use only these classes, by name or index, in this order; all by default."""

    flip: bool = False
    """Flip training images horizontally with probability 0.5."""

    fallback: dict[str, Any] | None = None
    """The dataset to use, with a warning, if this one is unavailable: a name or options."""

    fallback_images: PositiveInt | None = None
    """The training budget on the fallback, in images; by default the experiment's budget."""

    def read(self, root: Path, split: Split) -> Images:
        """Return the images of a split, downloading them to the folder ``root`` if necessary.

        Raises:
            ganlab.errors.DataUnavailable: if the files are missing and cannot be downloaded.
            ganlab.errors.DataError: if the files are damaged.
        """
        raise NotImplementedError

    def fingerprint(self, root: Path, split: Split) -> str:
        """Return a string that changes when the files of the split change.

        It is part of the cache key, next to the options, and must be cheap to compute. The empty
        string means that the files never change.
        """
        return ""


# ------------------------------------------------------------------------------ callbacks


class Callback(Component):
    """Observes the runs of experiments that list it under ``callbacks``.

    An exception that a callback raises stops the run.
    """

    kind = "callback"

    def on_run_start(self, run: Any) -> None:
        """Called once, after the networks are built and before the first step."""

    def on_step_end(self, run: Any, step: int, losses: dict[str, Tensor]) -> None:
        """Called after each G update, with detached 0-d tensors by name.

        Reading a value synchronises with the device.
        """

    def on_log(self, run: Any, records: list[dict[str, float]]) -> None:
        """Called once per log interval, with the numbers of each step since the last call."""

    def on_evaluate(self, run: Any, step: int, scores: dict[str, float]) -> None:
        """Called after each evaluation, with the scores by name."""

    def on_run_end(self, run: Any, error: BaseException | None) -> None:
        """Called once at the end. ``error`` is the exception that stopped the run, or None."""


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
"""The base class of each kind of component, by the name that the CLI and the hooks use."""
