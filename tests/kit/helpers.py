"""Plugin files that a test writes, and what the kit says of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from textwrap import dedent

from ganlab.plugins import Plugins
from ganlab.testing import Report, check_file

HEAD = """\
import numpy as np
import torch
from torch import nn
from ganlab import *
from ganlab import hookimpl


"""


def write_plugin(folder: Path, name: str, kind: str, cls: str, body: str) -> Path:
    """Write a plugin file that registers one class of a kind."""
    hook = f"register_{kind}es" if kind.endswith("s") else f"register_{kind}s"
    tail = f"\n\n@hookimpl\ndef {hook}():\n    return [{cls}]\n"
    file = folder / f"{name}.py"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(HEAD + dedent(body).strip() + tail)
    return file


def checked(file: Path, *, partners: Sequence[Path] = ()) -> Report:
    """Check the component of a file, beside nothing but the components of some folders."""
    plugins = Plugins()
    for folder in partners:
        plugins.load_folder(folder)
    (report,) = check_file(file, plugins=plugins)
    return report
