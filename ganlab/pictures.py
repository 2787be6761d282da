"""Draw sample sheets, the animation of a run's sheets, and its loss and score curves."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from ganlab.files import write_atomically

if TYPE_CHECKING:
    from torch import Tensor

MAX_FRAMES = 60
"""An animation has at most this many sheets, evenly chosen, the last one always."""


def sheet(images: Tensor, columns: int, *, gap: int = 2) -> Image.Image:
    """Return an RGB picture of images (N, C, H, W) uint8 in rows of ``columns`` images.

    ``gap`` is the width in pixels of the black lines around the images.
    """
    n, _, height, width = images.shape
    rows = -(-n // columns)
    canvas = np.zeros((rows * (height + gap) + gap, columns * (width + gap) + gap, 3), np.uint8)
    for i, image in enumerate(images.permute(0, 2, 3, 1).cpu().numpy()):  # (H, W, C)
        top, left = (
            gap + side * (i // columns if axis == 0 else i % columns)
            for axis, side in enumerate((height + gap, width + gap))
        )
        canvas[top : top + height, left : left + width] = image
    return Image.fromarray(canvas)


def save_picture(picture: Image.Image, path: Path) -> None:
    """Write a picture in the format of the file's suffix, atomically."""
    buffer = io.BytesIO()
    picture.save(buffer, format=Image.registered_extensions()[path.suffix.lower()])
    write_atomically(path, buffer.getvalue())


def animate(sheets: Sequence[Path], path: Path, *, milliseconds: int = 300) -> None:
    """Write an animated GIF of the pictures. The last one is shown for two seconds."""
    if not sheets:
        return
    chosen = sorted({round(i) for i in np.linspace(0, len(sheets) - 1, MAX_FRAMES)})
    frames = [Image.open(sheets[i]).convert("P", palette=Image.Palette.ADAPTIVE) for i in chosen]
    durations = [*[milliseconds] * (len(frames) - 1), 2000]
    buffer = io.BytesIO()
    frames[0].save(
        buffer, "GIF", save_all=True, append_images=frames[1:], duration=durations, loop=0
    )
    write_atomically(path, buffer.getvalue())


def draw_curves(records: Sequence[dict[str, Any]], path: Path, *, title: str) -> None:
    """Write `curves` to a file, atomically."""
    write_atomically(path, _png_of_curves(records, title=title))


def curves(records: Sequence[dict[str, Any]], *, title: str) -> Image.Image:
    """Plot both losses and D's output for real and generated images against the epochs."""
    return Image.open(io.BytesIO(_png_of_curves(records, title=title)))


def _png_of_curves(records: Sequence[dict[str, Any]], *, title: str) -> bytes:
    panels = (
        ("Loss", (("loss_d", "D"), ("loss_g", "G"))),
        (
            "What D says",
            (
                ("d_real", "D(x)"),
                ("d_fake_before", "D(G(z)) before D's update"),
                ("d_fake_after", "D(G(z)) after it"),
            ),
        ),
    )
    lines = [
        (label, {name: [(r["epochs"], r[key]) for r in records if key in r] for key, name in named})
        for label, named in panels
    ]
    return _png_of_lines(lines, title=title)


def draw_scores(
    history: Mapping[str, Sequence[tuple[float, float]]], path: Path, *, title: str
) -> None:
    """Draw each score against the epochs, a panel a score."""
    panels = [(name, {"": points}) for name, points in history.items()]
    write_atomically(path, _png_of_lines(panels, title=title))


def _png_of_lines(
    panels: Sequence[tuple[str, Mapping[str, Sequence[tuple[float, float]]]]], *, title: str
) -> bytes:
    """Draw panels of named lines below one another, all against the epochs."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with mpl.rc_context({"axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(8, max(3, 2.4 * len(panels) + 1)), layout="constrained")
        FigureCanvasAgg(figure)
        grid = figure.subplots(len(panels), 1, sharex=True, squeeze=False)
        for axes, (label, lines) in zip(grid[:, 0], panels, strict=True):
            for name, points in lines.items():
                if points:
                    marker = "o" if len(points) < 30 and not name else None
                    x, y = zip(*points, strict=True)
                    axes.plot(x, y, label=name, linewidth=1, marker=marker, markersize=3)
            axes.set_ylabel(label)
            if any(lines):
                axes.legend(frameon=False)
            axes.grid(alpha=0.3)
        grid[-1, 0].set_xlabel("Epochs")
        figure.suptitle(title)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=120)
    return buffer.getvalue()
