"""``ganlab check``: say what is wrong with an experiment, or with the components of a plugin."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from ganlab.cli import options
from ganlab.cli.early import ExperimentCommand
from ganlab.cli.labs import lab_of
from ganlab.errors import RunError


@click.command("check", cls=ExperimentCommand)
@click.argument("experiment", type=click.Path(path_type=Path), required=False)
@options.overrides
@click.option("--explain", is_flag=True, help="Say behind each value where it comes from.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of YAML or text.")
@click.option(
    "--plugin",
    "files",
    metavar="FILE",
    type=click.Path(path_type=Path),
    multiple=True,
    help="Try the components of this plugin file instead. Repeatable.",
)
@options.plugins_dir
@click.pass_context
def command(
    ctx: click.Context,
    experiment: Path | None,
    overrides: tuple[str, ...],
    explain: bool,
    as_json: bool,
    files: tuple[Path, ...],
) -> None:
    """Check an experiment and print it with every option.

    EXPERIMENT is a file, or a name that `ganlab experiments` lists. All that is wrong with it is
    reported at once; nothing is downloaded or written.

    With --plugin, try what each component of a file promises: shapes, gradients, labels, seeds,
    resuming, and two steps of training beside every component of the other kinds.
    """
    if files:
        if experiment is not None or overrides or explain:
            raise click.UsageError(
                "--plugin checks components: leave EXPERIMENT and its options out"
            )
        _check_plugins(ctx, files, as_json=as_json)
    elif experiment is None:
        raise click.UsageError("name an EXPERIMENT, or a plugin file: --plugin FILE")
    else:
        _check_experiment(ctx, experiment, overrides, explain=explain, as_json=as_json)


def _check_experiment(
    ctx: click.Context,
    experiment: Path,
    overrides: tuple[str, ...],
    *,
    explain: bool,
    as_json: bool,
) -> None:
    from ganlab.config.writer import to_yaml

    loaded = lab_of(ctx).checked(experiment, overrides)
    resolved = loaded.experiment.resolved()
    if as_json:
        data = {"experiment": resolved, "origins": loaded.origins} if explain else resolved
        click.echo(json.dumps(data, indent=2))
    else:
        click.echo(to_yaml(resolved, loaded.origins if explain else None), nl=False)


def _check_plugins(ctx: click.Context, files: tuple[Path, ...], *, as_json: bool) -> None:
    from ganlab.testing.checking import check, components_of
    from ganlab.testing.report import Failure

    plugins = lab_of(ctx).load_plugins(silent=[file.resolve() for file in files])
    # All files load, or nothing is tried.
    components = [one for file in files for one in components_of(file, plugins)]
    failures: list[Failure] = []
    records = []
    for component in dict.fromkeys(components):
        report = check(component, plugins=plugins)
        failures += report.failures
        if as_json:
            records.append({**asdict(report), "ok": report.ok})
        else:
            click.echo("\n".join([report.title, *(f"  {group}" for group in report.groups)]))
    if as_json:
        click.echo(json.dumps(records, indent=2))
    if failures:
        count = f"{len(failures)} failure{'s' if len(failures) > 1 else ''}"
        raise RunError("\n  ".join([count, *map(str, failures)]))
