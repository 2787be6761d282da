"""All plugin hooks: ``register_*`` return component classes, ``on_*`` are called during a run."""

# ruff: noqa: E704  (a table of contents reads best on one screen)
# fmt: off
from pluggy import HookimplMarker, HookspecMarker

hookspec = HookspecMarker("ganlab")
hookimpl = HookimplMarker("ganlab")


@hookspec
def register_datasets(): """Return a list of `Dataset` classes."""
@hookspec
def register_generators(): """Return a list of `Generator` classes."""
@hookspec
def register_discriminators(): """Return a list of `Discriminator` classes."""
@hookspec
def register_conditionings(): """Return a list of `Conditioning` classes."""
@hookspec
def register_losses(): """Return a list of `Loss` classes."""
@hookspec
def register_regularizers(): """Return a list of `Regularizer` classes."""
@hookspec
def register_augmentations(): """Return a list of `Augmentation` classes."""
@hookspec
def register_metrics(): """Return a list of `Metric` classes."""
@hookspec
def register_extractors(): """Return a list of `Extractor` classes."""
@hookspec
def register_callbacks(): """Return a list of `Callback` classes, for experiments that name them."""
@hookspec
def register_commands(cli): """Add commands to ``cli``, the click group of the command line."""


@hookspec
def on_run_start(run): """Called once, after the networks are built and before the first step."""
@hookspec
def on_step_end(run, step, losses): """Called after each G update, with detached scalars."""
@hookspec
def on_log(run, records): """Called once per log interval, with the numbers of every step."""
@hookspec
def on_evaluate(run, step, scores): """Called with ``{metric: value}`` after each evaluation."""
@hookspec
def on_run_end(run, error): """Called once at the end. ``error`` is the exception, or None."""
