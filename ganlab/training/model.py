"""The model: both networks, their optimizers, averaged weights, and training components."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from ganlab.components import BoundComponent, Loss, Network
from ganlab.config.experiment import Experiment, OptimizerOptions
from ganlab.errors import ConfigError, Problem
from ganlab.seeds import derive_seed, seeded
from ganlab.sites import Sites, mark
from ganlab.training.convolutions import as_products
from ganlab.training.optimizers import build_optimizer, set_rate
from ganlab.training.precision import Choices
from ganlab.training.processes import synchronize_layers
from ganlab.types import DataSpec, Role

OUT_OF_MEMORY = ("allocate memory", "Storage size calculation overflowed")
"""Parts of torch's messages about tensors that are too large for memory."""

ROLES: tuple[Role, Role] = ("generator", "discriminator")


@dataclass
class Model:
    """The state of a run, except its progress."""

    networks: dict[Role, nn.Module]
    optimizers: dict[Role, torch.optim.Optimizer]
    optimizer_options: dict[Role, OptimizerOptions]
    ema: nn.Module | None
    components: tuple[BoundComponent, ...]
    loss: Loss
    spec: DataSpec
    choices: Choices
    frozen: frozenset[nn.Parameter]
    """Parameters that were built with ``requires_grad=False`` and are never trained."""

    compiled: dict[Role, Callable[..., Any]] = field(default_factory=dict)
    """The compiled forms of G and D, if they are compiled."""

    owners: dict[str, str] = field(default_factory=dict)
    """For each logged term, by its name in the log, the key of its component."""

    @property
    def G(self) -> nn.Module:
        return self.networks["generator"]

    @property
    def D(self) -> nn.Module:
        return self.networks["discriminator"]

    @property
    def drawn_from(self) -> nn.Module:
        """The generator to sample from: the averaged one if there is one, otherwise G."""
        return self.G if self.ema is None else self.ema

    def set_rate(self, role: Role, *, images: int) -> None:
        """Set the learning rate to its value after D has seen this many images."""
        set_rate(self.optimizers[role], self.optimizer_options[role], images=images)

    def modules(self) -> dict[str, nn.Module]:
        """Return every module with a state, by its name in a checkpoint."""
        found: dict[str, nn.Module] = {role: net for role, net in self.networks.items()}  # noqa: C416
        if self.ema is not None:
            found["ema"] = self.ema
        found |= {p.key: p.state for p in self.components if p.state is not None}
        return found


def build_model(experiment: Experiment, spec: DataSpec, choices: Choices) -> Model:
    """Build the model on the chosen device, initialised from the experiment's seed."""
    components = []
    for key, part in experiment.training_components():
        with seeded(derive_seed(experiment.train.seed, key), torch.device("cpu")):
            state = part.state(spec)
        if state is not None:
            state.to(choices.device, choices.dtype)
        components.append(BoundComponent(key, part, state))
    networks = {role: choices.place(build_network(experiment, role, spec)) for role in ROLES}
    if choices.conv_as_matmul:
        for network in networks.values():
            as_products(network)
    synchronize_layers(networks.values(), batch_norm=experiment.train.sync_bn)
    return Model(
        networks=networks,
        compiled={role: choices.compiled(network) for role, network in networks.items()}
        if choices.compile != "off"
        else {},
        optimizers={
            role: build_optimizer(experiment.optimizer[role], network.parameters(), choices.device)
            for role, network in networks.items()
        },
        optimizer_options=experiment.optimizer,
        ema=copy.deepcopy(networks["generator"]) if experiment.train.ema else None,
        components=tuple(components),
        loss=experiment.loss,
        spec=spec,
        choices=choices,
        frozen=frozenset(
            parameter
            for network in networks.values()
            for parameter in network.parameters()
            if not parameter.requires_grad
        ),
    )


def build_network(experiment: Experiment, role: Role, spec: DataSpec) -> nn.Module:
    """Build G or D on the CPU, initialised from the experiment's seed."""
    component = experiment.generator if role == "generator" else experiment.discriminator
    _check_sizes(component.name, type(component), role, spec)
    schemes = [scheme.component for scheme in experiment.conditioning if role in scheme.roles]
    sites = Sites(role, schemes, spec)
    with seeded(derive_seed(experiment.train.seed, role), torch.device("cpu")):
        network: nn.Module
        try:
            if role == "generator":
                network = experiment.generator.build(experiment.train.z_dim, spec, sites)
            else:
                network = experiment.discriminator.build(spec, sites)
        except RuntimeError as error:
            if not any(words in str(error) for words in OUT_OF_MEMORY):
                raise
            what = f"'{component.name}' does not fit into memory with these options"
            raise ConfigError([Problem(role, what)]) from error
        sites.check_all_used(component.name)
        mark(network, f"{role} '{component.name}'")
        for _, part in experiment.training_components():
            network = part.transform(network, role, spec)
    return network


def check_networks(experiment: Experiment) -> None:
    """Build both networks on the meta device, for ten classes of grey images, to check them.

    The check needs no data, so that incompatible components are reported before a download.
    """
    spec = DataSpec(10, experiment.dataset.image_size, 1, tuple("0123456789"))
    problems: list[Problem] = []
    for role in ROLES:
        try:
            with torch.device("meta"):
                build_network(experiment, role, spec)
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems)


def update_average(average: nn.Module, network: nn.Module, decay: float) -> None:
    """Update the moving average of a network's weights by one step, and copy its statistics.

    Parametrisations have buffers that depend on their weights, such as the singular vectors of
    spectral normalisation. They are not copied: the average has its own, and updates them.
    """
    with torch.no_grad():
        ours: list[Tensor] = list(average.parameters())
        theirs: list[Tensor] = list(network.parameters())
        torch._foreach_lerp_(ours, theirs, 1 - decay)
        mine, new = _statistics(average), _statistics(network)
        if mine:
            torch._foreach_copy_(mine, new)
        for module in average.modules():
            if parametrize.is_parametrized(module):
                module.train()
                for name in module.parametrizations:  # type: ignore[union-attr]
                    getattr(module, name)


def _statistics(network: nn.Module) -> list[Tensor]:
    return [b for name, b in network.named_buffers() if "parametrizations." not in name]


def parameter_count(parameters: Iterable[Tensor]) -> int:
    """Return the number of trainable parameters."""
    return sum(parameter.numel() for parameter in parameters)


def _check_sizes(name: str, component: type[Network], role: Role, spec: DataSpec) -> None:
    problems = []
    if spec.image_size not in component.sizes:
        sizes = ", ".join(map(str, component.sizes))
        problems.append(
            Problem(
                "dataset.image_size",
                f"{role} '{name}' cannot do {spec.image_size} x {spec.image_size}; it does {sizes}",
            )
        )
    if spec.channels not in component.channels:
        channels = " or ".join(map(str, component.channels))
        problems.append(
            Problem(
                "dataset", f"{role} '{name}' cannot do {spec.channels} channels, but {channels}"
            )
        )
    if problems:
        raise ConfigError(problems)
