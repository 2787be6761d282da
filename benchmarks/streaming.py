"""The time per batch, by image placement and by dataset size.

python benchmarks/streaming.py

Random images are written to a file and memory-mapped, like a prepared dataset. Batches are then
taken without a pause, and again with a pause between them, in which batches are prefetched.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from _timing import begin, parser_of, report, spread
from torch import Tensor

from ganlab.data.batches import Batches
from ganlab.data.cache import store
from ganlab.data.placement import Placement
from ganlab.training.precision import choose_device
from ganlab.types import Prepared

PLACES: tuple[Placement, ...] = ("resident", "stream")
CHUNK = 1_000


def main(arguments: Sequence[str] | None = None) -> None:
    parser = parser_of(__doc__, steps=200, turns=5)
    parser.prog = "streaming.py"
    parser.add_argument("--images", type=int, nargs="*", default=[10_000, 60_000, 200_000])
    parser.add_argument("--size", type=int, default=64, help="height and width")
    parser.add_argument("--channels", type=int, default=1, help="1 or 3")
    parser.add_argument("--batch", type=int, default=128, help="images in a batch")
    parser.add_argument("--pause", type=float, default=20, help="ms between two batches")
    given = begin(parser, arguments)
    paused = f"ms of waiting, asked for {given.pause:g} ms after the last"
    rows: list[Sequence[str]] = [("images", "kept", "images/s", "ms a batch", paused)]
    device = choose_device(given.device)
    with TemporaryDirectory() as folder:
        for count in given.images:
            shape = (count, given.channels, given.size, given.size)
            data = written(Path(folder) / f"{count}.safetensors", shape)
            for place in PLACES:
                batches = Batches(
                    data, batch_size=given.batch, seed=0, device=device, placement=place
                )
                rows.append((f"{count:,}", place, *measured(batches, given)))
                batches.close()
    title = (
        f"random images of {given.channels} x {given.size} x {given.size}, batches of "
        f"{given.batch}; {given.turns} turns of {given.steps} (middle, least to most)"
    )
    report(given, title=title, rows=rows)


def written(entry: Path, shape: tuple[int, int, int, int]) -> Prepared:
    """Return random images that are mapped from a file."""
    count = shape[0]
    return store(
        entry,
        parts(shape),
        labels=torch.arange(count) % 10,
        class_names=tuple("0123456789"),
        source="random",
        is_current=lambda: True,
    )


def parts(shape: tuple[int, int, int, int]) -> Iterator[Tensor]:
    generator = torch.Generator().manual_seed(0)
    for start in range(0, shape[0], CHUNK):
        part = (min(CHUNK, shape[0] - start), *shape[1:])
        yield torch.randint(256, part, dtype=torch.uint8, generator=generator)


def measured(batches: Batches, given: object) -> tuple[str, str, str]:
    """Return images per second, ms per batch, and ms per prefetched batch."""
    steps, turns, warm_up, pause = (
        getattr(given, name) for name in ("steps", "turns", "warm_up", "pause")
    )
    number = 0

    def take(*, pause: float) -> float:
        """Take a batch and return the waiting time in milliseconds."""
        nonlocal number
        time.sleep(pause / 1000)
        started = time.perf_counter()
        batches.batch(number)
        if batches.device.type == "cuda":
            torch.cuda.synchronize(batches.device)
        number += 1
        return 1000 * (time.perf_counter() - started)

    def turn(*, pause: float) -> float:
        return sum(take(pause=pause) for _ in range(steps)) / steps

    for _ in range(warm_up):
        take(pause=0)
    quick = [turn(pause=0) for _ in range(turns)]
    rested = [turn(pause=pause) for _ in range(turns)]
    rates = [1000 * batches.batch_size / one for one in quick]
    return spread(rates, digits=0), spread(quick), spread(rested)


if __name__ == "__main__":
    main()
