"""ganlab: conditional-GAN experiments from plugins. Importing it imports no torch."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ganlab.version import __version__

_HOME = {
    "hookimpl": "ganlab.hookspecs",
    "one_hot": "ganlab.nn",
    "Embed": "ganlab.nn",
    "ExtractorNet": "ganlab.nn",
    "MetricInput": "ganlab.metrics",
    "GeneratorNet": "ganlab.nn",
    "DiscriminatorNet": "ganlab.nn",
    "DataSpec": "ganlab.types",
    "Latents": "ganlab.types",
    "Batch": "ganlab.types",
    "Step": "ganlab.step",
    "DiscriminatorOutput": "ganlab.types",
    "Augmentation": "ganlab.components",
    "Callback": "ganlab.components",
    "Component": "ganlab.options",
    "Conditioning": "ganlab.components",
    "Dataset": "ganlab.components",
    "Discriminator": "ganlab.components",
    "Extractor": "ganlab.metrics",
    "Generator": "ganlab.components",
    "Images": "ganlab.components",
    "Loss": "ganlab.components",
    "Metric": "ganlab.metrics",
    "Penalty": "ganlab.components",
    "Regularizer": "ganlab.components",
    "Sites": "ganlab.sites",
    "load": "ganlab.sampling",
    "Board": "ganlab.results",
    "Records": "ganlab.results",
    "Run": "ganlab.results",
    "Lab": "ganlab.lab.lab",
    "train": "ganlab.lab.shortcuts",
    "sweep": "ganlab.lab.shortcuts",
    "evaluate": "ganlab.lab.shortcuts",
    "runs": "ganlab.lab.shortcuts",
    "check": "ganlab.lab.shortcuts",
    "bench": "ganlab.lab.shortcuts",
}
__all__ = [
    "Augmentation",
    "Batch",
    "Board",
    "Callback",
    "Component",
    "Conditioning",
    "DataSpec",
    "Dataset",
    "Discriminator",
    "DiscriminatorNet",
    "DiscriminatorOutput",
    "Embed",
    "Extractor",
    "ExtractorNet",
    "Generator",
    "GeneratorNet",
    "Images",
    "Lab",
    "Latents",
    "Loss",
    "Metric",
    "MetricInput",
    "Penalty",
    "Records",
    "Regularizer",
    "Run",
    "Sites",
    "Step",
    "__version__",
    "bench",
    "check",
    "evaluate",
    "hookimpl",
    "load",
    "one_hot",
    "runs",
    "sweep",
    "train",
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
    from ganlab.lab.lab import Lab
    from ganlab.lab.shortcuts import bench, check, evaluate, runs, sweep, train
    from ganlab.metrics import Extractor, Metric, MetricInput
    from ganlab.nn import DiscriminatorNet, Embed, ExtractorNet, GeneratorNet, one_hot
    from ganlab.options import Component
    from ganlab.results import Board, Records, Run
    from ganlab.sampling import load
    from ganlab.sites import Sites
    from ganlab.step import Step
    from ganlab.types import Batch, DataSpec, DiscriminatorOutput, Latents


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    raise AttributeError(f"module 'ganlab' has no attribute '{name}'")


def __dir__() -> list[str]:
    return __all__
