"""Conditioning sites: the modules through which a label enters a network."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache, partial
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor, nn

from ganlab.errors import ConfigError, PluginError, Problem
from ganlab.nn import one_hot
from ganlab.types import DataSpec, DiscriminatorOutput, Role

log = logging.getLogger("ganlab")


class Chain(nn.Module):
    """Apply modules one after the other, each with the label: (t, y) -> t'. Empty: identity."""

    def __init__(self, links: Iterable[nn.Module]) -> None:
        super().__init__()
        self.links = nn.ModuleList(links)

    def forward(self, t: Tensor, y: Tensor) -> Tensor:
        for link in self.links:
            t = link(t, y)
        return t


class LatentSite(Chain):
    """The latent site: (z (N, z_dim), y) -> (N, out_features)."""

    out_features: int


class ImageSite(Chain):
    """The image site: (x (N, C, H, W), y) -> (N, out_channels, H, W)."""

    out_channels: int


class OneHotStyle(nn.Module):
    """The default style, the one-hot label: (z, y) -> (N, K)."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.out_features = num_classes

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        return one_hot(y, self.out_features, dtype=z.dtype)


class Plain(nn.Module):
    """Wrap a network's own normalisation or last layer, and ignore the style or the label."""

    def __init__(self, plain: nn.Module) -> None:
        super().__init__()
        self.plain = plain

    def forward(self, h: Tensor, condition: Tensor) -> Tensor:
        return self.plain(h)


class Constant(nn.Module):
    """h (N, *shape) -> h + c, where c (*shape) is learned and starts at 0."""

    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.zeros(shape))

    def forward(self, h: Tensor) -> Tensor:
        return h + self.value


class DiscriminatorHead(nn.Module):
    """The end of D: (h (N, features), y) -> `DiscriminatorOutput`.

    ``owner`` is the name of the scheme that provides ``head``, or empty. ``auxiliary`` holds the
    auxiliary modules by scheme.
    """

    def __init__(self, head: nn.Module, owner: str, auxiliary: dict[str, nn.Module]) -> None:
        super().__init__()
        self.logit = head
        self.owner = owner
        self.auxiliary = nn.ModuleDict(auxiliary)

    def forward(self, h: Tensor, y: Tensor) -> DiscriminatorOutput:
        logit = self.logit(h, y)
        auxiliary: dict[str, Any] = {
            name: auxiliary(h, y) for name, auxiliary in self.auxiliary.items()
        }
        if isinstance(logit, tuple):
            logit, auxiliary[self.owner] = logit
        if tuple(logit.shape) not in ((len(h),), (len(h), 1)):
            raise PluginError(
                f"the head of '{self.owner or 'the discriminator'}' must give one logit per image: "
                f"expected shape ({len(h)},) or ({len(h)}, 1), got {tuple(logit.shape)}"
            )
        return DiscriminatorOutput(logit.flatten(), h, auxiliary)


class Scheme(Protocol):
    """The part of `ganlab.Conditioning` that `Sites` needs. Each site is a method of its name."""

    name: ClassVar[str]

    @classmethod
    def claims(cls, role: Role) -> list[str]:
        """Return the sites of the network ``role`` that this scheme overrides."""


class Sites:
    """The conditioning sites of one network, for the code that builds it.

    Each method returns the module to use at a site. Without a scheme at the site, the module is the
    identity or the network's own layer, so the network needs no case distinction.
    """

    def __init__(self, role: Role, schemes: Sequence[Scheme], spec: DataSpec) -> None:
        self.role = role
        self.schemes = schemes
        self.spec = spec
        self._asked: set[str] = set()
        self._claimed: set[str] = set()
        self._unheard = False

    # ---------------------------------------------------------------------------- of G

    def latent(self, z_dim: int) -> LatentSite:
        """Return a module (z (N, z_dim), y) -> (N, out_features), with ``out_features``."""
        site = LatentSite(self._links("latent", z_dim, "out_features"))
        site.out_features = _width(site, z_dim, "out_features")
        return site

    def style(self, z_dim: int) -> nn.Module:
        """Return a module (z (N, z_dim), y) -> (N, out_features), with ``out_features``.

        The network passes the output, the style, to each norm site. Call this before `norm`.
        """
        style = self._owned("style", z_dim, out="out_features")
        self._style_dim = int(style.out_features) if style else self.spec.num_classes  # type: ignore[arg-type]
        return style or OneHotStyle(self.spec.num_classes)

    def norm(self, channels: int, plain: nn.Module, *, extra: int = 0) -> nn.Module:
        """Return a module (h (N, channels, *), style (N, S)) -> a tensor of the shape of h.

        ``plain`` is the network's own normalisation layer, used if no scheme has a norm site. The
        network may append ``extra`` values to the style, such as a chunk of z.
        """
        assert hasattr(self, "_style_dim"), "a network asks for its style before its norms"
        owned = self._owned("norm", channels, self._style_dim + extra, plain)
        self._unheard |= owned is None and extra > 0
        return owned or Plain(plain)

    def constant(self, *shape: int) -> nn.Module:
        """Module h (N, *shape) -> h plus a learned constant; identity if no scheme normalises.

        For a network without a bias before its first norm. Each element is zero there on average
        over the noise, so that conditional gains and biases have no fixed pattern to act on. The
        first layer of Miyato & Koyama (2018, arXiv:1802.05637) has a bias.
        """
        return Constant(*shape) if self._claiming("norm") else nn.Identity()

    # ---------------------------------------------------------------------------- of D

    def image(self) -> ImageSite:
        """Return a module (x (N, C, H, W), y) -> (N, out_channels, H, W), with ``out_channels``."""
        site = ImageSite(self._links("image", self.spec.channels, "out_channels"))
        site.out_channels = _width(site, self.spec.channels, "out_channels")
        return site

    def head(self, features: int, plain: nn.Module) -> nn.Module:
        """Return a module (h (N, features), y) -> `DiscriminatorOutput`.

        ``plain`` is the network's own last layer, (N, features) -> (N, 1).
        """
        head = self._owned("head", features, plain) or Plain(plain)
        self._asked.add("auxiliary")
        auxiliary = {
            scheme.name: module
            for scheme in self._claiming("auxiliary")
            if (module := self._build(scheme, "auxiliary", features)) is not None
        }
        owners = [scheme.name for scheme in self._claiming("head")]
        return DiscriminatorHead(head, owners[0] if owners else "", auxiliary)

    # -------------------------------------------------------------------------- checks

    def check_all_used(self, network: str) -> None:
        """Check, once the network is built, that it has used every site of every scheme.

        Raises `ConfigError` if a scheme would have no effect.
        """
        has_not = f"which {self.role} '{network}' does not have"
        problems = [
            Problem("conditioning", f"'{scheme.name}' changes the {site} site, {has_not}")
            for scheme in self.schemes
            for site in type(scheme).claims(self.role)
            if site not in self._asked
        ]
        if "style" in self._claimed and "norm" not in self._claimed:
            (owner,) = self._claiming("style")
            what = f"'{owner.name}' brings a style, but no scheme normalises by it: add one"
            problems.append(Problem("conditioning", what))
        if problems:
            raise ConfigError(problems)
        if self._unheard:
            _warn(
                f"{self.role} '{network}' hands noise to its norm sites, which no scheme has: it "
                "has no effect there"
            )

    def _claiming(self, site: str) -> list[Scheme]:
        return [scheme for scheme in self.schemes if site in type(scheme).claims(self.role)]

    def _owned(self, site: str, *arguments: Any, out: str = "") -> nn.Module | None:
        """Return the module of the one scheme that has this site, or None without one."""
        self._asked.add(site)
        for scheme in self._claiming(site):  # at most one: checked with the experiment
            return self._build(scheme, site, *arguments, out=out)
        return None

    def _links(self, site: str, width: int, out: str) -> Iterable[nn.Module]:
        self._asked.add(site)
        for scheme in self._claiming(site):
            link = self._build(scheme, site, width, out=out)
            if link is not None:
                width = int(getattr(link, out))
                yield link

    def _build(self, scheme: Scheme, site: str, *arguments: Any, out: str = "") -> nn.Module | None:
        module: object = getattr(scheme, site)(*arguments, self.spec)
        where = f"conditioning '{scheme.name}': {site}()"
        if module is None:
            return None
        if not isinstance(module, nn.Module):
            raise PluginError(f"{where} returned {type(module).__name__}, expected a torch module")
        if out and not isinstance(getattr(module, out, None), int):
            raise PluginError(f"{where} returned a module without an integer `{out}`")
        self._claimed.add(site)
        mark(module, where)
        if site in SHAPES:
            module.register_forward_hook(partial(_check_shape, where, SHAPES[site]))
        return module


def mark(module: nn.Module, where: str) -> None:
    """Mark a module with its plugin and site, for `ganlab.training.error_attribution`."""
    module.ganlab_site = where  # type: ignore[assignment]


def mark_of(module: object) -> str | None:
    """Return the mark that `mark` put on a module, or None."""
    return vars(module).get("ganlab_site") if isinstance(module, nn.Module) else None


Shape = Callable[[Any, Tensor], tuple[int, ...]]
SHAPES: dict[str, Shape] = {
    "latent": lambda module, z: (len(z), module.out_features),
    "style": lambda module, z: (len(z), module.out_features),
    "norm": lambda module, h: tuple(h.shape),
    "image": lambda module, x: (len(x), module.out_channels, *x.shape[2:]),
}
"""The shape that a site's module must return, given the module and its first input."""


def _check_shape(
    where: str, shape: Shape, module: nn.Module, inputs: tuple[Any, ...], output: object
) -> None:
    expected = shape(module, inputs[0])
    if not isinstance(output, Tensor):
        raise PluginError(f"{where} must give a tensor {expected}, got {type(output).__name__}")
    if tuple(output.shape) != expected:
        raise PluginError(f"{where} must give shape {expected}, got {tuple(output.shape)}")


@lru_cache
def _warn(text: str) -> None:
    """Warn once, although networks are built twice: for validation and for training."""
    log.warning("%s", text)


def _width(site: Chain, width: int, out: str) -> int:
    return int(getattr(site.links[-1], out)) if len(site.links) else width
