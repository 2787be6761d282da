"""Memorization: are generated images too close to training images?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from pydantic import PositiveInt
from torch import Tensor

from ganlab import Metric, MetricInput, hookimpl

from ._inputs import checked_features, spread
from ._memory import remembered
from ._neighbours import nearest

if TYPE_CHECKING:
    from PIL import Image

WARN_BELOW = 0.5
"""Of the authentic share of real images that were held out."""

EXPECTED = 0.5
"""That share, where it is unknown: of points in many dimensions about half are authentic."""

COPY = 1e-5
"""Of the features' spread. The same image in another batch has features that differ by less."""

PAIRS = 10
SIDE, GAP, GREY = 96, 2, 128


class Memorization(Metric):
    """The share of generated images that are not authentic; AuthPct is 100 (1 - memorization).

    With r the reference image nearest to a generated g, and r' the one nearest to r, g is authentic
    if d(r, r') < d(r, g): if r's surroundings would be that empty without g. The reference must be
    what the generator learned from. Of held-out images a third is authentic in one dimension, and
    about half in many, so neither 0 nor 1 is the aim: a warning, not a score.

    It warns if the authentic share is below half of that of held-out images, or below 0.25 where
    that is unknown. A poor generator, far from everything, scores 0.
    """

    name = "memorization"
    paper = "Alaa et al., 2022, arXiv:2102.08921 (authenticity)"
    range = "0 to 1"
    default_order = 9

    fakes: PositiveInt = 2_000
    """Look at this many generated images at most, evenly chosen."""

    def compute(self, fake: MetricInput, real: MetricInput) -> dict[str, float]:
        _, _, ratios = self._nearest(fake, real)
        return {"memorization": float((ratios <= 1).double().mean())}

    def flag(self, values: dict[str, float], baseline: dict[str, float]) -> str | None:
        expected = 1 - baseline["memorization"] if "memorization" in baseline else EXPECTED
        return "memorizes" if 1 - values["memorization"] < WARN_BELOW * expected else None

    def picture(self, fake: MetricInput, real: MetricInput) -> Image.Image | None:
        """Return ten generated images above their nearest reference images, all of these different.

        Those whose distance is the smallest part of d(r, r') come first.
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
        """Return indices of generated images and of their r (N,), and d(r, g) / d(r, r')."""
        name = f"nearest of {self.fakes}"
        return remembered(fake.features, name, lambda: self._search(fake, real), real.features)

    def _search(self, fake: MetricInput, real: MetricInput) -> tuple[Tensor, Tensor, Tensor]:
        fakes, reals = checked_features(fake, real, minimum=self.min_images)
        chosen = spread(fakes, self.fakes)
        neighbours, distances = nearest(fakes[chosen], reals)
        distinct, which = neighbours.unique(return_inverse=True)
        own = nearest(reals[distinct], reals, leave_out=distinct)[1][which]
        # Where r itself is there twice, a copy would else be authentic by a rounding error.
        shortest = max(COPY * float(reals.std(0).norm()), torch.finfo(own.dtype).tiny)
        return chosen, neighbours, distances / own.clamp(min=shortest)


def _two_rows(above: Tensor, below: Tensor) -> Image.Image:
    """Lay out images (N, C, H, W) uint8 in two rows, enlarged to at least `SIDE` pixels."""
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
