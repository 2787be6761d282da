"""List the trained networks of extractors. Importing it imports no torch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ganlab.catalog.store import Networks


@dataclass(frozen=True)
class Network:
    """One trained network of an extractor."""

    extractor: str
    dataset: str
    name: str
    accuracy: str
    """On the test split of its dataset, in percent; ``-`` if it is not known."""


def list_networks(files: Networks) -> list[Network]:
    """Return the networks among the files of each extractor and dataset."""
    return [
        Network(extractor, dataset, network, accuracy)
        for extractor, datasets in files.items()
        for dataset, found in datasets.items()
        for network, accuracy in _networks(found)
    ]


def _networks(files: Sequence[Path]) -> list[tuple[str, str]]:
    """Return the name and the accuracy of each network among files."""
    cards = {file.stem: file for file in files if file.suffix == ".json"}
    return [(stem, _accuracy(cards.get(stem))) for stem in sorted({file.stem for file in files})]


def _accuracy(card: Path | None) -> str:
    if card is None:
        return "-"
    try:
        return f"{json.loads(card.read_text())['accuracy']:.2%}"
    except (OSError, ValueError, LookupError, TypeError):
        return "-"
