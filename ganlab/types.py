"""Plain values that networks, components and training exchange."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from torch import Tensor

from ganlab.errors import PluginError

Role = Literal["generator", "discriminator"]


@dataclass(frozen=True)
class DataSpec:
    """The sizes that a dataset fixes for both networks."""

    num_classes: int
    image_size: int
    channels: int
    class_names: tuple[str, ...]


class AuxiliaryOutputs(dict[str, Any]):
    """What the schemes' auxiliary said, by the name of the scheme."""

    def __missing__(self, name: str) -> Any:
        raise PluginError(
            f"there is no auxiliary output of '{name}': use a scheme that reads its auxiliary "
            "output in the discriminator too"
        )


class DiscriminatorOutput(NamedTuple):
    """What D says of a batch."""

    logit: Tensor
    """(N,) unbounded; above zero means real."""

    features: Tensor
    """(N, F) what the head saw."""

    auxiliary: dict[str, Any]
    """By name of the scheme: whatever its note said."""


class Latents(NamedTuple):
    """What an image is a function of: G's input after conditioning, before the first layer."""

    w: Tensor
    """(N, W), or (N, L, W) when every layer has its own."""

    style: Tensor | Sequence[Tensor]
    """(N, S) what conditional normalisation is a function of, or one for each norm site."""


@dataclass(frozen=True)
class Batch:
    """One batch that is shown to D: the real one or the generated one."""

    x: Tensor
    """(N, C, H, W) in [-1, 1], before any augmentation."""

    y: Tensor
    """(N,) int64 class indices, or (N, K) float rows."""

    z: Tensor | None = None
    """(N, Z) the noise of a generated batch."""

    d_output: DiscriminatorOutput | None = None
    """What D said of it. None in a G step whose loss does not look at the real batch."""

    @property
    def output(self) -> DiscriminatorOutput:
        """The output, where there must be one."""
        assert self.d_output is not None, "this batch was not shown to the discriminator"
        return self.d_output


@dataclass(frozen=True)
class Prepared:
    """Images of one size with their labels; `ganlab.data.prepare.prepare` makes it."""

    images: Tensor
    """(N, C, S, S) uint8. Of the cache they are mapped: read when they are looked at, from a file
    that nobody changes by changing them."""

    labels: Tensor
    """(N,) int64, from 0 to ``spec.num_classes - 1``"""

    spec: DataSpec

    sha256: str
    """Of images, labels and class names: it names the content, wherever it came from."""

    source: str
    """The dataset's name, as it is recorded in a run."""
