"""A discriminator of fully connected layers, as in the original conditional GAN."""

from __future__ import annotations

from pydantic import Field, PositiveInt
from torch import Tensor, nn

from ganlab import DataSpec, Discriminator, DiscriminatorNet, Sites, hookimpl


class MLPDiscriminator(Discriminator):
    """Linear layers with LeakyReLU(0.2) and dropout."""

    name = "mlp"
    paper = "Mirza & Osindero, 2014, arXiv:1411.1784, section 4.1 (there with maxout units)"
    for_tests = {"widths": [16, 8]}

    widths: list[PositiveInt] = Field(default=[512, 256], min_length=1)
    """Number of units of each hidden layer, from the image to the output."""

    dropout: float = Field(default=0.3, ge=0, lt=1)
    """Dropout probability of hidden units in training."""

    def build(self, spec: DataSpec, sites: Sites) -> DiscriminatorNet:
        return Net(self.widths, self.dropout, spec, sites)


class Net(DiscriminatorNet):
    def __init__(self, widths: list[int], dropout: float, spec: DataSpec, sites: Sites) -> None:
        super().__init__()
        self.image = sites.image()
        inputs = [self.image.out_channels * spec.image_size**2, *widths]
        layers: list[nn.Module] = []
        for before, after in zip(inputs, widths, strict=False):
            layers += [nn.Linear(before, after), nn.LeakyReLU(0.2), nn.Dropout(dropout)]
        self.layers = nn.Sequential(*layers)
        self.head = sites.head(widths[-1], nn.Linear(widths[-1], 1))

    def features(self, x: Tensor) -> Tensor:
        return self.layers(x.flatten(1))


@hookimpl
def register_discriminators() -> list[type[Discriminator]]:
    return [MLPDiscriminator]
