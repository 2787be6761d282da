"""Context managers around the phases of an operation: errors with causes, restored settings."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from ganlab.errors import GanlabError, UnexpectedError
from ganlab.training.error_attribution import attributed


@contextmanager
def explained(what: str) -> Iterator[None]:
    """Turn an unexpected exception inside into a `GanlabError` that names the phase.

    The original exception is its cause. A plugin that raised it is named.
    """
    try:
        yield
    except GanlabError:
        raise
    except Exception as error:
        blamed = attributed(error)
        if blamed is not None:
            raise blamed from error
        text = " ".join(str(error).split()) or "no message"
        raise UnexpectedError(f"{what} failed: {type(error).__name__}: {text}") from error


@contextmanager
def restored() -> Iterator[None]:
    """Restore random states and torch's global settings afterwards."""
    python, numpy = random.getstate(), np.random.get_state()
    tf32 = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    deterministic = torch.are_deterministic_algorithms_enabled()
    current = torch.cuda.current_device() if torch.cuda.is_initialized() else None
    with torch.random.fork_rng(None if current is not None else []):
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)
            torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = tf32
            torch.use_deterministic_algorithms(deterministic)
            if current is not None:
                torch.cuda.set_device(current)
