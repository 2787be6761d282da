"""``ganlab plugins``: what is loaded, from where, and what did not load and why."""

from __future__ import annotations

import json

import click

from ganlab.cli import options
from ganlab.cli.app import app_of
from ganlab.columns import columns


@click.command("plugins")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@options.plugins_dir
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """List the plugins: what they bring, where they come from, whether they loaded."""
    catalog = app_of(ctx).catalog()
    listed = [(plugin, catalog.brought_by(plugin)) for plugin in catalog.plugins]
    if as_json:
        records = [
            {
                "name": plugin.name,
                "components": components,
                "source": plugin.source,
                "file": None if plugin.file is None else str(plugin.file),
                "status": plugin.status,
            }
            for plugin, components in listed
        ]
        click.echo(json.dumps(records, indent=2))
        return
    rows = [
        (plugin.name, _brought(components), plugin.source, plugin.status)
        for plugin, components in listed
    ]
    click.echo(columns([("name", "components", "source", "status"), *rows]))


def _brought(components: dict[str, list[str]]) -> str:
    return "; ".join(f"{kind}: {', '.join(names)}" for kind, names in components.items()) or "-"
