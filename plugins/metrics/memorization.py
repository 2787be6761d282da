"""Memorization: the fraction of generated images that are too close to a training image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from pydantic import PositiveInt
from torch import Tensor

from ganlab import Metric, MetricInput, hookimpl

from ._cache import cached
from ._inputs import checked_features, subsample
from ._neighbours import nearest

if TYPE_CHECKING:
    from PIL import Image

WARN_BELOW = 0.5
"""Warn below this multiple of the authentic fraction of held-out real images."""

EXPECTED = 0.5
"""The authentic fraction of held-out images where it is unknown: about 1/2 in many dimensions."""

COPY = 1e-5
"""Smallest distance, relative to the norm of the features' standard deviations. The features of
one image in two batches differ by less."""

PAIRS = 10
SIDE, GAP, GREY = 96, 2, 128


class Memorization(Metric):
    """Fraction of generated images that are not authentic; AuthPct = 100 (1 - memorization).

    Let r be the reference image nearest to a generated image g, and r' the reference image nearest
    to r. g is authentic if d(r, r') < d(r, g). The reference must be the training set. Of held-out
    real images about one third are authentic in one dimension and about one half in many
    dimensions, so neither 0 nor 1 is the ideal value: use this metric as a warning, not as a score.

    The metric warns if the authentic fraction is below half of that of held-out images, or below
    0.25 if that is unknown. A poor generator, whose images are far from all real images, has a
    value of 0.
    """

    name = "memorization"
    paper = "Alaa et al., 2022, arXiv:2102.08921 (authenticity)"
    range = "0 to 1"
    default_order = 9

    fakes: PositiveInt = 2_000
    """Maximum number of generated images to examine, chosen evenly."""

    def compute(self, fake: MetricInput, real: MetricInput) -> dict[str, float]:
        _, _, ratios = self._nearest(fake, real)
        return {"memorization": float((ratios <= 1).double().mean())}

    def flag(self, values: dict[str, float], baseline: dict[str, float]) -> str | None:
        expected = 1 - baseline["memorization"] if "memorization" in baseline else EXPECTED
        return "memorizes" if 1 - values["memorization"] < WARN_BELOW * expected else None

    def picture(self, fake: MetricInput, real: MetricInput) -> Image.Image | None:
        """Return up to ten generated images g in a row above their nearest reference images r.

        The pairs have the smallest d(r, g) / d(r, r'), in ascending order; each r occurs once.
        """
        if fake.images is None or real.images is None:
            return None
        pairs: dict[int, int] = {}
        chosen, neighbours, ratios = self._nearest(fake, real)
        for i in ratios.argsort(stable=True).tolist():
            pairs.setdefault(int(neighbours[i]), int(chosen[i]))
        below, above = zip(*list(pairs.items())[:PAIRS], strict=True)
        return _two_rows(fake.images[list(above)].cpu(), real.images[list(below)].cpu())

    def _nearest(self, fake: MetricInput, real: MetricInput) -> tuple[Tensor, Tensor, Tensor]:
        """Return the indices of generated images g, those of their r, and d(r, g) / d(r, r').

        All three are (N,).
        """
        name = f"nearest of {self.fakes}"
        return cached(fake.features, name, lambda: self._search(fake, real), real.features)

    def _search(self, fake: MetricInput, real: MetricInput) -> tuple[Tensor, Tensor, Tensor]:
        fakes, reals = checked_features(fake, real, minimum=self.min_images)
        chosen = subsample(fakes, self.fakes)
        neighbours, distances = nearest(fakes[chosen], reals)
        distinct, position = neighbours.unique(return_inverse=True)
        real_distances = nearest(reals[distinct], reals, leave_out=distinct)[1][position]
        # If r has a duplicate in the reference, d(r, r') is only a rounding error. The minimum
        # keeps a copy of r from being authentic.
        minimum = max(COPY * float(reals.std(0).norm()), torch.finfo(real_distances.dtype).tiny)
        return chosen, neighbours, distances / real_distances.clamp(min=minimum)


def _two_rows(above: Tensor, below: Tensor) -> Image.Image:
    """Arrange images (N, C, H, W) uint8 in two rows, each enlarged to at least `SIDE` pixels."""
    from PIL import Image

    times = -(-SIDE // above.shape[2])
    images = torch.cat([above, below]).repeat_interleave(times, 2).repeat_interleave(times, 3)
    columns, (height, width) = len(above), images.shape[2:]
    shape = (3, 2 * (height + GAP) + GAP, columns * (width + GAP) + GAP)
    canvas = torch.full(shape, GREY, dtype=torch.uint8)
    for i, image in enumerate(images):
        top, left = GAP + i // columns * (height + GAP), GAP + i % columns * (width + GAP)
        canvas[:, top : top + height, left : left + width] = image
    return Image.fromarray(canvas.permute(1, 2, 0).numpy())


@hookimpl
def register_metrics() -> list[type[Metric]]:
    return [Memorization]
