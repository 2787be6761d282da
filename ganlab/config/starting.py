"""Write a new experiment that starts from another one. Importing it imports no torch."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import reduce
from pathlib import Path

from ganlab.config.layers import read_layers, read_text
from ganlab.config.locate import FOLDER, is_file_name, local_experiments
from ganlab.config.tree import SWEEP, merge
from ganlab.config.writer import to_yaml
from ganlab.errors import ConfigError, ExperimentError, Problem

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")

SECTIONS = {
    "dataset": ("The training images. `ganlab show dataset` lists the datasets.", None),
    "generator": ("The networks. `ganlab show generator` lists the generators.", None),
    "discriminator": ("`ganlab show discriminator` lists the discriminators.", None),
    "conditioning": (
        "How the class label enters the networks. `ganlab show conditioning` lists the schemes.",
        None,
    ),
    "loss": ("The adversarial loss. `ganlab show loss` lists the losses.", None),
    "regularizers": (
        "Penalties and constraints. `ganlab show regularizer` lists them.",
        "[{type: r1, gamma: 1}]",
    ),
    "augmentations": (
        "Augmentations of the discriminator's input. `ganlab show augmentation` lists them.",
        "[{type: diffaugment}]",
    ),
    "optimizer": (
        "The optimizers. Options of one of them: generator: {lr: 1e-4}, discriminator: {lr: 4e-4}.",
        "{type: adam, lr: 2e-4, betas: [0.5, 0.999]}",
    ),
    "train": ("The budget and all other options of training.", None),
    "eval": ("Scores during training.", "{every: 1 epoch, metrics: [fid, cond-acc]}"),
    "callbacks": ("`ganlab show callback` lists the callbacks.", "[loss-files]"),
    SWEEP: (
        "Values to try. With this section, `ganlab sweep` trains every combination.",
        "{conditioning: [none, concat], train.seed: [0, 1]}",
    ),
}
"""The comment of each section and, if it is optional, an example of its value."""


@dataclass(frozen=True)
class NewExperiment:
    """An experiment file that is to be written."""

    name: str
    text: str
    is_sweep: bool

    @property
    def file(self) -> Path:
        """The path of the file, in the working directory."""
        return FOLDER / f"{self.name}.yaml"

    @property
    def commands(self) -> list[str]:
        """The commands that check and run the experiment."""
        if self.is_sweep:
            return [f"ganlab sweep {self.name} --dry-run", f"ganlab sweep {self.name}"]
        return [f"ganlab check {self.name}", f"ganlab run {self.name}"]

    def write(self) -> None:
        """Write the file. Raise `ExperimentError` if it exists or cannot be written."""
        taken = [file for file in local_experiments() if file.stem == self.name]
        if taken:
            raise ExperimentError(f"nothing was written: {taken[0]} exists already")
        try:
            self.file.parent.mkdir(exist_ok=True)
            with self.file.open("x", encoding="utf-8") as file:
                file.write(self.text)
        except OSError as error:
            raise ExperimentError(f"cannot write {self.file}: {error.strerror}") from error


def new_experiment(name: str, source: Path) -> NewExperiment:
    """Return a new experiment that starts from the file ``source``.

    It has all values of ``source``, including those that come from the files that ``source``
    extends, but not its ``name``. Optional sections that ``source`` does not have are written as
    comments.

    Raises `ExperimentError` if ``name`` cannot be the name of an experiment, and `ConfigError` if
    ``source`` cannot be read.
    """
    _check_name(name)
    problems: list[Problem] = []
    layers = read_layers(source, read_text(source), problems)
    if problems:
        raise ConfigError(problems, str(source))
    values = reduce(merge, layers).plain()
    is_sweep = values.get(SWEEP) is not None
    action = "sweep" if is_sweep else "run"
    parts = [
        f"# A variant of {source.stem}. Describe it in this line, which `ganlab experiments` shows."
        f"\n#\n#   ganlab {action} {name}\n"
    ]
    for key, (comment, example) in SECTIONS.items():
        if key in values:
            parts.append(f"# {comment}\n{to_yaml({key: values[key]})}")
        elif example is not None:
            parts.append(f"# {comment}\n# {key}: {example}\n")
    rest = {key: value for key, value in values.items() if key not in (*SECTIONS, "name")}
    if rest:
        parts.append(to_yaml(rest))
    return NewExperiment(name, "\n".join(parts), is_sweep)


def _check_name(name: str) -> None:
    """Raise `ExperimentError` if ``name`` cannot be the name of an experiment."""
    if NAME.fullmatch(name) and not is_file_name(name):
        return
    stem = name.rsplit("/")[-1].removesuffix(".yaml").removesuffix(".yml")
    hint = re.sub(r"[^A-Za-z0-9_.-]+", "_", stem).strip("_.-")
    suggestion = f"; did you mean '{hint}'?" if NAME.fullmatch(hint) else ""
    raise ExperimentError(
        f"'{name}' cannot be the name of an experiment: a name consists of letters, digits, "
        f"underscores, hyphens and dots, without .yaml{suggestion}"
    )
