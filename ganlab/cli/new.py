"""``ganlab new``: write a component that works, with its test."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from ganlab.catalog.catalog import KINDS
from ganlab.cli.app import app_of, plugins_dir_option
from ganlab.errors import UsageMistake, did_you_mean


@click.command("new")
@click.argument("kind")
@click.argument("name")
@click.option("--package", is_flag=True, help="Write a package that can be installed and shared.")
@plugins_dir_option
@click.pass_context
def command(ctx: click.Context, kind: str, name: str, package: bool) -> None:
    """Write a new component of KIND, called NAME, and a test that it passes.

    They go into plugins/ and tests/ of this folder, or into a folder of their own with --package.
    No file is ever overwritten.

    \b
    ganlab new conditioning my-scheme
    ganlab new loss my-loss --package
    """
    if kind not in KINDS:
        raise click.UsageError(f"there is no kind '{kind}'{did_you_mean(kind, KINDS)}")
    from ganlab.testing.scaffold import scaffold

    made = scaffold(kind, name, package=package)
    made.check(Path())
    taken = [entry for entry in app_of(ctx).catalog().of_kind(kind) if entry.name == name]
    if taken:
        source = taken[0].plugin.source
        raise UsageMistake(f"there is a {kind} '{name}' already ({source}): choose another name")
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
