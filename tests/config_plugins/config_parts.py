"""A few components with options of every type, for the tests of reading and showing experiments."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ganlab import (
    Augmentation,
    Callback,
    Conditioning,
    Dataset,
    Discriminator,
    Generator,
    Loss,
    Penalty,
    hookimpl,
)
from ganlab.options import Options
from tests.tiny_plugins.tiny import DiscriminatorOf, GeneratorOf


class Every(Options):
    """An option that several parts share."""

    every: int = Field(default=1, ge=1)
    """How often it acts."""


class Dots(Dataset):
    """Random dots."""

    name = "dots"
    paper = "Nobody, 2001"
    density: float = Field(default=0.5, gt=0, lt=1)
    """Share of the pixels
    that are set."""


class Lines(Dataset):
    """Random lines."""

    name = "lines"
    angle: float
    """The one option without a default."""


class Net(Generator):
    """A generator."""

    name = "net"
    width: int = Field(default=8, ge=2)
    """Channels."""

    def build(self, z_dim, spec, sites):
        return GeneratorOf(self.width, z_dim, spec, sites)


class Critic(Discriminator):
    """A discriminator."""

    name = "critic"
    sizes = (16, 32)

    def build(self, spec, sites):
        return DiscriminatorOf(8, spec, sites)


class Beside(Every, Conditioning):
    """Chains in both networks."""

    name = "beside"
    scale: float = 1.0
    """Factor of the label."""

    def latent(self, z_dim, spec):
        return None  # the tests of reading experiments build nothing that depends on it

    def image(self, channels, spec):
        return None  # the tests of reading experiments build nothing that depends on it


class Film(Every, Conditioning):
    """Owns the norm site of the generator."""

    name = "film"

    def norm(self, channels, style_dim, plain, spec):
        return None  # the tests of reading experiments build nothing that depends on it


class Product(Every, Conditioning):
    """Owns the head of the discriminator."""

    name = "product"
    weight: float = 1.0

    def head(self, features, plain, spec):
        return None  # the tests of reading experiments build nothing that depends on it


class Wrapped(Every, Conditioning):
    """Claims no site: it wraps the loss."""

    name = "wrapped"


class Multi(Every, Conditioning):
    """Chains in both networks and replaces the loss."""

    name = "multi"
    replaces_loss = True
    latent = Beside.latent
    image = Beside.image


class Blank(Every, Conditioning):
    """Nothing at all."""

    name = "none"


class Hinge(Loss):
    """A loss with a margin."""

    name = "hinge"
    margin: float = 1.0
    """Where it begins."""
    mode: Literal["soft", "hard"] = "hard"
    """How it bends."""


class Square(Loss):
    """A loss without options."""

    name = "square"


class Inner(Options):
    """A block within a block."""

    rate: float = 0.5
    """How fast."""


class Fine(Penalty):
    """A penalty."""

    name = "penalty"
    weight: float = 10.0
    """Its factor."""
    label: str = "p"
    """What the log calls it."""
    on: bool = False
    """Whether it acts."""
    inner: Inner | None = None
    """A block of options."""


class Shift(Every, Augmentation):
    """Moves images."""

    name = "shift"


class Watch(Callback):
    """Watches."""

    name = "watch"


@hookimpl
def register_datasets():
    return [Dots, Lines]


@hookimpl
def register_generators():
    return [Net]


@hookimpl
def register_discriminators():
    return [Critic]


@hookimpl
def register_conditionings():
    return [Beside, Film, Product, Wrapped, Multi, Blank]


@hookimpl
def register_losses():
    return [Hinge, Square]


@hookimpl
def register_regularizers():
    return [Fine]


@hookimpl
def register_augmentations():
    return [Shift]


@hookimpl
def register_callbacks():
    return [Watch]
