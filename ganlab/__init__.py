"""ganlab: conditional-GAN experiments from plugins. Importing it imports no torch."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOME = {
    "hookimpl": "ganlab.hookspecs",
    "one_hot": "ganlab.nn",
    "Embed": "ganlab.nn",
    "ExtractorNet": "ganlab.nn",
    "Evidence": "ganlab.measures",
    "GeneratorNet": "ganlab.nn",
    "DiscriminatorNet": "ganlab.nn",
    "DataSpec": "ganlab.step",
    "Mapped": "ganlab.step",
    "Side": "ganlab.step",
    "Step": "ganlab.step",
    "Verdict": "ganlab.step",
    "Augmentation": "ganlab.components",
    "Callback": "ganlab.components",
    "Component": "ganlab.options",
    "Conditioning": "ganlab.components",
    "Dataset": "ganlab.components",
    "Discriminator": "ganlab.components",
    "Extractor": "ganlab.measures",
    "Generator": "ganlab.components",
    "Images": "ganlab.components",
    "Loss": "ganlab.components",
    "Metric": "ganlab.measures",
    "Penalty": "ganlab.components",
    "Regularizer": "ganlab.components",
    "Sites": "ganlab.sites",
    "load": "ganlab.sampling",
}
__all__ = [
    "Augmentation",
    "Callback",
    "Component",
    "Conditioning",
    "DataSpec",
    "Dataset",
    "Discriminator",
    "DiscriminatorNet",
    "Embed",
    "Evidence",
    "Extractor",
    "ExtractorNet",
    "Generator",
    "GeneratorNet",
    "Images",
    "Loss",
    "Mapped",
    "Metric",
    "Penalty",
    "Regularizer",
    "Side",
    "Sites",
    "Step",
    "Verdict",
    "__version__",
    "hookimpl",
    "load",
    "one_hot",
]

if TYPE_CHECKING:
    from ganlab.components import (
        Augmentation,
        Callback,
        Conditioning,
        Dataset,
        Discriminator,
        Generator,
        Images,
        Loss,
        Penalty,
        Regularizer,
    )
    from ganlab.hookspecs import hookimpl
    from ganlab.measures import Evidence, Extractor, Metric
    from ganlab.nn import DiscriminatorNet, Embed, ExtractorNet, GeneratorNet, one_hot
    from ganlab.options import Component
    from ganlab.sampling import load
    from ganlab.sites import Sites
    from ganlab.step import DataSpec, Mapped, Side, Step, Verdict


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    raise AttributeError(f"module 'ganlab' has no attribute '{name}'")


def __dir__() -> list[str]:
    return __all__
