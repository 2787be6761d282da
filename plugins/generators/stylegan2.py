"""The generator of StyleGAN2, conditioned at its latent and norm sites."""

from __future__ import annotations

import math

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn
from torch.nn.functional import conv2d, conv_transpose2d, linear

from ganlab import DataSpec, Generator, GeneratorNet, Latents, Sites, distributed, hookimpl

from ._equalized import Linear, activate
from ._resampling import Blur, Upsample


class StyleGAN2Generator(Generator):
    """A mapping network from noise and label to w, and convolutions with weights modulated by w.

    ADA conditions G at the latent site: the scheme ``concat`` with ``embedding: 512`` concatenates
    a learned vector to z, and both are normalised before the mapping. A scheme that claims the norm
    site acts after each modulated 3 x 3 convolution. The output has no tanh: as in the paper,
    pixels may leave [-1, 1]. They are clamped when images are saved or scored.
    """

    name = "stylegan2"
    paper = (
        "Karras et al., 2020, arXiv:1912.04958, figures 2d and 7b; "
        "with labels: Karras et al., 2020 (ADA), arXiv:2006.06676"
    )
    for_tests = {"style_dim": 8, "mapping_layers": 2, "channel_max": 8}

    style_dim: PositiveInt = 512
    """Dimension of w."""

    mapping_layers: PositiveInt = 8
    """Number of layers of the mapping network. 8 in the paper; ADA uses 2 for CIFAR-10."""

    mapping_lr: float = Field(default=0.01, gt=0)
    """Learning rate of the mapping network, relative to the other layers. 0.01 in the paper."""

    channel_base: PositiveInt = 32768
    """A feature map of height S has ``channel_base`` / S channels, at most ``channel_max``."""

    channel_max: PositiveInt = 512
    """Maximum number of channels of a layer."""

    style_mixing: float = Field(default=0.0, ge=0, le=1)
    """Probability of style mixing in training: later layers get the w of another z. The paper uses
    0.9 for faces. 0 by default, as in ADA for CIFAR-10."""

    def build(self, z_dim: int, spec: DataSpec, sites: Sites) -> GeneratorNet:
        return Net(self, z_dim, spec, sites)


class Net(GeneratorNet):
    w_avg: Tensor
    """(W,) The running mean of w in training, over z and over the labels of the batches."""

    def __init__(
        self, options: StyleGAN2Generator, z_dim: int, spec: DataSpec, sites: Sites
    ) -> None:
        super().__init__()
        self.z_dim, self.style_mixing = z_dim, options.style_mixing
        self.latent = sites.latent(z_dim)
        self.style = sites.style(z_dim)
        style_dim = options.style_dim
        inputs = [self.latent.out_features] + [style_dim] * (options.mapping_layers - 1)
        self.mapping = nn.ModuleList(Linear(n, style_dim, lr=options.mapping_lr) for n in inputs)
        self.register_buffer("w_avg", torch.zeros(style_dim))

        sizes = [2**i for i in range(2, int(math.log2(spec.image_size)) + 1)]
        channels = [min(options.channel_base // size, options.channel_max) for size in sizes]
        self.constant = nn.Parameter(torch.randn(1, channels[0], 4, 4))
        self.first = Layer(channels[0], channels[0], 4, style_dim, sites)
        self.first_image = ToImage(channels[0], spec.channels, style_dim)
        self.blocks = nn.ModuleList(
            Block(before, after, size, style_dim, spec.channels, sites)
            for before, after, size in zip(channels, channels[1:], sizes[1:], strict=False)
        )
        # Number of vectors w per image: one per 3 x 3 convolution, and one for the last `ToImage`.
        self.layers = 2 * len(sizes)

    def map(self, z: Tensor, y: Tensor) -> Latents:
        w = self._w(z, y)
        if self.training:
            with torch.no_grad():
                self.w_avg.lerp_(distributed.mean(w.mean(0)).to(self.w_avg.dtype), 0.005)
        w = w[:, None].expand(-1, self.layers, -1)  # (N, L, W)
        if self.training and self.style_mixing:
            w = self._mixed(w, self._w(distributed.randn_like(z), y))
        return Latents(w, self.style(z, y))

    def truncated(self, z: Tensor, y: Tensor, strength: float) -> Latents:
        """Return the latents with truncated w: w_avg + strength * (w - w_avg).

        As in the paper, one mean is used for all classes, so that images with a small ``strength``
        show their class less clearly. Karras et al., 2019, arXiv:1812.04948, appendix B.
        """
        latents = self.map(z, y)
        return latents._replace(w=torch.lerp(self.w_avg.to(latents.w.dtype), latents.w, strength))

    def synthesize(self, latents: Latents) -> Tensor:
        w = latents.w.unbind(1)
        h = self.constant.expand(len(latents.w), -1, -1, -1)
        h = self.first(h, w[0], latents.style)
        image = self.first_image(h, w[1])
        for i, block in enumerate(self.blocks):
            # The third w serves this block's ToImage and the first layer of the next block.
            h, image = block(h, image, w[2 * i + 1 : 2 * i + 4], latents.style)
        return image

    def _w(self, z: Tensor, y: Tensor) -> Tensor:
        """Return one w per image, (N, W)."""
        h = self.latent(z, y)
        # Normalise z and the features that a scheme appends separately: both get the same scale.
        h = torch.cat([normalised(h[:, : self.z_dim]), normalised(h[:, self.z_dim :])], dim=1)
        for layer in self.mapping:
            h = activate(layer(h))
        return h

    def _mixed(self, w: Tensor, other: Tensor) -> Tensor:
        """Return w (N, L, W) with style mixing: later layers get ``other`` (N, W).

        Each image is mixed with probability ``style_mixing``, from a random layer between the
        second and the last. Karras et al., 2019, arXiv:1812.04948, section 3.1.
        """
        n, layers, _ = w.shape
        batch_size = n * distributed.world_size()
        start = distributed.local(torch.randint(1, layers, (batch_size, 1), device=w.device))
        mixed = distributed.local(torch.rand(batch_size, 1, device=w.device)) < self.style_mixing
        late = torch.arange(layers, device=w.device) >= start  # (N, L)
        return torch.where((mixed & late)[:, :, None], other[:, None], w)


class Block(nn.Module):
    """The layers of one size: (h, image, three w, style) -> (h, image), upsampled by two."""

    def __init__(
        self, before: int, after: int, size: int, style_dim: int, channels: int, sites: Sites
    ) -> None:
        super().__init__()
        self.up = Layer(before, after, size, style_dim, sites, up=True)
        self.same = Layer(after, after, size, style_dim, sites)
        self.to_image = ToImage(after, channels, style_dim)
        self.upsample = Upsample()

    def forward(
        self, h: Tensor, image: Tensor, w: tuple[Tensor, ...], style: Tensor
    ) -> tuple[Tensor, Tensor]:
        h = self.same(self.up(h, w[0], style), w[1], style)
        return h, self.upsample(image) + self.to_image(h, w[2])


class Layer(nn.Module):
    """Modulated convolution, norm site, noise, bias, leaky ReLU: (h, w, style) -> h."""

    noise: Tensor
    """(H, W) The fixed noise in eval mode, so that an image depends only on z and y."""

    def __init__(
        self, before: int, after: int, size: int, style_dim: int, sites: Sites, *, up: bool = False
    ) -> None:
        super().__init__()
        self.affine = Linear(style_dim, before, bias=1.0)
        self.weight = nn.Parameter(torch.randn(after, before, 3, 3))
        self.norm = sites.norm(after, nn.Identity())
        self.register_buffer("noise", torch.randn(size, size))
        self.strength = nn.Parameter(torch.zeros(()))
        self.bias = nn.Parameter(torch.zeros(after))
        self.up = up
        # The low-pass filter follows the convolution. The order does not matter: both are linear.
        self.blur: nn.Module = Blur(padding=1, gain=4.0) if up else nn.Identity()

    def forward(self, h: Tensor, w: Tensor, style: Tensor) -> Tensor:
        h = self.blur(modulated(h, self.weight, self.affine(w), up=self.up))
        h = self.norm(h, style)
        noise = distributed.randn_like(h[:, :1]) if self.training else self.noise.to(h.dtype)
        return activate(h + self.strength * noise + self.bias.to(h.dtype)[:, None, None])


class ToImage(nn.Module):
    """A modulated 1 x 1 convolution to the image, without demodulation: (h, w) -> image."""

    def __init__(self, before: int, channels: int, style_dim: int) -> None:
        super().__init__()
        self.affine = Linear(style_dim, before, bias=1.0)
        self.weight = nn.Parameter(torch.randn(channels, before, 1, 1))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.scale = 1 / math.sqrt(before)

    def forward(self, h: Tensor, w: Tensor) -> Tensor:
        image = modulated(h, self.weight, self.scale * self.affine(w), demodulate=False)
        return image + self.bias.to(image.dtype)[:, None, None]


def modulated(
    h: Tensor, weight: Tensor, s: Tensor, *, up: bool = False, demodulate: bool = True
) -> Tensor:
    """Convolve h (N, I, H, W) with a modulated weight per image (equations 1 to 3 of the paper).

    w'_ijk = s_i w_ijk and w''_ijk = w'_ijk / sqrt(sum_ik w'_ijk^2 + eps), where w (O, I, k, k) is
    the shared weight and s (N, I) the modulation. Instead of the weights, the input is multiplied
    by s and the output divided by the root, which is equivalent. Demodulation cancels any constant
    factor of w, so the equalized learning rate needs no scale here. With ``up``, zeros are inserted
    between the pixels of h, and the output has (2 H + 1) x (2 W + 1) pixels.
    """
    h = h * s[:, :, None, None]
    if up:
        h = conv_transpose2d(h, weight.transpose(0, 1), stride=2)
    else:
        h = conv2d(h, weight, padding=weight.shape[2] // 2)
    if demodulate:
        squares = linear(s.square(), weight.square().sum((2, 3)))  # (N, O)
        h = h * (squares + 1e-8).rsqrt().to(h.dtype)[:, :, None, None]
    return h


def normalised(t: Tensor) -> Tensor:
    """Return the rows of ``t`` (N, F), each divided by its root mean square."""
    return t * (t.square().mean(1, keepdim=True) + 1e-8).rsqrt()


@hookimpl
def register_generators() -> list[type[Generator]]:
    return [StyleGAN2Generator]
