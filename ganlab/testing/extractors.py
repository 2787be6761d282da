"""Checks of extractors."""

from __future__ import annotations

import torch

from ganlab.errors import DataError, DataUnavailable
from ganlab.metrics import Extractor
from ganlab.nn import ExtractorNet
from ganlab.plugins import Plugins
from ganlab.seeds import seeded
from ganlab.testing.harness import CPU
from ganlab.testing.kit_components import NAME
from ganlab.testing.report import Findings
from ganlab.testing.tensors import SEED, difference, finite, shape


def check_extractor(found: Findings, extractor: Extractor, plugins: Plugins) -> None:
    """Check an extractor on random images, with the network for the first available dataset."""
    loaded: list[tuple[int, ExtractorNet]] = []
    reason = ""
    for channels in (1, 3):
        for dataset in (NAME, *plugins.names("dataset")):
            try:
                loaded.append((channels, extractor.load(dataset, channels)))
                break
            except DataUnavailable as error:
                before, reason = reason, " ".join(str(error).split()).replace(dataset, "DATASET")
                if before == reason and "DATASET" not in reason:
                    break  # the same error for every dataset
            except Exception as error:
                with found.group("network"):
                    what = "expected a network or DataUnavailable, got"
                    found.fail("load()", f"{what} {found.describe_error(error)}")
                return
    if not loaded:
        found.skip("network", reason)
        return
    with found.group("network", "features and logits of uint8 images, the same in every batch"):
        for channels, net in loaded:
            try:
                with found.guarded("load()"):
                    _check_net(found, net, channels)
            except _RefusedChannels as refused:
                found.groups[-1].note += f"; not of {channels} channels: {refused}"


class _RefusedChannels(BaseException):
    """The network refuses images with this number of channels."""


@torch.no_grad()
def _check_net(found: Findings, net: ExtractorNet, channels: int) -> None:
    kind = type(net).__name__
    if not found.expect(isinstance(net, ExtractorNet), "load()", "an ExtractorNet", kind):
        return
    found.expect(not net.training, "load()", "a network in eval mode", "one in training mode")
    for attribute, wanted in (("id", str), ("class_names", tuple)):
        value = getattr(net, attribute, None)
        found.expect(isinstance(value, wanted), attribute, wanted.__name__, type(value).__name__)
    with seeded(SEED, CPU):
        images = torch.randint(256, (5, channels, 16, 16)).to(torch.uint8)
    try:
        features, logits = net(images)
    except DataError as error:
        raise _RefusedChannels(error) from None
    classes = len(net.class_names) if net.has_logits else 0
    rows = features.dim() == 2 and len(features) == 5
    found.expect(rows, "forward()", "features of shape (5, D)", shape(features))
    fits = tuple(logits.shape) == (5, classes)
    found.expect(fits, "forward()", f"logits of shape (5, {classes})", shape(logits))
    kinds = {features.dtype, logits.dtype}
    found.expect(kinds == {torch.float32}, "forward()", "float32", ", ".join(map(str, kinds)))
    found.expect(finite((features, logits)), "forward()", "finite features", "some are not")
    parts = torch.cat([net(images[:2])[0], net(images[2:])[0]])
    gap = difference(features, parts)
    same = "the same features in batches of 2 and 3 as in one of 5"
    found.expect(gap < 1e-3, "forward()", same, f"a difference of {gap:.2g}")
