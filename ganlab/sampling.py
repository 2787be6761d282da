"""Sample images from a trained run, without its dataset and on any device."""

from __future__ import annotations

import copy
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor, nn

from ganlab.config.experiment import Experiment
from ganlab.config.resolve import resolve
from ganlab.errors import GanlabError, NotInRun, PluginError, RunError, did_you_mean
from ganlab.labels import Labels, class_index, parse_labels
from ganlab.plugins import Plugins, load_plugins
from ganlab.run_directory import RunDirectory, find_run
from ganlab.training.checkpoint import (
    BEST,
    Stored,
    check_belongs,
    kept_epochs,
    load_module,
    read_newest,
    read_stored,
)
from ganlab.training.generate import Bn, generate_images, noise
from ganlab.training.model import build_network
from ganlab.training.precision import choose_device
from ganlab.training.record import describe_plugins
from ganlab.types import DataSpec

if TYPE_CHECKING:
    from os import PathLike

log = logging.getLogger("ganlab")
Weights = Literal["auto", "raw", "ema"]
Epoch = int | Literal["best"] | None
"""The weights to use: after this many finished epochs, the best ones, or (None) the newest."""


class Trained:
    """A trained run to sample from; `ganlab.load` returns one."""

    def __init__(
        self,
        run: RunDirectory,
        experiment: Experiment,
        spec: DataSpec,
        device: torch.device,
        code: str = "",
    ) -> None:
        self.run = run
        self.experiment = experiment
        self.spec = spec
        self.device = device
        self.code = code
        """Identifies the sampling code, so that cached images can be invalidated."""

        self._networks: dict[tuple[Epoch, str], nn.Module] = {}

    def __repr__(self) -> str:
        spec = self.spec
        size = f"{spec.image_size} x {spec.image_size} {'grey' if spec.channels == 1 else 'RGB'}"
        parts = [repr(self.run.name), f"{spec.num_classes} classes", size]
        if self.epochs:
            parts.append(f"kept epochs: {', '.join(map(str, self.epochs))}")
        return f"Trained({', '.join([*parts, str(self.device)])})"

    @property
    def epochs(self) -> list[int]:
        """The numbers of finished epochs with saved generator weights; 0 is the untrained one."""
        return kept_epochs(self.run)

    def sample(
        self,
        labels: Labels,
        *,
        seed: int = 0,
        z: Tensor | np.ndarray | None = None,
        epoch: Epoch = None,
        weights: Weights = "auto",
        bn: Bn = "running",
        truncation: float | None = None,
    ) -> Tensor:
        """Return images (N, C, H, W) uint8 in 0..255 on the CPU, one for each label.

        Image i depends on the weights, ``seed``, i and label i, not on the number of images.
        Rounding in batches of another size may change a pixel by one grey level. With ``batch``
        or ``standing`` statistics, an image also depends on the other labels.

        Args:
            labels: class names or indices, N of either or a single one (then N is 1); or rows
                (N, K) of finite numbers for K classes, such as 0.5 and 0.5 for a mix of two. A
                string is a class name or, if no class has that name, the digits of an index.
            seed: of the noise, any integer. The noise is the same on every device.
            z: noise (N, z_dim), floating point, used instead of the seed's.
            epoch: the number of finished epochs, or ``best``; by default the newest weights.
            weights: ``ema`` for the average, ``raw``, or ``auto``: the average if there is one.
            bn: the statistics of batch normalisation: ``running``; those of this ``batch``; or
                ``standing``, computed anew with the final weights.
            truncation: the truncation strength t > 0, which trades variety for quality. It limits
                the noise to [-t, t] or, in a network that tracks an average style, interpolates
                from the average (0) to the style (1). None for no truncation.

        Raises:
            RunError: if the labels are empty, name no class or have the wrong shape; if ``z`` does
                not have the shape (N, z_dim), is not floating point or is not finite; if an
                option has none of the values above; if the weights are missing or damaged.
        """
        _check_choice("bn", bn, get_args(Bn))
        if truncation is not None and not truncation > 0:
            raise RunError(f"truncation must be above 0, not {truncation}")
        y = parse_labels(labels, self.spec)
        z_dim = self.experiment.train.z_dim
        z = noise(len(y), z_dim, seed) if z is None else _checked_noise(z, len(y), z_dim)
        network = self._network(epoch, weights)
        return generate_images(network, z, y, bn=bn, truncation=truncation)

    def network(self, *, epoch: Epoch = None, weights: Weights = "auto") -> nn.Module:
        """Return a copy of the generator with the weights of an epoch.

        It is on this object's device, in single precision and eval mode, without gradients. The
        copy belongs to the caller: changing it changes no later result of `sample` or `network`.

        Args:
            epoch: the number of finished epochs, or ``best``; by default the newest weights.
            weights: ``ema`` for the average, ``raw``, or ``auto``: the average if there is one.

        Raises:
            RunError: if the weights are missing or damaged.
        """
        return copy.deepcopy(self._network(epoch, weights))

    def _network(self, epoch: Epoch, weights: Weights) -> nn.Module:
        if (epoch, weights) not in self._networks:
            _check_choice("weights", weights, get_args(Weights))
            stored = self._read(epoch)
            check_belongs(stored, self.run)
            network = build_network(self.experiment, "generator", self.spec)
            load_module(network, stored, _which(stored, weights))
            self._networks[epoch, weights] = network.to(self.device).requires_grad_(False).eval()
        return self._networks[epoch, weights]

    def identify(self, epoch: Epoch = None) -> dict[str, Any]:
        """Return the identity of the weights of an epoch: file, hash, progress, averaged or raw."""
        recorded = self.run.weights(epoch)
        if recorded is not None:
            return recorded
        stored = self._read(epoch)
        check_belongs(stored, self.run)
        return stored.describe()

    def class_index(self, name: str) -> int:
        """Return the index of a class given by name or number, or raise `RunError`."""
        return class_index(name, self.spec)

    def _read(self, epoch: Epoch) -> Stored:
        if epoch is None:
            stored = read_newest(self.run)
            if stored is None:
                raise RunError(f"{self.run.path} holds no weights yet")
            return stored
        if epoch == "best":
            if not (self.run.checkpoints / BEST).exists():
                raise NotInRun(
                    f"{self.run.name} keeps no best weights: train with -s eval.every='1 epoch'"
                )
            return read_stored(self.run.checkpoints / BEST)
        if isinstance(epoch, str):
            raise RunError(f"epoch '{epoch}' is neither a number of epochs nor 'best'")
        path = self.run.checkpoints / f"generator-epoch-{epoch:04d}.safetensors"
        if not path.exists():
            kept = ", ".join(map(str, self.epochs)) or "none yet"
            raise NotInRun(f"{self.run.name} keeps no weights of epoch {epoch}; kept: {kept}")
        return read_stored(path)


def load(
    run: str | PathLike[str],
    *,
    runs_dir: str | PathLike[str] = "runs",
    device: str = "auto",
    plugins: Plugins | None = None,
    trust_plugins: bool = False,
) -> Trained:
    """Open a run for sampling: ``ganlab.load("runs/cgan_mnist/3f9a2c-s0").sample([3, 1, 4])``.

    Args:
        run: a run directory, ``<experiment>/<id>``, or an experiment's name for its newest run.
        runs_dir: the folder that contains the runs.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:<number>``.
        plugins: the plugins to use; by default, the installed ones and those in ./plugins.
        trust_plugins: execute the plugin files that were copied into the run directory.

    Raises:
        RunError: if there is no such run.
        PluginError: if a component of the run cannot be found.
    """
    found = find_run(os.fspath(run), Path(runs_dir))
    # The run's copies load first, so that they take precedence over files in ./plugins.
    trusted = [found.path / "plugins"] if trust_plugins else []
    plugins = plugins or load_plugins(trusted)
    try:
        experiment = resolve(found.config(), plugins)
    except GanlabError as error:
        copies = sorted((found.path / "plugins").glob("*.py"))
        if copies and not trust_plugins:
            names = ", ".join(copy.name for copy in copies)
            raise PluginError(
                f"{found.name} was trained with plugin files of its own ({names}): put them into "
                f"./plugins, or run the copies in {found.path / 'plugins'} with --trust-plugins\n"
                f"  {error}"
            ) from error
        raise
    code = _warn_of_changes(found, experiment, plugins)
    return Trained(found, experiment, _spec(found.info["dataset"]), choose_device(device), code)


def _warn_of_changes(run: RunDirectory, experiment: Experiment, plugins: Plugins) -> str:
    """Warn if sampling code changed since training, and return the hashes of this code."""
    before, hashes = run.info["plugins"], []
    for key, plugin in describe_plugins(experiment, plugins).items():
        if key.startswith(("generator/", "conditioning/")):
            hashes.append(plugin["sha256"])
            if plugin["sha256"] != before.get(key, plugin)["sha256"]:
                file = plugin["file"]
                log.warning("%s: %s has changed since %s was trained", key, file, run.name)
    return " ".join(hashes)


def _spec(dataset: dict[str, Any]) -> DataSpec:
    names = tuple(dataset["class_names"])
    return DataSpec(len(names), dataset["image_size"], dataset["channels"], names)


def _which(stored: Stored, weights: Weights) -> str:
    if weights == "ema" and not stored.has_average:
        raise NotInRun(f"{stored.path} holds no averaged weights: the run has no `train.ema`")
    return "ema" if stored.has_average and weights != "raw" else "generator"


def _checked_noise(z: Tensor | np.ndarray, n: int, z_dim: int) -> Tensor:
    z = z if isinstance(z, Tensor) else torch.tensor(np.ascontiguousarray(z))
    if z.shape != (n, z_dim):
        raise RunError(f"z has shape {tuple(z.shape)}; it must be ({n}, {z_dim}), a row each label")
    if not z.is_floating_point():
        raise RunError(f"z is {str(z.dtype).removeprefix('torch.')}; it must be floating point")
    if not torch.isfinite(z).all():
        raise RunError("z has numbers that are not finite")
    return z


def _check_choice(option: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise RunError(f"{option} cannot be '{value}'{did_you_mean(value, allowed)}")
