"""``ganlab experiments``: list the experiments that can be referred to by name."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from ganlab.columns import columns

if TYPE_CHECKING:
    from ganlab.config.listing import ListedExperiment


@click.command("experiments")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def command(as_json: bool) -> None:
    """List the experiments and sweeps that commands accept by name.

    They are the files in ./experiments (local) and those that come with ganlab (shipped). A local
    experiment hides a shipped one of the same name.

    \b
    ganlab run cgan_digits
    ganlab sweep sweep_quick
    """
    from ganlab.config.listing import list_experiments

    listed = list_experiments()
    if as_json:
        click.echo(json.dumps([_record(one) for one in listed], indent=2))
        return
    single = [one for one in listed if not one.is_sweep]
    sweeps = [one for one in listed if one.is_sweep]
    sections = (("ganlab run NAME", single), ("ganlab sweep NAME", sweeps))
    click.echo("\n\n".join(f"{title}\n{_table(part)}" for title, part in sections if part))


def _record(one: ListedExperiment) -> dict[str, str | bool]:
    return {
        "name": one.name,
        "description": one.description,
        "sweep": one.is_sweep,
        "origin": one.origin,
        "file": str(one.file),
    }


def _table(listed: list[ListedExperiment]) -> str:
    return columns([(one.name, one.origin, one.description) for one in listed], indent="  ")
