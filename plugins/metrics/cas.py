"""The classification accuracy score: train on generated images, test on real images."""

from __future__ import annotations

import torch
from pydantic import PositiveInt
from torch import Tensor

from ganlab import DataSpec, Metric, MetricInput, hookimpl
from ganlab.types import Prepared

from ..extractors._cnn import Member, to_input
from ..extractors._training import BATCH, one_thread, train_member
from ._inputs import checked, ordered

SEED = 0
IMAGES = 10_000
CHUNK = 500


class ClassificationAccuracy(Metric):
    """Accuracy on held-out real images of a classifier trained only on generated images.

    The training labels are those given to the generator, so the score measures image quality,
    diversity within a class and label agreement together. The network is a small CNN, like those of
    the extractor ``cnn``, and its seed is fixed: the same images give the same value.
    ``cas_gan-test`` is the reverse: the fraction of generated images that a classifier trained on
    real images assigns to the given class.
    """

    name = "cas"
    paper = "Ravuri & Vinyals, 2019, arXiv:1905.10887; Shmelkov et al., 2018, arXiv:1807.09499"
    higher_is_better = True
    range = "0 to 1"
    default_order = 10
    min_profile = "full"
    needs = ("classifier", "held out")

    epochs: PositiveInt = 2
    """Number of training epochs for 10,000 generated images. For other numbers of images, the
    epochs are chosen so that about the same number of batches is used."""

    def compute(self, fake: MetricInput, real: MetricInput) -> dict[str, float]:
        if fake.images is None:
            raise ValueError("the generated images are missing; the classifier is trained on them")
        if fake.predicted is None:
            raise ValueError("the predicted classes of the generated images are missing")
        if real.held_out is None or real.held_out.images is None:
            raise ValueError("there are no held-out real images to test the classifier on")
        # Training shuffles with a fixed seed: sort first, so that the input's order is irrelevant.
        order = ordered(checked(fake.features, "generated features", minimum=self.min_images))
        images, labels = fake.images.cpu()[order], fake.labels.cpu()[order]
        tests, answers = real.held_out.images.cpu(), real.held_out.labels.cpu()
        num_classes = 1 + int(torch.cat([labels, answers, real.labels.cpu()]).max())
        epochs = max(1, round(self.epochs * _batches(IMAGES) / _batches(len(images))))
        with one_thread():
            member = _train(images, labels, num_classes=num_classes, epochs=epochs)
            predicted = _classes(member, tests)
        return {
            "cas": _accuracy(predicted == answers),
            "cas_gan-test": _accuracy(fake.predicted == fake.labels),
        }


def _batches(count: int) -> int:
    return max(1, count // BATCH)


def _accuracy(correct: Tensor) -> float:
    return float(correct.double().mean())


def _train(images: Tensor, labels: Tensor, *, num_classes: int, epochs: int) -> Member:
    """Return a classifier trained on images (N, C, S, S) uint8 and labels (N,), in eval mode."""
    names = tuple(map(str, range(num_classes)))
    spec = DataSpec(num_classes, images.shape[-1], images.shape[1], names)
    data = Prepared(images, labels, spec, sha256="", source="generated images")
    with torch.enable_grad():
        return train_member(data, seed=SEED, epochs=epochs)


@torch.no_grad()
def _classes(member: Member, images: Tensor) -> Tensor:
    """Return the class (N,) that the classifier predicts for each image."""
    return torch.cat([member(to_input(part))[1].argmax(1) for part in images.split(CHUNK)])


@hookimpl
def register_metrics() -> list[type[Metric]]:
    return [ClassificationAccuracy]
