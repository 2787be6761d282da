"""The data types that networks, components and the trainer exchange."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from torch import Tensor

from ganlab.errors import PluginError

Role = Literal["generator", "discriminator"]


@dataclass(frozen=True)
class DataSpec:
    """The properties of the dataset that both networks depend on."""

    num_classes: int
    image_size: int
    """Height and width, in pixels."""

    channels: int
    """1 for grey images, 3 for RGB."""

    class_names: tuple[str, ...]


class AuxiliaryOutputs(dict[str, Any]):
    """The outputs of the auxiliary sites, by the name of the conditioning scheme."""

    def __missing__(self, name: str) -> Any:
        raise PluginError(
            f"there is no auxiliary output of '{name}': use a scheme that reads its auxiliary "
            "output in the discriminator too"
        )


class DiscriminatorOutput(NamedTuple):
    """D's output for a batch."""

    logit: Tensor
    """(N,) unbounded. Positive values mean real."""

    features: Tensor
    """(N, F) the input of the head."""

    auxiliary: dict[str, Any]
    """The output of each auxiliary site, by the name of the conditioning scheme."""


class Latents(NamedTuple):
    """G's internal inputs: the outputs of the latent and style sites, before the first layer."""

    w: Tensor
    """(N, W), or (N, L, W) if each of the L layers has its own latent."""

    style: Tensor | Sequence[Tensor]
    """(N, S) the condition of conditional normalisation, or one such tensor per norm site."""


@dataclass(frozen=True)
class Batch:
    """A batch of real or generated images with their labels, and D's output for them."""

    x: Tensor
    """(N, C, H, W) in [-1, 1], before any augmentation."""

    y: Tensor
    """Class indices, (N,) int64, or class weights, (N, K) float."""

    z: Tensor | None = None
    """(N, Z) the noise of generated images; None for real images."""

    d_output: DiscriminatorOutput | None = None
    """D's output for the batch; None for the real batch of a G step unless the loss needs it."""

    @property
    def output(self) -> DiscriminatorOutput:
        """D's output for the batch. It must have been computed."""
        assert self.d_output is not None, "this batch was not shown to the discriminator"
        return self.d_output


@dataclass(frozen=True)
class Prepared:
    """A dataset split that is ready for training; see `ganlab.data.prepare.prepare`."""

    images: Tensor
    """(N, C, S, S) uint8. Cached images are memory-mapped copy-on-write: pages are read on access,
    and changing the tensor does not change the file."""

    labels: Tensor
    """(N,) int64 class indices, from 0 to ``spec.num_classes - 1``."""

    spec: DataSpec

    sha256: str
    """The hash of images, labels and class names. It does not depend on where they came from."""

    source: str
    """The name of the dataset, as recorded in a run."""
