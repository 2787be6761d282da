"""Find experiment files by path or by name. Importing it imports no torch."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from importlib.util import find_spec
from os import PathLike
from os.path import isfile
from pathlib import Path

from ganlab.errors import ExperimentError

FOLDER = Path("experiments")
"""The folder of the user's own experiments, in the working directory."""

PACKAGE = "ganlab_experiments"
"""The package of the experiments that come with ganlab: YAML files without Python code."""

SUFFIXES = (".yaml", ".yml")


def find_experiment(name: str | PathLike[str], *, folder: Path | None = None) -> Path:
    """Return the experiment file that a path or a name refers to.

    The path of an existing file is returned as it is. A name, with or without ``.yaml``, is looked
    up in ``experiments/`` in the working directory, then among the experiments that come with
    ganlab.

    Args:
        name: A path, or a name such as ``cgan_mnist``.
        folder: Relative paths start here, and names are looked up here first; by default, relative
            paths start in the working directory.

    Raises:
        ExperimentError: If there is no such experiment. The message suggests a similar name.
    """
    path = Path(name) if folder is None else folder / name
    if isfile(path):
        return path
    if _is_name(name):
        for place in _places(folder):
            for file in _files_of(str(name)):
                if isfile(place / file):
                    return place / file
    try:
        path.stat()
    except (FileNotFoundError, ValueError):  # ValueError: the name holds a null character
        raise ExperimentError(
            f"there is no experiment '{name}'{_suggestion(Path(name), path.parent)}"
        ) from None
    except OSError:
        pass  # the error that reading the file raises gives the reason
    return path


def is_experiment(name: str) -> bool:
    """Return True for the name of a known experiment, and for every ``*.yaml`` or ``*.yml``."""
    return is_file_name(name) or name in known_experiments()


def is_file_name(name: str) -> bool:
    """Return True for the name of a YAML file, whether it exists or not."""
    return name.endswith(SUFFIXES)


def local_experiments() -> list[Path]:
    """Return the files in ``experiments/`` in the working directory, sorted by name."""
    return _experiments_in(FOLDER)


def shipped_experiments() -> list[Path]:
    """Return the files of the experiments that come with ganlab, sorted by name."""
    return _experiments_in(shipped_folder())


def known_experiments() -> dict[str, Path]:
    """Return the file of each name that `find_experiment` finds, sorted by name.

    A local experiment hides a shipped one of the same name.
    """
    files = {file.stem: file for file in [*shipped_experiments(), *local_experiments()]}
    return dict(sorted(files.items()))


def shipped_folder() -> Path:
    """Return the folder of the experiments that come with ganlab.

    Raises `ExperimentError` if the installation lacks it.
    """
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise ExperimentError(
            f"the package {PACKAGE}, which comes with ganlab, is missing: reinstall ganlab"
        )
    return Path(next(iter(spec.submodule_search_locations)))


def _is_name(name: str | PathLike[str]) -> bool:
    """Return True for a single path component, which may be a name."""
    return Path(name).name == str(name)


def _places(folder: Path | None) -> Iterator[Path]:
    """Yield the folders in which a name is looked up."""
    if folder is not None:
        yield folder
    yield FOLDER
    yield shipped_folder()


def _files_of(name: str) -> Iterator[str]:
    """Yield the file names that a name may stand for."""
    if is_file_name(name):
        yield name
    else:
        yield from (f"{name}{suffix}" for suffix in SUFFIXES)


def _experiments_in(folder: Path) -> list[Path]:
    """Return the experiment files in a folder, sorted; of equal names, the one that is found."""
    files: dict[str, Path] = {}
    for suffix in SUFFIXES:
        for file in sorted(folder.glob(f"*{suffix}")):
            files.setdefault(file.stem, file)
    return [files[stem] for stem in sorted(files)]


def _suggestion(path: Path, folder: Path) -> str:
    """Suggest a known experiment, or a file in the folder in which the path would be."""
    allowed = {name: name for name in known_experiments()}
    allowed |= {file.stem: str(path.with_name(file.name)) for file in _experiments_in(folder)}
    stem = path.stem if is_file_name(path.name) else path.name
    near = get_close_matches(stem, allowed, n=1)
    if near:
        return f"; did you mean '{allowed[near[0]]}'?"
    return "; `ganlab experiments` lists the experiments"
