"""The base classes of what measures images: extractors, which see, and metrics, which count."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from PIL import Image
from torch import Tensor

from ganlab.nn import ExtractorNet
from ganlab.options import Component
from ganlab.types import Prepared

Level = Literal["quick", "standard", "full"]
"""From which profile on a metric is computed when none is named."""

Need = Literal["classifier", "held out", "logits"]


@dataclass(frozen=True)
class MetricInput:
    """What metrics know of one set of images: the generated one, or the reference."""

    features: Tensor
    """(N, D) float32, what the extractor measures distances in."""

    logits: Tensor
    """(N, K) float32, the extractor's raw class scores."""

    labels: Tensor
    """(N,) int64: the classes that were asked for, or the reference's own."""

    predicted: Tensor | None = None
    """(N,) int64: the classes that the classifier sees, a network that is not the extractor."""

    images: Tensor | None = None
    """(N, C, H, W) uint8."""

    held_out: MetricInput | None = None
    """Of the reference: real images that no generator has learned from, the test split."""


class Extractor(Component):
    """Turns images into what metrics compare. Its name in scores carries the weights' hash."""

    kind = "extractor"
    published: ClassVar[bool] = False
    """True for the one that published scores come from."""

    @classmethod
    def priority(cls, channels: int) -> int | None:
        """Return its place among those that are tried where none is named; None for not at all."""
        return None

    def load(self, dataset: str, channels: int) -> ExtractorNet:
        """Return the network for a dataset by name, in eval mode, on the CPU.

        Raises `ganlab.errors.DataUnavailable` when its weights cannot be had, saying what to do.
        """
        raise NotImplementedError

    def classifier(self, dataset: str, channels: int) -> ExtractorNet | None:
        """Return a network of other weights, whose logits tell the class of an image.

        None if this extractor has none for the dataset.
        """
        return None

    def train(self, data: Prepared, test: Prepared, *, say: Callable[[str], None]) -> list[Path]:
        """Make the networks for a dataset from its train split, examine them, keep them.

        Returns their files. Raises `ganlab.errors.DataError` if they are not fit to measure, or are
        there already: scores name them by their hash, so none is ever replaced.
        """
        raise NotImplementedError

    def files(self, dataset: str) -> list[Path]:
        """Return the files of the networks for a dataset: what a user hands to another."""
        return []

    def install(self, files: Sequence[Path]) -> list[Path]:
        """Keep files that another user handed over, after checking them; return where they are."""
        raise NotImplementedError


class Metric(Component):
    """A score of generated images. ``compute`` is a pure function of the metric_input."""

    kind = "metric"
    higher_is_better: ClassVar[bool | None] = None
    """The direction; None for a value that is only shown."""

    range: ClassVar[str] = ""
    """Which values are possible: ``0 to 1``."""

    default_order: ClassVar[int | None] = None
    """Its place among those that are computed where none is named."""

    min_profile: ClassVar[Level] = "standard"
    """From which profile on it is computed where none is named."""

    always_shown: ClassVar[bool] = False
    """True for what stands on every board, whatever was asked for."""

    version: ClassVar[int] = 1
    """Raised when the same images would score otherwise."""

    max_images: ClassVar[int | None] = None
    """Use at most this many images of each set, chosen evenly, where the cost grows with N^2."""

    needs: ClassVar[tuple[Need, ...]] = ()
    """What must be there beside features and labels: ``predicted``, ``real.held_out``, logits."""

    @classmethod
    def facts(cls) -> dict[str, str]:
        better = {True: "higher", False: "lower", None: "neither: it warns"}
        images = f"at least {cls().min_images:,}"
        images += f"; {cls.max_images:,} of each set are used" if cls.max_images else ""
        return {
            "better": better[cls.higher_is_better],
            "range": cls.range,
            "images": images,
            "needs": ", ".join(cls.needs),
            "definition": f"version {cls.version}",
        }

    @property
    def min_images(self) -> int:
        """How many images each set must have."""
        return 2

    def compute(self, fake: MetricInput, real: MetricInput) -> dict[str, float]:
        """Return its values by name: the first is the one that ranks, named like the metric.

        Raises ValueError, saying what is wrong, for metric_input that it cannot score.
        """
        raise NotImplementedError

    def flag(self, values: dict[str, float], baseline: dict[str, float]) -> str | None:
        """Return what the board must warn of, in a word or two.

        ``baseline`` holds the same values for real images that were held out; empty if unknown.
        """
        return None

    def picture(self, fake: MetricInput, real: MetricInput) -> Image.Image | None:
        """Return what shows the reason of a score, or None."""
        return None
