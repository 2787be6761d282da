"""``ganlab new``: write a component that works, with its test, or an experiment."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from ganlab.catalog.catalog import KINDS
from ganlab.cli import options
from ganlab.cli.app import app_of
from ganlab.errors import UsageError, did_you_mean

EXPERIMENT = "experiment"
DEFAULT_SOURCE = "cgan_mnist"


@click.command("new")
@click.argument("kind")
@click.argument("name")
@click.option("--package", is_flag=True, help="Write a package that can be installed and shared.")
@click.option(
    "--from",
    "source",
    metavar="EXPERIMENT",
    help=f"The experiment that a new one starts from.  [default: {DEFAULT_SOURCE}]",
)
@options.plugins_dir
@click.pass_context
def command(ctx: click.Context, kind: str, name: str, package: bool, source: str | None) -> None:
    """Write a new component of KIND, called NAME, and a test that it passes.

    They go into plugins/ and tests/ of this folder, or into a folder of their own with --package.
    With the KIND `experiment`, write experiments/NAME.yaml, a copy of another experiment with all
    its values. No file is ever overwritten.

    \b
    ganlab new conditioning my-scheme
    ganlab new loss my-loss --package
    ganlab new experiment my_experiment --from cgan_digits
    """
    if kind == EXPERIMENT:
        if package:
            raise click.UsageError("--package is for components, not for experiments")
        _new_experiment(name, source or DEFAULT_SOURCE)
        return
    if source is not None:
        raise click.UsageError(f"--from belongs to `ganlab new {EXPERIMENT} NAME`")
    _new_component(ctx, kind, name, package=package)


def _new_experiment(name: str, source: str) -> None:
    from ganlab.config.locate import find_experiment
    from ganlab.config.starting import new_experiment

    made = new_experiment(name, find_experiment(source))
    made.write()
    click.echo(f"wrote {made.file}")
    click.echo("\nnext:")
    for step in made.commands:
        click.echo(f"  {step}")


def _new_component(ctx: click.Context, kind: str, name: str, *, package: bool) -> None:
    if kind not in KINDS:
        hint = did_you_mean(kind, [*KINDS, EXPERIMENT])
        raise click.UsageError(f"there is no kind '{kind}'{hint}")
    from ganlab.testing.scaffold import scaffold

    made = scaffold(kind, name, package=package)
    made.check(Path())
    taken = [entry for entry in app_of(ctx).catalog().of_kind(kind) if entry.name == name]
    if taken:
        source = taken[0].plugin.source
        raise UsageError(f"there is a {kind} '{name}' already ({source}): choose another name")
    made.write(Path())
    for path in made.files:
        click.echo(f"wrote {path}")
    click.echo("\nnext:")
    steps = [f"ganlab check --plugin {made.plugin}", made.run]
    if made.folder is not None:
        steps.insert(0, f"pip install -e ./{shlex.quote(str(made.folder))}")
    tests = next(path for path in made.files if path.name.startswith("test_"))
    for step in (*steps, f"pytest {tests}"):
        click.echo(f"  {step}")
