"""The command line. Importing it imports no torch."""

from __future__ import annotations

import logging

import click

from ganlab.cli.app import Group, plugins_dir_option, warn
from ganlab.cli.launch import refuse_several
from ganlab.version import __version__


class Warnings(logging.Handler):
    """Shows what the library logs as the command line shows its own warnings."""

    def emit(self, record: logging.LogRecord) -> None:
        warn(record.getMessage())


@click.group(
    cls=Group,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Start with: ganlab run cgan_digits",
)
@click.version_option(__version__, prog_name="ganlab")
@plugins_dir_option
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Train, sample and compare conditional GANs that are put together from plugins."""
    show_warnings()
    refuse_several(ctx.invoked_subcommand)


def show_warnings() -> None:
    """Show what the library logs, from a warning on."""
    logger = logging.getLogger("ganlab")
    if not any(isinstance(handler, Warnings) for handler in logger.handlers):
        logger.addHandler(Warnings(logging.WARNING))
        logger.propagate = False


def main() -> None:
    """Run the command line."""
    cli(prog_name="ganlab")
