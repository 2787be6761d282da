"""Results as objects, for scripts and notebooks. Importing them imports no torch."""

from ganlab.results.board import Board
from ganlab.results.record_list import Records
from ganlab.results.run import Run

__all__ = ["Board", "Records", "Run"]
