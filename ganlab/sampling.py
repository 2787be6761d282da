"""Draw from a trained run, without its dataset and on any device."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn

from ganlab.config.experiment import Experiment
from ganlab.config.resolve import resolve
from ganlab.errors import GanlabError, NotInRun, PluginError, RunError, did_you_mean
from ganlab.plugins import Plugins, load_plugins
from ganlab.runs import Run, find_run
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
"""Which weights of a run: after so many finished epochs, the best so far, or the newest."""


class Trained:
    """A run to draw from. Get one with `ganlab.load`."""

    def __init__(
        self,
        run: Run,
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
        """Names the code that draws, for who keeps what it drew."""

        self._networks: dict[tuple[Epoch, str], nn.Module] = {}

    @property
    def epochs(self) -> list[int]:
        """The finished epochs whose generator is kept; 0 is the untrained one."""
        return kept_epochs(self.run)

    def sample(
        self,
        labels: Tensor | Sequence[int],
        *,
        seed: int = 0,
        z: Tensor | None = None,
        epoch: Epoch = None,
        weights: Weights = "auto",
        bn: Bn = "running",
        truncation: float | None = None,
    ) -> Tensor:
        """Return images (N, C, H, W) uint8 in 0..255 on the CPU, one for each label.

        Args:
            labels: (N,) class indices, or (N, K) float rows.
            seed: of the noise: the same noise on every device.
            z: noise (N, z_dim), instead of the seed's.
            epoch: the number of finished epochs, or ``best``; by default the newest weights.
            weights: ``ema`` for the average, ``raw``, or ``auto``: the average if there is one.
            bn: batch normalisation by ``running`` statistics, by those of this ``batch``, or by
                ``standing`` ones, gather_rows anew from the final weights.
            truncation: less variety for more quality: noise between -t and t alone; or, for a
                network that keeps an average style, the share of the way from it. None for none.

        Raises:
            RunError: if the weights are not there or are damaged.
        """
        y = torch.as_tensor(labels)
        if (
            y.dim() == 1
            and len(y)
            and not 0 <= int(y.min()) <= int(y.max()) < self.spec.num_classes
        ):
            raise NotInRun(f"labels go from 0 to {self.spec.num_classes - 1}")
        if z is None:
            z = noise(len(y), self.experiment.train.z_dim, seed)
        network = self.network(epoch=epoch, weights=weights)
        return generate_images(
            network, z.to(self.device), y.to(self.device), bn=bn, truncation=truncation
        )

    def network(self, *, epoch: Epoch = None, weights: Weights = "auto") -> nn.Module:
        """Return the generator with the weights of an epoch, in single precision."""
        if (epoch, weights) not in self._networks:
            stored = self._read(epoch)
            check_belongs(stored, self.run)
            network = build_network(self.experiment, "generator", self.spec)
            load_module(network, stored, _which(stored, weights))
            self._networks[epoch, weights] = network.to(self.device).requires_grad_(False)
        return self._networks[epoch, weights]

    def identify(self, epoch: Epoch = None) -> dict[str, Any]:
        """Return what names the weights of an epoch: file, hash, progress, averaged or raw."""
        recorded = self.run.weights(epoch)
        if recorded is not None:
            return recorded
        stored = self._read(epoch)
        check_belongs(stored, self.run)
        return stored.describe()

    def class_index(self, name: str) -> int:
        """Return the index of a class given by name or number, or raise `RunError`."""
        names = self.spec.class_names
        if name in names:
            return names.index(name)
        if name.isdigit() and int(name) < len(names):
            return int(name)
        raise NotInRun(f"there is no class '{name}'{did_you_mean(name, names)}")

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
    """Open a run to draw from it: ``ganlab.load("runs/cgan_mnist/3f9a2c-s0").sample([3, 1, 4])``.

    Args:
        run: a run directory, ``<experiment>/<id>``, or an experiment's name for its newest run.
        runs_dir: where run directories lie.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:<number>``.
        plugins: what to look components up in; by default all that are installed or in ./plugins.
        trust_plugins: execute the copies of plugin files that the run holds.

    Raises:
        RunError: if there is no such run.
        PluginError: if a component of the run cannot be found.
    """
    found = find_run(str(run), Path(runs_dir))
    # The run's own copies come first: a file of the same name in ./plugins then does not load.
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


def _warn_of_changes(run: Run, experiment: Experiment, plugins: Plugins) -> str:
    """Warn of code that draws and is not what it was, and return the hashes of all of it."""
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
