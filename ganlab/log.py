"""Showing the warnings that the library logs."""

from __future__ import annotations

import logging
from collections.abc import Callable


class Warnings(logging.Handler):
    """Passes each warning of the library on to a function."""

    def __init__(self, show: Callable[[str], object]) -> None:
        super().__init__(logging.WARNING)
        self.show = show

    def emit(self, record: logging.LogRecord) -> None:
        self.show(record.getMessage())


def show_warnings(show: Callable[[str], object]) -> None:
    """Have ``show`` called with each warning from now on, instead of what showed them before."""
    logger = logging.getLogger("ganlab")
    for handler in [one for one in logger.handlers if isinstance(one, Warnings)]:
        logger.removeHandler(handler)
    logger.addHandler(Warnings(show))
    logger.propagate = False
