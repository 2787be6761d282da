"""The typed, validated and complete form of an experiment file."""

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
from ganlab.config.intervals import NOT_IN_HASH, Every, Interval
from ganlab.options import Component, Options
from ganlab.schedules import Rate
from ganlab.types import Role

# ------------------------------------------------------------------------------- optimizer

Probability = Annotated[float, Field(ge=0, lt=1)]


class OptimizerOptions(Options):
    """Options that all optimizers share."""

    lr: Rate = 2e-4
    """Learning rate, more than 0, or a schedule over real images shown to D, such as
    ``2e-4 to 0 over 6000000 images``."""

    weight_decay: float = Field(default=0.0, ge=0)
    """Strength of weight decay, at least 0: an L2 penalty in adam, rmsprop and sgd, decoupled
    from the gradient in adamw. GANs are usually trained without it."""


class Adam(OptimizerOptions):
    """Adam (Kingma & Ba, 2015, arXiv:1412.6980)."""

    betas: tuple[Probability, Probability] = (0.5, 0.999)
    """Decay rates, in [0, 1), of the running averages of the gradient and of its square. The
    default is DCGAN's; WGAN-GP, SNGAN and SAGAN use 0 for the first one."""

    eps: PositiveFloat = 1e-8
    """Added to the denominator for numerical stability."""


class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov & Hutter, 2019, arXiv:1711.05101)."""


class RMSprop(OptimizerOptions):
    """RMSprop (Hinton, 2012)."""

    alpha: Probability = 0.99
    """Decay rate, in [0, 1), of the running average of the squared gradient."""

    eps: PositiveFloat = 1e-8
    """Added to the denominator for numerical stability."""


class SGD(OptimizerOptions):
    """Stochastic gradient descent."""

    momentum: Probability = 0.0
    """Momentum factor, in [0, 1); 0 is plain gradient descent."""


OPTIMIZERS: dict[str, type[OptimizerOptions]] = {
    "adam": Adam,
    "adamw": AdamW,
    "rmsprop": RMSprop,
    "sgd": SGD,
}


# -------------------------------------------------------------------------------- training


class Ema(Options):
    """An exponential moving average (EMA) of G's weights. Samples are drawn from the average."""

    decay: Probability = 0.999
    """Fraction of the average that is kept at each G update, in [0, 1). The average spans about
    ``1 / (1 - decay)`` updates: lower it for short runs, raise it to 0.9999 for long ones."""

    start: int = Field(default=0, ge=0)
    """Number of G updates before averaging starts. Until then the average is a copy of the
    weights (BigGAN: 20,000)."""

    rampup: PositiveFloat | None = None
    """Limit the half-life of the average to this fraction of the real images shown to D so far, so
    that the average is short early in training (StyleGAN2-ADA: 0.05). Null: no limit."""

    def decay_at(self, *, step: int, images: int, batch_size: int) -> float:
        """Return the decay of G update ``step`` when D has been shown ``images`` real images.

        With ``rampup`` r, the decay is at most ``0.5 ** (batch_size / (r * images))``, as in the
        code of StyleGAN2-ADA (Karras et al., 2020, arXiv:2006.06676).
        """
        if step < self.start:
            return 0.0
        if self.rampup is None:
            return self.decay
        return min(self.decay, 0.5 ** (batch_size / max(self.rampup * images, 1e-8)))


class Train(Options):
    """Training options. Training ends when the first of its budgets is reached."""

    epochs: PositiveFloat | None = Field(default=None, json_schema_extra=NOT_IN_HASH)
    """Budget: number of passes over the dataset. Extra D updates (``d_steps``) count too."""

    images: PositiveInt | None = Field(default=None, json_schema_extra=NOT_IN_HASH)
    """Budget: number of real images shown to D."""

    steps: PositiveInt | None = Field(default=None, json_schema_extra=NOT_IN_HASH)
    """Budget: number of G updates."""

    seconds: PositiveFloat | None = Field(default=None, json_schema_extra=NOT_IN_HASH)
    """Budget: seconds of training, summed over all sessions of the run. Scoring is not counted."""

    batch_size: int = Field(default=64, ge=2)
    """Number of images in a batch, at least 2. With several processes, it is the total over all of
    them, and each process gets an equal share."""

    accumulate: PositiveInt = 1
    """Split each batch into this many parts, computed one after the other, and accumulate their
    gradients. Raise it when a batch does not fit into memory. It must divide ``batch_size``. The
    gradient is the same, except for layers and losses that look at the whole batch, such as batch
    normalization: they see one part at a time."""

    z_dim: PositiveInt = 100
    """Dimension of the noise vector z."""

    seed: int = Field(default=0, ge=0, lt=2**31)
    """Seed of all random numbers in training, at least 0."""

    d_steps: PositiveInt = 1
    """Number of D updates for each G update (WGAN-GP and SNGAN: 5)."""

    same_fakes: bool = True
    """Whether the G update reuses the generated images of the last D update. If false, it generates
    new ones, which is slower."""

    fake_labels: Literal["uniform", "empirical", "real"] = "uniform"
    """How labels of generated images are chosen: uniformly over the classes (``uniform``), with the
    class frequencies of the dataset (``empirical``), or copied from the real batch (``real``)."""

    ema: Ema | None = None
    """Exponential moving average of G's weights, such as ``{decay: 0.999}``. Null: no average."""

    precision: Literal["auto", "fp32", "tf32", "bf16", "fp64"] = "auto"
    """Number format of the networks' computations. ``auto``: bf16 if the hardware supports it,
    otherwise fp32. Use fp32 if bf16 is unstable, and fp64 to verify results."""

    channels_last: bool = True
    """Whether to use PyTorch's channels-last memory format. It speeds up convolutions and does not
    change the function that is computed."""

    conv_as_matmul: Literal["auto", "on", "off"] = Field(
        default="auto", json_schema_extra=NOT_IN_HASH
    )
    """Whether to compute convolutions that read or write 4 x 4 feature maps as matrix products.
    The result is the same up to rounding. ``auto``: on for bf16 on a CPU with AMX, where it is
    faster."""

    compile: Literal["off", "on", "graphs"] = Field(default="off", json_schema_extra=NOT_IN_HASH)
    """Whether to compile both networks with ``torch.compile``. ``graphs`` also records CUDA graphs,
    for networks so small that launching kernels takes longer than running them. The result is the
    same up to rounding; the first step takes longer."""

    deterministic: bool = False
    """Whether to use deterministic GPU algorithms, so that repeated runs give the same weights bit
    for bit. It is slower. On a CPU, runs with the same thread count are deterministic anyway."""

    device: str = Field(default="auto", json_schema_extra=NOT_IN_HASH)
    """Device to train on: ``auto`` (a GPU if there is one), ``cpu``, ``cuda`` or ``cuda:1``."""

    data: Literal["auto", "resident", "stream"] = Field(
        default="auto", json_schema_extra=NOT_IN_HASH
    )
    """Where images are kept: on the device (``resident``), or on the disk, from which batches are
    prefetched (``stream``). ``auto``: ``resident`` if the images take at most half of the device's
    free memory. Both give the same batches."""

    log_every: Every = Interval(50, "steps")
    """How often a line is written to the log, such as ``50 steps`` or ``never``."""

    sample_every: Every = Interval(1, "epochs")
    """How often a sample sheet is drawn and the generator's weights are saved. The first and the
    last sheet are always drawn."""

    checkpoint_every: Every = Interval(60, "seconds")
    """How often a checkpoint is saved, from which the run can be resumed. One is always saved at
    the end."""

    sync_bn: bool = Field(default=True, json_schema_extra=NOT_IN_HASH)
    """Whether batch normalization uses the statistics of the whole batch when several processes
    train together, so that they learn the same weights as one process. If false, each process
    normalizes its own share: faster, but the result depends on the number of processes."""

    sample_bn: Literal["running", "batch"] = Field(default="running", json_schema_extra=NOT_IN_HASH)
    """Batch normalization statistics used for sample sheets: the running averages (``running``) or
    those of the sheet itself (``batch``)."""

    init_from: str | None = None
    """Name or folder of a run to take the initial weights from: both networks, and the average of
    G's weights if both runs have one."""

    @model_validator(mode="after")
    def _whole_parts(self) -> Train:
        if self.batch_size % self.accumulate or self.batch_size // self.accumulate < 2:
            raise ValueError(
                f"accumulate must divide batch_size ({self.batch_size}) into parts of at least two "
                f"images, got {self.accumulate}"
            )
        return self


# ------------------------------------------------------------------------------ experiment


class ReplacedLoss(Loss):
    """Placeholder for the loss when a component computes the adversarial term itself."""

    name = "replaced"


@dataclass(frozen=True)
class Scheme:
    """A conditioning scheme and the networks it is used in."""

    component: Conditioning
    roles: tuple[Role, ...] = ("generator", "discriminator")

    def __str__(self) -> str:
        role = "" if len(self.roles) == 2 else f" ({self.roles[0]})"
        return f"{self.component.name}{role}"


@dataclass(frozen=True)
class Experiment:
    """A resolved experiment: every option has a value."""

    name: str
    """The ``name`` in the file, or else the file's stem. It names the folder of the runs."""

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
        """Return (key, component) of all components that take part in a step, in YAML order.

        A key is ``section.name``, such as ``regularizers.r1``; repeated ones end in ``#2``, ``#3``.
        """
        found: list[tuple[str, TrainingComponent]] = []
        for section, parts in (
            ("conditioning", [scheme.component for scheme in self.conditioning]),
            ("regularizers", self.regularizers),
            ("augmentations", self.augmentations),
        ):
            for part in parts:
                key = f"{section}.{part.name}"
                same = sum(k == key or k.startswith(f"{key}#") for k, _ in found)
                found.append((f"{key}#{same + 1}" if same else key, part))
        return found

    def components(self) -> list[Component]:
        """Return every component of the experiment, in the order of its sections."""
        loss = [] if isinstance(self.loss, ReplacedLoss) else [self.loss]
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
        """Return the complete experiment as plain data.

        Written as YAML and read again, it gives the same experiment.
        """
        return {
            "name": self.name,
            "dataset": component_block(self.dataset),
            "generator": component_block(self.generator),
            "discriminator": component_block(self.discriminator),
            "conditioning": _conditioning_block(self.conditioning),
            "loss": None if isinstance(self.loss, ReplacedLoss) else component_block(self.loss),
            "regularizers": [component_block(part) for part in self.regularizers],
            "augmentations": [component_block(part) for part in self.augmentations],
            "optimizer": {role: _optimizer_block(o) for role, o in self.optimizer.items()},
            "train": self.train.model_dump(mode="json"),
            "eval": {
                **self.eval.options.model_dump(mode="json"),
                "metrics": [component_block(metric) for metric in self.eval.metrics],
                "extractor": None
                if self.eval.extractor is None
                else component_block(self.eval.extractor),
            },
            "callbacks": [component_block(part) for part in self.callbacks],
        }

    def training_config(self) -> dict[str, Any]:
        """Return every setting that affects the learned weights, as plain data.

        The seed is left out, and so are budgets and other options marked `NOT_IN_HASH`.
        """
        data = self.resolved()
        for section in ("name", "callbacks", "eval"):
            del data[section]
        for option, info in Train.model_fields.items():
            extra = info.json_schema_extra
            if option == "seed" or (isinstance(extra, dict) and extra.get("identity") is False):
                del data["train"][option]
        for option in ("fallback", "fallback_images"):
            del data["dataset"][option]
        return data

    def identity(self) -> str:
        """Return the hash of `training_config`: 12 hex digits."""
        text = json.dumps(self.training_config(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def with_train(self, **changes: Any) -> Experiment:
        """Return a copy of the experiment with these training options replaced."""
        return replace(self, train=self.train.model_copy(update=changes))


def component_block(component: Component) -> dict[str, Any]:
    """Return a component's YAML block as plain data: its ``type`` and every option."""
    return {"type": component.name, **component.model_dump(mode="json")}


def _optimizer_block(options: OptimizerOptions) -> dict[str, Any]:
    kind = next(name for name, cls in OPTIMIZERS.items() if type(options) is cls)
    return {"type": kind, **options.model_dump(mode="json")}


def _conditioning_block(schemes: tuple[Scheme, ...]) -> Any:
    if all(len(scheme.roles) == 2 for scheme in schemes):
        return [component_block(scheme.component) for scheme in schemes]
    roles: tuple[Role, ...] = ("generator", "discriminator")
    return {
        role: [component_block(scheme.component) for scheme in schemes if role in scheme.roles]
        for role in roles
    }
