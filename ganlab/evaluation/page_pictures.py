"""Pictures of runs as data URIs, for a self-contained page."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

RUNS = 60
"""The maximum number of runs with pictures on a page."""

TOTAL_BYTES = 64_000_000
"""No more pictures are added once their files reach this size."""

AS_IT_IS_BYTES = 300_000
WIDTH, HEIGHT = 900, 1800
QUALITY = 90

KNOWN = {"curves.png": "losses", "scores.png": "scores"}


@dataclass(frozen=True)
class Picture:
    caption: str
    uri: str
    width: int
    height: int


@dataclass
class Album:
    """The pictures of a page. Each run is included once, up to the limits."""

    runs: int = RUNS
    total_bytes: int = TOTAL_BYTES
    taken: dict[Path, str] = field(default_factory=dict)
    """The folders of the included runs, and the place of their pictures on the page."""

    left_out: set[Path] = field(default_factory=set)
    bytes: int = 0

    def take(self, folder: Path, *, place: str) -> list[Picture]:
        """Return a run's pictures for a place on the page; empty if the album is full."""
        if folder in self.taken or folder in self.left_out:
            return []
        files = list(_files(folder))
        if not files:
            return []
        if len(self.taken) >= self.runs or self.bytes >= self.total_bytes:
            self.left_out.add(folder)
            return []
        self.taken[folder] = place
        return [picture for file, caption in files if (picture := self._picture(file, caption))]

    def _picture(self, file: Path, caption: str) -> Picture | None:
        """Return a picture, or None if the file cannot be read."""
        try:
            data = file.read_bytes()
            with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
                kind, size = "png", image.size
                if len(data) < AS_IT_IS_BYTES:
                    image.verify()
                else:
                    kind = "jpeg"
                    data, size = _smaller(image)
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
            return None
        self.bytes += len(data)
        uri = f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
        return Picture(caption, uri, *size)


def _files(folder: Path) -> Iterator[tuple[Path, str]]:
    """Yield the pictures of a run with captions: newest samples, curves, then metric plots."""
    sheets = sorted(folder.glob("samples/epoch-*.png"), key=lambda path: path.stem)
    if sheets:
        yield sheets[-1], f"samples, {sheets[-1].stem.replace('-', ' ')}"
    others = sorted(set(folder.glob("*.png")) - {folder / name for name in KNOWN})
    for file in (*(folder / name for name in KNOWN), *others):
        if file.is_file():
            yield file, KNOWN.get(file.name, file.stem)


def _smaller(image: Image.Image) -> tuple[bytes, tuple[int, int]]:
    """Return a reduced copy as JPEG, because pictures of this size are mostly photographs."""
    image.load()
    small = image.convert("L" if image.mode == "L" else "RGB")
    small.thumbnail((WIDTH, HEIGHT), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=QUALITY, subsampling=0)
    return buffer.getvalue(), small.size
