"""The networks that scores are computed with: list them, train them, hand them over."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from ganlab.catalog.store import Networks
from ganlab.components import Dataset
from ganlab.config.blocks import Builder
from ganlab.config.locate import is_experiment
from ganlab.config.reader import Document
from ganlab.config.resolve import load_experiment
from ganlab.config.tree import build_tree, override
from ganlab.data.prepare import prepare
from ganlab.errors import ConfigError, DataUnavailable, UsageError
from ganlab.events import Tell, ignore
from ganlab.lab.archive import pack, unpack
from ganlab.lab.phases import explained
from ganlab.lab.workspace import Workspace
from ganlab.metrics import Extractor
from ganlab.plugins import Plugins

OUTPUT = "directory"
"""The option of an extractor that says where its networks are kept."""


def network_files(plugins: Plugins) -> Networks:
    """Return the files of the trained networks, by extractor and dataset."""
    return {
        extractor.name: {
            dataset: extractor().files(dataset) for dataset in plugins.names(Dataset.kind)
        }
        for extractor in _extractors(plugins)
    }


def train_extractor(
    workspace: Workspace,
    dataset: str,
    overrides: Sequence[str] = (),
    *,
    image_size: int | None = None,
    extractor: str | None = None,
    output: Path | None = None,
    tell: Tell = ignore,
) -> list[Path]:
    """Train the networks for a dataset and return their files.

    Args:
        workspace: where the data and the plugins are.
        dataset: its name, or an experiment on it: a file or a name.
        overrides: options of the dataset: ``["limit=1000"]``.
        image_size: the size to prepare images in, in pixels.
        extractor: by default the first one that can be trained.
        output: a folder for the networks.
        tell: receives events while they are trained.

    Raises `DataError` if the networks are not good enough to score with: they are not kept then.
    """
    plugins = workspace.plugins
    if image_size is not None:
        overrides = [*overrides, f"image_size={image_size}"]
    kind = choose_extractor(plugins, extractor, output)
    chosen = dataset_of(dataset, plugins, overrides)
    with explained("training the extractor"):
        data = prepare(chosen, root=workspace.data_root, tell=tell)
        test = prepare(chosen, root=workspace.data_root, split="test", tell=tell)
        return kind.train(data, test, tell=tell)


def export_networks(plugins: Plugins, dataset: str, file: Path, *, extractor: str | None) -> None:
    """Write the networks of a dataset to a zip file that does not exist yet."""
    chosen = choose_extractor(plugins, extractor)
    source = _dataset_name(dataset, plugins)
    files = chosen.files(source)
    if not files:
        raise DataUnavailable(
            f"there is no extractor for '{source}' yet; make one: ganlab extractor train {dataset}"
        )
    pack(files, file)


def import_networks(plugins: Plugins, file: Path, *, extractor: str | None) -> list[Path]:
    """Keep the networks of an exported zip file, after their hashes were checked."""
    chosen = choose_extractor(plugins, extractor)
    with TemporaryDirectory(prefix="ganlab-") as folder:
        return chosen.install(unpack(file, Path(folder)))


def choose_extractor(plugins: Plugins, name: str | None, output: Path | None = None) -> Extractor:
    """Return the extractor with this name, or the first one that can be trained."""
    if name is None:
        able = [one for one in _extractors(plugins) if one.train is not Extractor.train]
        if not able:
            raise UsageError("there is no extractor that can be trained")
        kind = able[0]
    else:
        kind = plugins.get(Extractor, name)
        if kind.train is Extractor.train:
            raise UsageError(f"extractor '{name}' cannot be trained: its weights are given")
    if output is None:
        return kind()
    if OUTPUT not in kind.model_fields:
        raise UsageError(f"extractor '{kind.name}' has no option '{OUTPUT}' for --output to set")
    return kind(**{OUTPUT: output})


def dataset_of(dataset: str, plugins: Plugins, overrides: Sequence[str] = ()) -> Dataset:
    """Return a dataset by name, or that of an experiment file, with options set."""
    if _is_experiment(dataset, plugins):
        experiment = load_experiment(dataset, plugins).experiment
        block = experiment.resolved()[Dataset.kind]
    else:
        block = {"type": plugins.get(Dataset, dataset).name}  # one line for an unknown name
    root = build_tree(Document({Dataset.kind: block}, lines={}))
    for text in overrides:
        root = override(root, f"{Dataset.kind}.{text}")
    builder = Builder(plugins)
    node = root.child(Dataset.kind)
    built = None if node is None else builder.build_one(Dataset, node)
    if built is None or builder.problems:
        raise ConfigError(builder.problems, f"the options of {Dataset.kind} '{dataset}'")
    return built.component


def _dataset_name(dataset: str, plugins: Plugins) -> str:
    """Return the name of a dataset, or of an experiment's dataset."""
    if _is_experiment(dataset, plugins):
        return dataset_of(dataset, plugins).name
    return plugins.get(Dataset, dataset).name


def _is_experiment(dataset: str, plugins: Plugins) -> bool:
    """Return True for the file or the name of an experiment; a dataset's name comes first."""
    return dataset not in plugins.names(Dataset.kind) and is_experiment(dataset)


def _extractors(plugins: Plugins) -> list[type[Extractor]]:
    return [plugins.get(Extractor, name) for name in plugins.names(Extractor.kind)]
