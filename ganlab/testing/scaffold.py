"""Generate a new, working component with a test, as two files or as a package."""

from __future__ import annotations

import importlib.util
import keyword
import re
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import ganlab
from ganlab.errors import UsageError

NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
RESERVED_NAMES = {
    *ganlab.__all__,
    "AddToNoise",
    "CompareFeatures",
    "Weight",
    "PositiveInt",
    "PositiveFloat",
}
"""Names that the templates use."""

TRAINED_KINDS = (
    "generator",
    "discriminator",
    "conditioning",
    "loss",
    "regularizer",
    "augmentation",
)
SECTIONS = {"regularizer": "regularizers", "augmentation": "augmentations", "callback": "callbacks"}
"""The sections of an experiment whose names differ from their kind."""


@dataclass(frozen=True)
class Scaffold:
    """The files of a new component."""

    kind: str
    name: str
    files: dict[Path, str]
    plugin: Path
    """The file with the component."""

    folder: Path | None
    """The package's folder, if it is one."""

    @property
    def run(self) -> str:
        """The command that uses the component."""
        return usage_command(self.kind, self.name)

    def check(self, here: Path) -> None:
        """Raise `UsageError` if one of the files exists in the folder ``here``."""
        there = [path for path in self.files if (here / path).exists()]
        if self.folder is not None and (here / self.folder).exists():
            there = [self.folder]
        if there:
            names = " and ".join(map(str, there))
            raise UsageError(f"nothing was written: there already: {names}")

    def write(self, here: Path) -> None:
        """Write the files into the folder ``here``. Existing files are not replaced."""
        self.check(here)
        for path, text in self.files.items():
            (here / path).parent.mkdir(parents=True, exist_ok=True)
            with (here / path).open("x") as file:
                file.write(text)


def usage_command(kind: str, name: str) -> str:
    """Return a command line that uses a component."""
    if kind == "metric":
        return f"ganlab eval --metric {name}"
    if kind == "extractor":
        return f"ganlab eval --extractor {name}"
    return f"ganlab run experiment.yaml -s {SECTIONS.get(kind, kind)}={name}"


def scaffold(kind: str, name: str, *, package: bool = False) -> Scaffold:
    """Return the files of a new component. Raises `UsageError` for an invalid name."""
    if not NAME.fullmatch(name):
        hint = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-0123456789")
        suggestion = f"; did you mean '{hint}'?" if NAME.fullmatch(hint) else ""
        what = "a name is lower-case words joined by hyphens, such as my-scheme"
        raise UsageError(f"'{name}' cannot be a name: {what}{suggestion}")
    module = name.replace("-", "_")
    own = f"ganlab_{module}" if package else module
    if keyword.iskeyword(own) or importlib.util.find_spec(own) is not None:
        raise UsageError(f"there is a Python module '{own}' already: choose another name")
    cls = "".join(word.capitalize() for word in name.split("-"))
    if cls in RESERVED_NAMES:
        cls += kind.capitalize()
    words = {
        "kind": kind,
        "name": name,
        "module": module,
        "key": module,
        "cls": cls,
        "title": name.replace("-", " ").capitalize(),
        "trains": kind in TRAINED_KINDS,
        "run": usage_command(kind, name),
    }
    folder = Path(f"ganlab-{name}") if package else None
    inner = Path("src" if package else "plugins") / f"{own}.py"
    texts = {
        inner: _render(f"{kind}.py.j2", words),
        Path("tests") / f"test_{module}.py": _render("test.py.j2", words | {"file": inner}),
    }
    if package:
        texts |= {
            Path(template.removesuffix(".j2")): _render(template, words)
            for template in ("pyproject.toml.j2", "README.md.j2")
        }
    start = folder or Path()
    placed = {start / path: text for path, text in texts.items()}
    return Scaffold(kind, name, placed, start / inner, folder)


def _render(template: str, words: dict[str, object]) -> str:
    from jinja2 import DictLoader, Environment, StrictUndefined

    text = (files("ganlab.testing") / "templates" / template).read_text()
    environment = Environment(
        loader=DictLoader({template: text}),
        undefined=StrictUndefined,
        autoescape=False,  # Python, not HTML
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(template).render(words)
