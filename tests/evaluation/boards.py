"""Hand-made leaderboards, of runs in a folder."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from ganlab.evaluation.board import Entry, Row, Table
from ganlab.evaluation.protocol import EvaluationSpec, Protocol

PROTOCOL = Protocol(
    dataset="mnist",
    split="train",
    reference="ab" * 32,
    reference_images=60_000,
    image_size=28,
    channels=1,
    samples=10_000,
    extractor="cnn-mnist-3fa9c1d20b77",
)
ID = "0123456789ab"
Scores = Mapping[str, Mapping[str, float]]


def entry(
    folder: Path,
    scores: Scores,
    *,
    experiment: str = "exp",
    seed: int = 0,
    flags: Sequence[str] = (),
    known: bool = True,
    argv: Sequence[str] = (),
) -> Entry:
    """Make a run of one sampling seed; ``known``: whether it says what it cost."""
    costs = {
        "progress": {"seconds": 600.0, "images": 1_200_000},
        "sessions": [{"peak_memory_bytes": 1.5e9, "argv": list(argv)}],
        "parameters": {"generator": 1_000_000, "discriminator": 500_000},
    }
    return Entry(
        name=f"{experiment}/aaaaaa-s{seed}",
        folder=folder,
        info={
            "experiment": experiment,
            "identity": "aaaaaabbbbbb",
            "seed": seed,
            **(costs if known else {}),
        },
        choice="last",
        checkpoint={"steps": 12_000, "weights": "ema", "sha256": "x"},
        eval_spec=EvaluationSpec(PROTOCOL, (), 1),
        answer={
            metric: {
                "values": {name: [value] for name, value in values.items()},
                "flags": list(flags),
                "real_baselines": {},
            }
            for metric, values in scores.items()
        },
    )


def table(rows: Sequence[Row], **changes: Any) -> Table:
    """Make a table of FID, KID and an accuracy, its rows ranked as they come."""
    for rank, row in enumerate(rows, start=1):
        row.rank = rank
    counts = {"images": 10_000, "reference_images": 60_000}
    given: dict[str, Any] = {
        "protocol_id": ID,
        "protocol": vars(PROTOCOL),
        "choice": "last",
        "heading": "conditioning",
        "metrics": {"fid": False, "kid": False, "acc": True},
        "rows": list(rows),
        "real_baselines": {
            "held out": {"fid": {"fid": 0.5, **counts}, "acc": {"acc": 0.99, **counts}}
        },
    }
    return Table(**given | changes)


def small_table() -> Table:
    """Two rows: two seeds with a flag in one of them, and images from elsewhere without costs."""
    first = [
        entry(
            Path(f"runs/exp/aaaaaa-s{seed}"),
            {"fid": {"fid": 2.0 + seed}, "kid": {"kid": 0.25, "kid_sd": 0.5}, "acc": {"acc": 0.75}},
            seed=seed,
            flags=["dull"] * seed,
        )
        for seed in range(2)
    ]
    other = entry(
        Path("runs/images/x"),
        {"fid": {"fid": 12.3456}, "acc": {"acc": -0.5}},
        experiment="=SUM(1|2)",
        known=False,
    )
    return table(
        [Row(first, variant="cbn"), Row([other], variant="=a|b <i>", tied=True)],
        warnings=["scores here come from different device: cpu, cuda"],
    )


def with_pictures(folder: Path) -> Path:
    """Put pictures into a run folder: two sheets of samples, curves, and one of a metric."""
    (folder / "samples").mkdir(parents=True)
    for name, width in {
        "samples/epoch-0001": 10,
        "samples/epoch-0002": 20,
        "curves": 30,
        "scores": 40,
        "neighbours": 50,
    }.items():
        Image.new("L", (width, 10), 128).save(folder / f"{name}.png")
    return folder


def with_history(folder: Path, *, scores: Sequence[float]) -> Path:
    """Record a score of each epoch."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [
        {
            "protocol_id": ID,
            "checkpoint": {"epochs": float(epoch)},
            "metrics": {"fid": {"definition": {}, "values": {"fid": [score]}, "flags": []}},
        }
        for epoch, score in enumerate(scores, start=1)
    ]
    (folder / "scores.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return folder
