"""The command line. Importing it imports no torch."""

from __future__ import annotations

import click

from ganlab.cli import options
from ganlab.cli.group import Group
from ganlab.cli.launch import refuse_several
from ganlab.cli.stderr import warn
from ganlab.log import show_warnings
from ganlab.version import __version__


@click.group(
    cls=Group,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Start with: ganlab run cgan_digits",
)
@click.version_option(__version__, prog_name="ganlab")
@options.plugins_dir
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Train, sample and compare conditional GANs that are put together from plugins."""
    show_warnings(warn)
    refuse_several(ctx.invoked_subcommand)


def main() -> None:
    """Run the command line."""
    cli(prog_name="ganlab")
