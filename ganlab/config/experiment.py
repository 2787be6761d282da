"""What an experiment is once it has been read: typed, checked, complete."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from ganlab.components import (
    Augmentation,
    Callback,
    Conditioning,
    Dataset,
    Discriminator,
    Generator,
    Loss,
    Regularizer,
    TrainingComponent,
)
from ganlab.config.evaluating import Evaluation
from ganlab.config.intervals import FREE, Every, Interval
from ganlab.options import Component, Options
from ganlab.schedules import Rate
from ganlab.types import Role

# ------------------------------------------------------------------------------- optimizer

Probability = Annotated[float, Field(ge=0, lt=1)]


class OptimizerOptions(Options):
    """What every optimizer has."""

    lr: Rate = 2e-4
    """Learning rate, or its schedule: ``2e-4 to 0 over 6000000 images``."""

    weight_decay: float = Field(default=0.0, ge=0)
    """Decay of the weights: L2 for adam, rmsprop and sgd, decoupled for adamw."""


class Adam(OptimizerOptions):
    """Adam (Kingma & Ba, 2015, arXiv:1412.6980)."""

    betas: tuple[Probability, Probability] = (0.5, 0.999)
    """Decay of the running mean and of the running square of the gradient."""

    eps: PositiveFloat = 1e-8
    """Added to the root of the running square."""


class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov & Hutter, 2019, arXiv:1711.05101)."""


class RMSprop(OptimizerOptions):
    """RMSprop (Hinton, 2012)."""

    alpha: Probability = 0.99
    """Decay of the running square of the gradient."""

    eps: PositiveFloat = 1e-8
    """Added to the root of the running square."""


class SGD(OptimizerOptions):
    """Stochastic gradient descent."""

    momentum: Probability = 0.0
    """Decay of the running mean of the gradient."""


OPTIMIZERS: dict[str, type[OptimizerOptions]] = {
    "adam": Adam,
    "adamw": AdamW,
    "rmsprop": RMSprop,
    "sgd": SGD,
}


# -------------------------------------------------------------------------------- training


class Ema(Options):
    """An exponential moving average of G's weights, from which samples are drawn."""

    decay: Probability = 0.999
    """Share of the old average that each G update keeps."""

    start: int = Field(default=0, ge=0)
    """Updates of G during which the average is a copy of the weights (BigGAN: 20,000)."""

    rampup: PositiveFloat | None = None
    """The half-life is at most this share of the images shown so far (StyleGAN2-ADA: 0.05)."""

    def decay_at(self, *, step: int, images: int, batch_size: int) -> float:
        """Return what is kept of the average at a G update, after D was shown so many images.

        With ``rampup`` r it is at most 0.5 ** (batch_size / (r * images)) (Karras et al., 2020,
        arXiv:2006.06676, whose code this follows).
        """
        if step < self.start:
            return 0.0
        if self.rampup is None:
            return self.decay
        return min(self.decay, 0.5 ** (batch_size / max(self.rampup * images, 1e-8)))


class Train(Options):
    """How to train. Training ends at whichever of the budgets is reached first."""

    epochs: PositiveFloat | None = Field(default=None, json_schema_extra=FREE)
    """Budget in passes over the dataset."""

    images: PositiveInt | None = Field(default=None, json_schema_extra=FREE)
    """Budget in real images shown to D."""

    steps: PositiveInt | None = Field(default=None, json_schema_extra=FREE)
    """Budget in updates of G."""

    seconds: PositiveFloat | None = Field(default=None, json_schema_extra=FREE)
    """Budget in seconds of training, over all sessions of the run."""

    batch_size: int = Field(default=64, ge=2)
    """Images in a batch, over all processes together, which share it evenly."""

    accumulate: PositiveInt = 1
    """Parts that a batch is computed in, one after the other: less memory, the same gradient but
    for what looks at a batch as a whole, such as batch normalisation. It divides ``batch_size``."""

    z_dim: PositiveInt = 100
    """Length of the noise vector."""

    seed: int = Field(default=0, ge=0, lt=2**31)
    """Seed of everything random in training."""

    d_steps: PositiveInt = 1
    """Updates of D for each update of G."""

    same_fakes: bool = True
    """The G update uses the images that the last D update saw; else it draws new ones."""

    fake_labels: Literal["uniform", "empirical", "real"] = "uniform"
    """Labels of generated images: uniform, distributed as in the dataset, or the real batch's."""

    ema: Ema | None = None
    """Average G's weights: ``{decay: 0.999}``. Off by default."""

    precision: Literal["auto", "fp32", "tf32", "bf16", "fp64"] = "auto"
    """What the networks compute in. ``auto``: bf16 where the hardware has it, else fp32."""

    channels_last: bool = True
    """Keep the numbers of a pixel together in memory: faster convolutions, the same function."""

    conv_as_matmul: Literal["auto", "on", "off"] = Field(default="auto", json_schema_extra=FREE)
    """Compute convolutions between maps of 4 x 4 and their neighbours as matrix products, the same
    but for rounding. ``auto``: in bf16 on a CPU with AMX, where that is faster."""

    compile: Literal["off", "on", "graphs"] = Field(default="off", json_schema_extra=FREE)
    """Compile both networks with ``torch.compile``; ``graphs``: into CUDA graphs, for networks so
    small that starting kernels takes longer than running them. The same but for rounding."""

    deterministic: bool = False
    """The same weights in every run on a GPU too; a CPU gives them for equal thread counts."""

    device: str = Field(default="auto", json_schema_extra=FREE)
    """``auto`` (a GPU if there is one), ``cpu``, ``cuda`` or ``cuda:1``."""

    data: Literal["auto", "resident", "stream"] = Field(default="auto", json_schema_extra=FREE)
    """Where images are kept: ``resident`` on the device, or on the disk, from which ``stream``
    reads ahead. ``auto``: on the device if they take at most half of its free memory."""

    log_every: Every = Interval(50, "steps")
    """How often the log gets a line."""

    sample_every: Every = Interval(1, "epochs")
    """How often a sample sheet is drawn and the generator's weights are kept."""

    checkpoint_every: Every = Interval(60, "seconds")
    """How often everything that a resume needs is saved; always at the end."""

    sync_bn: bool = Field(default=True, json_schema_extra=FREE)
    """Several processes: batch normalisation sees the whole batch, so that the weights are those of
    one process. Without it each sees its slice: faster, and another run for another number."""

    sample_bn: Literal["running", "batch"] = Field(default="running", json_schema_extra=FREE)
    """Statistics of batch normalisation in sample sheets: the running ones or the sheet's own."""

    init_from: str | None = None
    """A run whose weights to start from: both networks, and the average if there is one."""

    @model_validator(mode="after")
    def _whole_parts(self) -> Train:
        if self.batch_size % self.accumulate or self.batch_size // self.accumulate < 2:
            raise ValueError(
                f"accumulate must divide batch_size ({self.batch_size}) into parts of two images "
                f"or more, got {self.accumulate}"
            )
        return self


# ------------------------------------------------------------------------------ experiment


class Replaced(Loss):
    """Stands where the YAML has no loss because a component computes the adversarial term."""

    name = "replaced"


@dataclass(frozen=True)
class Scheme:
    """A conditioning scheme and the networks that it is used in."""

    component: Conditioning
    roles: tuple[Role, ...] = ("generator", "discriminator")


@dataclass(frozen=True)
class Experiment:
    """One experiment, resolved: every option has its value."""

    name: str
    """The file's stem, unless the file has a ``name``; names the folder of its runs."""

    dataset: Dataset
    generator: Generator
    discriminator: Discriminator
    conditioning: tuple[Scheme, ...]
    loss: Loss
    regularizers: tuple[Regularizer, ...]
    augmentations: tuple[Augmentation, ...]
    optimizer: dict[Role, OptimizerOptions]
    train: Train
    eval: Evaluation = field(default_factory=Evaluation)
    callbacks: tuple[Callback, ...] = ()

    def training_components(self) -> list[tuple[str, TrainingComponent]]:
        """Return (key, component) of all that takes part in a step, in the order of the YAML."""
        found: list[tuple[str, TrainingComponent]] = []
        for section, parts in (
            ("conditioning", [scheme.component for scheme in self.conditioning]),
            ("regularizers", self.regularizers),
            ("augmentations", self.augmentations),
        ):
            for part in parts:
                key = f"{section}.{part.name}"
                twins = sum(k == key or k.startswith(f"{key}#") for k, _ in found)
                found.append((f"{key}#{twins + 1}" if twins else key, part))
        return found

    def components(self) -> list[Component]:
        """Return every component that the experiment names, in the order of its sections."""
        loss = [] if isinstance(self.loss, Replaced) else [self.loss]
        return [
            self.dataset,
            self.generator,
            self.discriminator,
            *(scheme.component for scheme in self.conditioning),
            *loss,
            *self.regularizers,
            *self.augmentations,
            *self.callbacks,
        ]

    def resolved(self) -> dict[str, Any]:
        """Return the experiment as plain data, complete: written as YAML it reads back the same."""
        return {
            "name": self.name,
            "dataset": as_block(self.dataset),
            "generator": as_block(self.generator),
            "discriminator": as_block(self.discriminator),
            "conditioning": _conditioning_block(self.conditioning),
            "loss": None if isinstance(self.loss, Replaced) else as_block(self.loss),
            "regularizers": [as_block(part) for part in self.regularizers],
            "augmentations": [as_block(part) for part in self.augmentations],
            "optimizer": {role: _optimizer_block(o) for role, o in self.optimizer.items()},
            "train": self.train.model_dump(mode="json"),
            "eval": {
                **self.eval.options.model_dump(mode="json"),
                "metrics": [as_block(metric) for metric in self.eval.metrics],
                "extractor": None if self.eval.extractor is None else as_block(self.eval.extractor),
            },
            "callbacks": [as_block(part) for part in self.callbacks],
        }

    def learned(self) -> dict[str, Any]:
        """Return all that decides what is learned, seed and budgets apart, as plain data."""
        data = self.resolved()
        for outside in ("name", "callbacks", "eval"):
            del data[outside]
        for option, info in Train.model_fields.items():
            extra = info.json_schema_extra
            if option == "seed" or (isinstance(extra, dict) and extra.get("identity") is False):
                del data["train"][option]
        for option in ("fallback", "fallback_images"):
            del data["dataset"][option]
        return data

    def identity(self) -> str:
        """Return the hash of all that decides what is learned: 12 hex digits."""
        text = json.dumps(self.learned(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def with_train(self, **changes: Any) -> Experiment:
        """Return the experiment with other training options."""
        return replace(self, train=self.train.model_copy(update=changes))


def as_block(component: Component) -> dict[str, Any]:
    """Return a component as its YAML block: the type and every option."""
    return {"type": component.name, **component.model_dump(mode="json")}


def _optimizer_block(options: OptimizerOptions) -> dict[str, Any]:
    kind = next(name for name, cls in OPTIMIZERS.items() if type(options) is cls)
    return {"type": kind, **options.model_dump(mode="json")}


def _conditioning_block(schemes: tuple[Scheme, ...]) -> Any:
    if all(len(scheme.roles) == 2 for scheme in schemes):
        return [as_block(scheme.component) for scheme in schemes]
    roles: tuple[Role, ...] = ("generator", "discriminator")
    return {
        role: [as_block(scheme.component) for scheme in schemes if role in scheme.roles]
        for role in roles
    }
