"""Checks of generators and discriminators."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ganlab.components import Discriminator, Generator, Network
from ganlab.nn import DiscriminatorNet, GeneratorNet
from ganlab.seeds import seeded
from ganlab.sites import Sites
from ganlab.testing.harness import CPU, SIZE, labels_of, spec_of
from ganlab.testing.kit_components import KitConditioning
from ganlab.testing.report import EARLIER_FAILURE, Findings
from ganlab.testing.tensors import SEED, check_gradients, difference, finite, perturbed, shape
from ganlab.types import DataSpec, DiscriminatorOutput

Z = 16
BATCHES, CLASSES = (1, 2, 5), (2, 10)

MAX_ABS_PIXEL = 20.0
"""Limit for the pixels of an untrained generator, which pixels in [0, 255] exceed."""


def check_network(found: Findings, network: Network) -> None:
    """Check all image sizes, then labels, gradients and determinism at one size."""
    sizes = ", ".join(map(str, network.sizes))
    with found.group("images", f"{sizes} pixels, 1, 2 and 5 images, 2 and 10 classes"):
        for channels in network.channels:
            for size in network.sizes:
                _check_size(found, network, spec_of(CLASSES[-1], channels=channels, size=size))
        for classes in CLASSES:
            _check_size(found, network, _spec(network, classes), batches=BATCHES)
    if found.groups[-1].failures:
        for title in ("labels", "gradients", "seed"):
            found.skip(title, EARLIER_FAILURE)
        return
    with found.group("labels", "a scheme's label reaches the output"), torch.no_grad():
        net = perturbed(build(network, _spec(network, 3)))
        outputs = []
        for y in (labels_of(6, 3), labels_of(7, 3)[1:]):
            with seeded(SEED, CPU):
                outputs.append(_call(net, _input(network, 6), y))
        gap = difference(*outputs)
        found.expect(gap > 0, "build()", "another output for other labels", "the same")
    with found.group("gradients", "at every parameter and at the input"):
        net, t = build(network, _spec(network, 3)), _input(network, 12)
        y = labels_of(12, 3)
        check_gradients(found, "build()", net, lambda m: _call(m, t, y), t)
    with found.group("seed", "the same seed gives the same output"), torch.no_grad():
        outputs = []
        for _ in range(2):
            net = build(network, _spec(network, 3))
            with seeded(SEED, CPU):
                outputs.append(_call(net, _input(network, 5), labels_of(5, 3)))
        gap = difference(*outputs)
        same = "the same output from the same seed"
        found.expect(gap == 0, "build()", same, f"a difference of {gap:.2g}")


def build(network: Network, spec: DataSpec) -> nn.Module:
    """Build a network with the kit's conditioning scheme."""
    with seeded(SEED, CPU):
        if isinstance(network, Generator):
            return network.build(Z, spec, Sites("generator", [KitConditioning()], spec))
        assert isinstance(network, Discriminator)
        return network.build(spec, Sites("discriminator", [KitConditioning()], spec))


def _spec(network: Network, classes: int) -> DataSpec:
    size = SIZE if SIZE in network.sizes else min(network.sizes)
    return spec_of(classes, channels=network.channels[0], size=size)


def _input(network: Network, n: int) -> Tensor:
    spec = _spec(network, 2)
    if isinstance(network, Generator):
        return torch.randn(n, Z)
    return torch.rand(n, spec.channels, spec.image_size, spec.image_size) * 2 - 1


def _call(net: nn.Module, t: Tensor, y: Tensor) -> Any:
    out = net(t, y)
    return out.logit if isinstance(out, DiscriminatorOutput) else out


@torch.no_grad()
def _check_size(
    found: Findings, network: Network, spec: DataSpec, batches: tuple[int, ...] = (2,)
) -> None:
    generates = isinstance(network, Generator)
    image = (spec.channels, spec.image_size, spec.image_size)
    sizes = f"{spec.channels} x {spec.image_size} x {spec.image_size}, {spec.num_classes} classes"
    with found.guarded("build()", sizes):
        net = build(network, spec)
        base = GeneratorNet if generates else DiscriminatorNet
        if not found.expect(isinstance(net, base), "build()", base.__name__, type(net).__name__):
            return
        for n in batches:
            case = f"{n} image{'s' if n > 1 else ''} of {sizes}"
            net.train(n > 1)  # a batch of one value has no variance
            with seeded(SEED, CPU), found.guarded("forward()", case):
                y = labels_of(n, spec.num_classes)
                if not generates:
                    x = torch.rand(n, *image) * 2 - 1
                    if _check_features(found, net, x, y, case):
                        _check_output(found, net(x, y), n, case)
                    continue
                x = net(torch.randn(n, Z), y)
                fits = isinstance(x, Tensor) and tuple(x.shape) == (n, *image)
                found.expect(fits, "forward()", f"shape {(n, *image)} for {case}", shape(x))
                found.expect(finite(x), "forward()", f"finite images for {case}", "some are not")
                if fits:
                    top = x.abs().max().item()
                    found.expect(
                        top <= MAX_ABS_PIXEL, "forward()", "images about [-1, 1]", f"{top:.3g}"
                    )


def _check_features(found: Findings, net: Any, x: Tensor, y: Tensor, case: str) -> bool:
    h = net.features(net.image(x, y))
    rows = isinstance(h, Tensor) and h.dim() == 2 and len(h) == len(x)
    wanted = f"features of shape ({len(x)}, F) for {case}"
    return found.expect(rows, "features()", wanted, shape(h))


def _check_output(found: Findings, output: Any, n: int, case: str) -> None:
    if not found.expect(
        isinstance(output, DiscriminatorOutput),
        "forward()",
        f"a DiscriminatorOutput for {case}",
        shape(output),
    ):
        return
    fits = tuple(output.logit.shape) == (n,)
    found.expect(fits, "forward()", f"logits of shape {(n,)} for {case}", shape(output.logit))
    found.expect(finite(output.logit), "forward()", f"finite logits for {case}", "some are not")
