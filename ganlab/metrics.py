"""The base classes of extractors, which compute features, and of metrics, which compare them.

The reference is the set of real images, usually the training split, that generated images are
compared with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from PIL import Image
from torch import Tensor

from ganlab.events import Tell, ignore
from ganlab.nn import ExtractorNet
from ganlab.options import Component
from ganlab.types import Prepared

Level = Literal["quick", "standard", "full"]
"""The levels of the evaluation profiles: a higher level computes more metrics."""

Need = Literal["classifier", "held out", "logits"]


@dataclass(frozen=True)
class MetricInput:
    """The data of one set of images, generated or reference, that metrics compute scores from."""

    features: Tensor
    """(N, D) float32, the extractor's features."""

    logits: Tensor
    """(N, K) float32, the extractor's class logits."""

    labels: Tensor
    """(N,) int64: the labels that G was given, or those of the reference."""

    predicted: Tensor | None = None
    """(N,) int64: the predictions of the classifier, a network independent of the extractor."""

    images: Tensor | None = None
    """(N, C, H, W) uint8."""

    held_out: MetricInput | None = None
    """For the reference: the test split, which no generator was trained on."""


class Extractor(Component):
    """Provides the network that computes the features and logits that metrics compare.

    Scores record the name of the extractor and the hash of its weights.
    """

    kind = "extractor"
    published: ClassVar[bool] = False
    """True for the extractor that published scores use, Inception."""

    @classmethod
    def priority(cls, channels: int) -> int | None:
        """Return the rank of this extractor if the experiment names none: the lowest goes first.

        None excludes it from the default.
        """
        return None

    def load(self, dataset: str, channels: int) -> ExtractorNet:
        """Return the network for a dataset, given by name, in eval mode, on the CPU.

        Raises `ganlab.errors.DataUnavailable`, with advice, if its weights are unavailable.
        """
        raise NotImplementedError

    def classifier(self, dataset: str, channels: int) -> ExtractorNet | None:
        """Return a classifier for the dataset, with other weights than the extractor's.

        Its logits predict the class of an image. None if there is no classifier for the dataset.
        """
        return None

    def train(self, data: Prepared, test: Prepared, *, tell: Tell = ignore) -> list[Path]:
        """Train the networks for a dataset, test them on ``test``, and save them.

        ``tell`` receives events, such as those of `ganlab.events.phase`. Returns the files. Raises
        `ganlab.errors.DataError` if the networks are not accurate enough, or if they already exist:
        existing networks are never replaced, because scores refer to them by hash.
        """
        raise NotImplementedError

    def files(self, dataset: str) -> list[Path]:
        """Return the files of the networks for a dataset, for sharing with other users."""
        return []

    def install(self, files: Sequence[Path]) -> list[Path]:
        """Check network files from another user, copy them, and return the paths of the copies."""
        raise NotImplementedError


class Metric(Component):
    """A score of generated images. ``compute`` is a pure function of its two inputs."""

    kind = "metric"
    higher_is_better: ClassVar[bool | None] = None
    """Whether higher or lower values are better; None for a value that does not rank."""

    range: ClassVar[str] = ""
    """The possible values, such as ``0 to 1``."""

    default_order: ClassVar[int | None] = None
    """The position among the default metrics; None for a metric that is not a default."""

    min_profile: ClassVar[Level] = "standard"
    """The lowest level of a profile that computes this metric by default."""

    always_shown: ClassVar[bool] = False
    """True to compute this metric always and show it on every leaderboard."""

    version: ClassVar[int] = 1
    """The version of the definition. Increase it if a change gives the same images other scores."""

    max_images: ClassVar[int | None] = None
    """Use at most this many images of each set, in class proportions: for costs of order N^2."""

    needs: ClassVar[tuple[Need, ...]] = ()
    """Required inputs beyond features and labels.

    ``classifier``: ``predicted``; ``held out``: ``real.held_out``; ``logits``: the class logits.
    """

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
        """The minimum number of images in each set."""
        return 2

    def compute(self, fake: MetricInput, real: MetricInput) -> dict[str, float]:
        """Return the values of the metric by name.

        The first value ranks, and has the name of the metric. Raises ValueError, with the reason,
        for inputs that have no score.
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
