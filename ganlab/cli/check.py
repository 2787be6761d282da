"""``ganlab check``: read an experiment, say what is wrong with it, or print it complete."""

from __future__ import annotations

import json
from pathlib import Path

import click

from ganlab.cli.app import app_of, plugins_dir_option, set_option


@click.command("check")
@click.argument("experiment", type=click.Path(path_type=Path))
@set_option
@click.option("--explain", is_flag=True, help="Say behind each value where it comes from.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of YAML.")
@plugins_dir_option
@click.pass_context
def command(
    ctx: click.Context, experiment: Path, overrides: tuple[str, ...], explain: bool, as_json: bool
) -> None:
    """Check an experiment and print it with every option.

    All that is wrong with it is reported at once; nothing is downloaded or written.
    """
    from ganlab.config.resolve import load_experiment
    from ganlab.config.writer import to_yaml
    from ganlab.training.model import check_networks
    from ganlab.training.precision import choose_device

    loaded = load_experiment(experiment, app_of(ctx).plugins(), overrides)
    choose_device(loaded.experiment.train.device)
    check_networks(loaded.experiment)
    resolved = loaded.experiment.resolved()
    if as_json:
        data = {"experiment": resolved, "origins": loaded.origins} if explain else resolved
        click.echo(json.dumps(data, indent=2))
    else:
        click.echo(to_yaml(resolved, loaded.origins if explain else None), nl=False)
