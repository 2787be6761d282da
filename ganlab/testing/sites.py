"""Checks of the sites of a conditioning scheme."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ganlab.components import Conditioning
from ganlab.nn import one_hot
from ganlab.seeds import seeded
from ganlab.sites import OneHotStyle
from ganlab.testing.harness import CPU, labels_of, spec_of
from ganlab.testing.report import EARLIER_FAILURE, Findings
from ganlab.testing.tensors import SEED, check_gradients, difference, finite, perturbed, shape
from ganlab.types import DataSpec

Z, CHANNELS, FEATURES = 16, 6, 24
BATCHES, CLASSES = (1, 2, 5), (2, 10)


@dataclass
class Site:
    """One module of a scheme, and the inputs of its forward call."""

    name: str
    module: nn.Module
    spec: DataSpec
    size: tuple[int, ...]
    """Shape of the first argument, without the batch dimension."""

    style: nn.Module | None = None
    """For the norm site: the module that computes the style from noise and label."""

    @property
    def where(self) -> str:
        return f"{self.name}()"

    def input(self, n: int) -> Tensor:
        return torch.randn(n, *self.size)

    def call(self, module: nn.Module, t: Tensor, y: Tensor, z: Tensor) -> Any:
        return module(t, y if self.style is None else self.style(z, y))

    def expected(self, n: int) -> list[tuple[int, ...]]:
        """Return the allowed output shapes; an empty list allows any output."""
        match self.name:
            case "latent" | "style":
                return [(n, int(self.module.out_features))]  # type: ignore[arg-type]
            case "image":
                return [(n, int(self.module.out_channels), *self.size[1:])]  # type: ignore[arg-type]
            case "norm":
                return [(n, *self.size)]
            case "head":
                return [(n,), (n, 1)]
        return []


def check_sites(found: Findings, scheme: Conditioning) -> None:
    """Check every site that a scheme uses."""
    claimed = [s for role in Conditioning.SITES for s in type(scheme).claims(role)]
    if not claimed:
        found.skip("sites", "it claims none")
        return
    names = ", ".join(claimed)
    with found.group("sites", f"{names}: shapes for 1, 2 and 5 images, 2 and 10 classes"):
        for classes in CLASSES:
            for site in _sites(found, scheme, spec_of(classes)):
                _check_shapes(found, site)
    if found.groups[-1].failures:
        for title in ("labels", "gradients", "seed"):
            found.skip(title, EARLIER_FAILURE)
        return
    with found.group("seed", "the same seed gives the same output"):
        twice = [list(_working_sites(found, scheme)) for _ in range(2)]
        for site, again in zip(*twice, strict=True):
            with found.guarded(site.where):
                gap = difference(_seeded_output(site), _seeded_output(again))
                same = "the same output from the same seed"
                found.expect(gap == 0, site.where, same, f"a difference of {gap:.2g}")
    with found.group(
        "labels", "different labels give different outputs, one-hot rows the same as indices"
    ):
        for site in _sites_to_check(found, scheme):
            _check_label(found, site)
    with found.group("gradients", "at every parameter and at the input"):
        for site in _sites_to_check(found, scheme):
            with found.guarded(site.where):
                _check_gradients(site, found)


def _check_gradients(site: Site, found: Findings) -> None:
    with seeded(SEED, CPU):
        t, y, z = site.input(12), labels_of(12, 3), torch.randn(12, Z)
    inputs = [] if site.name == "style" else [t]  # a style may be the label's alone
    check_gradients(found, site.where, site.module, lambda m: site.call(m, t, y, z), *inputs)


def _seeded_output(site: Site) -> Any:
    return _seeded_call(site, site.module, labels_of(6, 3))


def _seeded_call(site: Site, module: nn.Module, y: Tensor) -> Any:
    with seeded(SEED, CPU):
        t, z = site.input(len(y)), torch.randn(len(y), Z)
        return site.call(module, t, y, z)


def _sites_to_check(found: Findings, scheme: Conditioning) -> list[Site]:
    """Return the sites without failures so far; if there are none, skip the group."""
    sites = list(_working_sites(found, scheme))
    found.groups[-1].skipped = not sites
    return sites


def _working_sites(found: Findings, scheme: Conditioning) -> Iterator[Site]:
    """Yield the sites without failures so far, built for three classes."""
    lost = [where for where in found.broken if where.endswith("()")]
    if lost and "skipped" not in found.groups[-1].note:
        found.groups[-1].note += f"; skipped: {', '.join(sorted(lost))}"
    for site in _sites(found, scheme, spec_of(3)):
        if site.where not in found.broken and site.size != (CHANNELS,):
            yield site


def _sites(found: Findings, scheme: Conditioning, spec: DataSpec) -> Iterator[Site]:
    """Build the modules of all sites of the scheme, as a network would."""
    style: nn.Module = OneHotStyle(spec.num_classes)
    for role in Conditioning.SITES:
        for name in type(scheme).claims(role):
            for site in _build(found, scheme, name, spec, style):
                if name == "style":
                    style = site.module
                yield site


def _build(
    found: Findings, scheme: Conditioning, name: str, spec: DataSpec, style: nn.Module
) -> Iterator[Site]:
    where, image = f"{name}()", (spec.channels, spec.image_size, spec.image_size)
    if where in found.broken:
        return
    with found.guarded(where), seeded(SEED, CPU):
        width = int(getattr(style, "out_features", 0))
        size: tuple[int, ...]
        match name:
            case "latent" | "style":
                size, module = (Z,), getattr(scheme, name)(Z, spec)
            case "norm":
                size = (CHANNELS, 4, 4)
                module = scheme.norm(CHANNELS, width, nn.GroupNorm(2, CHANNELS), spec)
            case "image":
                size, module = image, scheme.image(spec.channels, spec)
            case "head":
                size, module = (FEATURES,), scheme.head(FEATURES, nn.Linear(FEATURES, 1), spec)
            case _:
                size, module = (FEATURES,), scheme.auxiliary(FEATURES, spec)
        if module is None:
            return
        expected = "a torch module or None"
        if not found.expect(isinstance(module, nn.Module), where, expected, type(module).__name__):
            return
        out = {"latent": "out_features", "style": "out_features", "image": "out_channels"}.get(name)
        got = getattr(module, out, None) if out else 0
        got = "nothing" if got is None else repr(got)
        if not found.expect(got.isdecimal(), where, f"a module with an integer `{out}`", got):
            return
        yield Site(name, module, spec, size, style if name == "norm" else None)
        if name == "norm":
            yield Site(name, module, spec, (CHANNELS,), style)


def _check_shapes(found: Findings, site: Site) -> None:
    k = site.spec.num_classes
    for n in BATCHES:
        for rows in (False, True):
            case = (
                f"{n} image{'s' if n > 1 else ''}, {k} classes{', labels (N, K)' if rows else ''}"
            )
            with found.guarded(site.where, case), torch.no_grad(), seeded(SEED, CPU):
                # A batch of one value has no variance.
                site.module.train(n > 1)
                t, z = site.input(n), torch.randn(n, Z)
                out = site.call(site.module, t, labels_of(n, k, rows=rows), z)
                logit = out[0] if site.name == "head" and isinstance(out, tuple) else out
                allowed = site.expected(n)
                fits = isinstance(logit, Tensor) and tuple(logit.shape) in allowed
                wanted = f"shape {' or '.join(map(str, allowed))} for {case}"
                found.expect(not allowed or fits, site.where, wanted, shape(logit))
                found.expect(
                    finite(out), site.where, f"finite numbers for {case}", "some that are not"
                )


def _check_label(found: Findings, site: Site) -> None:
    k = site.spec.num_classes
    with found.guarded(site.where), torch.no_grad():
        module = perturbed(site.module)
        y = labels_of(6, k)
        one, row, other, other_row = (
            _seeded_call(site, module, label)
            for label in (y, one_hot(y, k), y.roll(1), one_hot(y.roll(1), k))
        )
        gap = difference(one, row)
        same = "the same for indices (N,) and their one-hot rows (N, K)"
        found.expect(gap < 1e-3, site.where, same, f"a difference of {gap:.2g}")
        # An auxiliary output need not depend on the label, nor a logit that comes with one.
        if site.name == "auxiliary" or isinstance(one, tuple):
            return
        for a, b, form in ((one, other, ""), (row, other_row, " as rows (N, K)")):
            wanted = f"another output for other labels{form}"
            found.expect(difference(a, b) > 0, site.where, wanted, "the same")
