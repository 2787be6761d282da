"""``ganlab schema``: the JSON schema of experiment files, for editors."""

from __future__ import annotations

import json

import click

from ganlab.cli import options
from ganlab.cli.app import app_of


@click.command("schema")
@options.plugins_dir
@click.pass_context
def command(ctx: click.Context) -> None:
    """Print the JSON schema of experiment files.

    Editors with a YAML language server complete and check experiments with it: write it to a file,
    and begin an experiment with ``# yaml-language-server: $schema=experiment.schema.json``.
    """
    from ganlab.config.schema import json_schema

    click.echo(json.dumps(json_schema(app_of(ctx).plugins()), indent=2))
