"""The scripts in benchmarks/ run, and print a Markdown table of what they measured."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
EXPERIMENT = """
dataset: {type: digits, image_size: 16}
generator: {type: dcgan, width: 4}
discriminator: {type: dcgan, width: 4}
conditioning: concat
loss: bce
train: {steps: 1, batch_size: 8}
"""


def rows_of(script: str, line: str, monkeypatch: pytest.MonkeyPatch, capsys: object) -> list[str]:
    """Run a script; return the first cell of each row of its table."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import_module(script).main(f"{line} --device cpu --warm-up 1".split())
    said, gap, head, rule, *rows = capsys.readouterr().out.splitlines()  # type: ignore[attr-defined]
    assert said.startswith(f"`python benchmarks/{script}.py {line} --device cpu --warm-up 1`: ")
    assert "torch 2." in said
    assert (gap, set(rule)) == ("", set("| -"))
    assert {row.count("|") for row in (head, rule, *rows)} == {head.count("|")}
    return [row.split("|")[1].strip() for row in rows]


@pytest.mark.slow
def test_vs_document_compares_the_loops(
    workplace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    line = "--batch 4 --size 16 --width 2 --images 32 --steps 1 --turns 3 --data-root nowhere"
    first, second, third = rows_of("vs_document", line, monkeypatch, capsys)
    assert (first, third) == ("the document's loop, fp32", "ganlab, fp32")
    assert second.endswith("(its default here)")


def test_vs_document_does_the_same_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    script, timing = import_module("_document"), import_module("_timing")
    from ganlab.training.model import build_network
    from ganlab.types import DataSpec

    one = timing.experiment(BENCHMARKS.parent / "experiments" / "cgan_mnist.yaml", device="cpu")
    spec = DataSpec(10, 64, 1, tuple("0123456789"))
    for theirs, role in ((script.Generator, "generator"), (script.Discriminator, "discriminator")):
        ours = build_network(one, role, spec)
        counts = [sum(p.numel() for p in net.parameters()) for net in (theirs(64, 64), ours)]
        assert counts[0] == counts[1]


def test_vs_limit_compares_with_the_floor(
    workplace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (workplace / "exp.yaml").write_text(EXPERIMENT)
    line = "--experiment exp.yaml --steps 1 --turns 1"
    first, second = rows_of("vs_limit", line, monkeypatch, capsys)
    assert first.endswith(" (the default here)")
    assert second == "fp32"


SCALING = "--width 2 --images 64 128 --sizes 16 --batches 8 --steps 1 --turns 1"
STEPS = ["images in the dataset"] * 2 + ["height and width", "images in a batch"]


def test_scaling_measures_steps(
    workplace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert rows_of("scaling", f"{SCALING} --runs", monkeypatch, capsys) == STEPS


def test_streaming_measures_both_places(
    workplace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    line = "--images 40 80 --size 8 --batch 8 --pause 1 --steps 2 --turns 1"
    assert rows_of("streaming", line, monkeypatch, capsys) == ["40", "40", "80", "80"]


@pytest.mark.slow
def test_scaling_measures_boards(
    workplace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = rows_of("scaling", f"{SCALING} --runs 2 6", monkeypatch, capsys)
    assert rows == [*STEPS, "runs on a board", "runs on a board"]


@pytest.mark.slow
def test_equal_quality_compares_scores(
    workplace: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    line = "--seeds 2 --epochs 1 --width 2 --batch 128 --threads 1"
    document, ours, apart = rows_of("equal_quality", line, monkeypatch, capfd)
    assert (document, ours) == ("the document's loop, fp32", "ganlab as it chooses")
    assert apart == "difference, in pooled standard deviations"
