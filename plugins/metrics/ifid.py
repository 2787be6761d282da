"""The intra-class Fréchet distance."""

from __future__ import annotations

import torch

from ganlab import Evidence, Metric, hookimpl

from ._frechet import frechet
from ._inputs import checked_features


class IntraFID(Metric):
    """Mean over classes c of FID(generated for c, reference of c); ``ifid_worst`` is the largest.

    The classes are those that occur in either set. One with fewer than two images in a set has no
    covariance there, and raises ValueError.
    """

    name = "ifid"
    paper = "Miyato & Koyama, 2018, arXiv:1802.05637, section 6 (intra FID)"
    higher_is_better = False
    range = "0 and up"
    default = 3

    def compute(self, fake: Evidence, real: Evidence) -> dict[str, float]:
        fake_features, real_features = checked_features(fake, real, minimum=self.minimum)
        fake_labels, real_labels = fake.labels.cpu(), real.labels.cpu()
        distances = []
        for c in torch.cat([fake_labels, real_labels]).unique().tolist():
            of_fake, of_real = fake_features[fake_labels == c], real_features[real_labels == c]
            if min(len(of_fake), len(of_real)) < 2:
                raise ValueError(
                    f"class {c} has {len(of_fake):,} generated and {len(of_real):,} reference "
                    "images: at least 2 of each are needed"
                )
            distances.append(frechet(of_fake, of_real))
        return {"ifid": sum(distances) / len(distances), "ifid_worst": max(distances)}


@hookimpl
def register_metrics() -> list[type[Metric]]:
    return [IntraFID]
