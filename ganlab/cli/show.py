"""``ganlab show``: the components of a kind, or one with its options."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from ganlab.catalog.catalog import KINDS
from ganlab.cli import options
from ganlab.cli.app import app_of
from ganlab.columns import columns
from ganlab.errors import did_you_mean

if TYPE_CHECKING:
    from ganlab.catalog.catalog import Entry


@click.command("show")
@click.argument("kind")
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@options.plugins_dir
@click.pass_context
def command(ctx: click.Context, kind: str, name: str | None, as_json: bool) -> None:
    """List the components of a KIND, or show the one called NAME with its options.

    \b
    ganlab show conditioning
    ganlab show conditioning projection
    """
    if kind not in KINDS:
        raise click.UsageError(f"there is no kind '{kind}'{did_you_mean(kind, KINDS)}")
    catalog = app_of(ctx).catalog()
    if name is None:
        entries = catalog.of_kind(kind)
        records = [_summary(entry) for entry in entries]
        click.echo(json.dumps(records, indent=2) if as_json else _list(entries))
    else:
        record = catalog.find(kind, name).record
        click.echo(json.dumps(record, indent=2) if as_json else _page(record))


def _summary(entry: Entry) -> dict[str, str]:
    return {"name": entry.name, "summary": entry.summary, "source": entry.plugin.source}


def _list(entries: Sequence[Entry]) -> str:
    rows = [tuple(_summary(entry).values()) for entry in entries]
    return columns(rows) if rows else "none is loaded"


def _page(record: dict[str, Any]) -> str:
    file = None if record["file"] == record["source"] else record["file"]
    facts = {
        **record["facts"],
        "paper": record["paper"],
        "source": record["source"],
        "file": file,
    }
    parts = [f"{record['kind']} {record['name']}", record["doc"]]
    parts.append(columns([(key, fact) for key, fact in facts.items() if fact]))
    rows = [tuple(option.values()) for option in record["options"]]
    table = columns([("option", "type", "default", "what it is"), *rows])
    parts.append(table if rows else "no options")
    return "\n\n".join(part for part in parts if part)
