"""A board of known scores: it needs no torch, and what it remembers cannot be stale."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import Result

from ganlab.evaluation.protocol import EvaluationSpec, MetricSpec, Protocol
from ganlab.evaluation.request import RequestCache, ScoreRequest, known_entry
from ganlab.run_directory import read_run
from tests.evaluation.helpers import EVAL, lines
from tests.training.helpers import TINY, start

Ganlab = Callable[..., Result]
pytestmark = pytest.mark.usefixtures("without_companions")

ABOUT = {"name": "d", "sha256": "ab", "images": 40, "image_size": 16, "channels": 1}
QUESTION = EvaluationSpec(
    Protocol.of(ABOUT, samples=20, extractor="e-1"),
    (MetricSpec("m", {"version": 1}, True),),
    seeds=2,
)
TELLING = (
    "import atexit, sys; from ganlab.cli import main;"
    "atexit.register(lambda: print('torch' in sys.modules, file=sys.stderr)); main()"
)


def asked_again(folder: Path) -> tuple[str, str]:
    """Run the command as a process; return its output and its errors."""
    out, err = start(*EVAL, cwd=folder, script=TELLING).communicate()
    return out, err


def multiply(run: Path, count: int) -> None:
    """Make further scored runs of a scored one: other seeds of other experiments."""
    for number in range(1, count):
        identity, seed = f"{number // 5:06d}000000", number % 5
        copy = run.with_name(f"{identity[:6]}-s{seed}")
        shutil.copytree(run, copy, copy_function=os.link)
        info = json.loads((run / "run.json").read_text())
        (copy / "run.json").unlink()
        (copy / "run.json").write_text(json.dumps(info | {"identity": identity, "seed": seed}))


def test_a_board_of_known_scores_is_printed_without_torch(
    run: Path, ganlab: Ganlab, workplace: Path
) -> None:
    assert ganlab(*EVAL).exit_code == 0
    multiply(run, 50)
    asked_again(workplace)  # a process, whose path differs, keeps a catalog of its own
    out, err = asked_again(workplace)
    assert err == "False\n"
    assert out == ganlab(*EVAL).stdout
    assert len(out.splitlines()) > 10


# --------------------------------------------------------------------------------- memory


@pytest.fixture
def cache(own_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    for name in ("own cache/extractors", "plugins", "torch/hub/checkpoints"):
        (tmp_path / name).mkdir(parents=True)
    for file in changing(tmp_path):
        file.write_text("before")
    return own_cache


def changing(folder: Path) -> Iterator[Path]:
    """Yield the files that may decide what a request means."""
    for name in ("own cache/extractors/a.bin", "plugins/_b.py", "torch/hub/checkpoints/c.pth", "w"):
        yield folder / name


@pytest.mark.usefixtures("cache")
def test_a_question_is_remembered_by_dataset(tmp_path: Path) -> None:
    request = ScoreRequest(("m",), weights=str(tmp_path / "w"))
    folders = [tmp_path / "plugins"]
    RequestCache(request, folders).keep([(ABOUT, QUESTION)])
    assert RequestCache(request, folders).eval_spec(ABOUT) == QUESTION
    assert RequestCache(request, folders).eval_spec(ABOUT | {"fallback_for": "x"}) == QUESTION
    assert RequestCache(request, folders).eval_spec(ABOUT | {"sha256": "cd"}) is None


@pytest.mark.usefixtures("cache")
@pytest.mark.parametrize("number", range(4), ids=["extractor", "plugin", "hub", "weights"])
def test_a_file_that_changes_is_asked_anew(tmp_path: Path, number: int) -> None:
    request, folders = ScoreRequest(("m",), weights=str(tmp_path / "w")), [tmp_path / "plugins"]
    RequestCache(request, folders).keep([(ABOUT, QUESTION)])
    file = list(changing(tmp_path))[number]
    file.write_text("behind")  # as long as before
    assert RequestCache(request, folders).eval_spec(ABOUT) is None
    RequestCache(request, folders).keep([(ABOUT, QUESTION)])
    assert RequestCache(request, folders).eval_spec(ABOUT) == QUESTION
    file.with_name("one more").write_text("")
    expected = QUESTION if number == 3 else None  # beside the file of weights is no matter
    assert RequestCache(request, folders).eval_spec(ABOUT) == expected


@pytest.mark.usefixtures("cache")
@pytest.mark.parametrize(
    "change",
    [
        {"metrics": ("n",)},
        {"metrics": ("m", "n")},
        {"profile": "quick"},
        {"samples": 30},
        {"seeds": 1},
        {"extractor": "e"},
        {"weights": "w"},
        {"bn": "batch"},
        {"raw": True},
    ],
    ids=lambda change: next(iter(change)),
)
def test_another_option_is_another_request(change: dict[str, object]) -> None:
    request = ScoreRequest(("m",))
    RequestCache(request).keep([(ABOUT, QUESTION)])
    assert RequestCache(replace(request, **change)).eval_spec(ABOUT) is None  # type: ignore[arg-type]


@pytest.mark.usefixtures("cache")
def test_blocking_a_plugin_is_another_request(monkeypatch: pytest.MonkeyPatch) -> None:
    RequestCache(ScoreRequest()).keep([(ABOUT, QUESTION)])
    monkeypatch.setenv("GANLAB_LOAD_PLUGINS", "x")
    assert RequestCache(ScoreRequest()).eval_spec(ABOUT) is None


@pytest.mark.parametrize("damage", ["", "[]", "{", '{"k": 3}', "3", None])
def test_a_damaged_memory_costs_time_alone(
    run: Path, ganlab: Ganlab, cache: Path, damage: str | None
) -> None:
    first = ganlab(*EVAL)
    assert first.exit_code == 0, first.output
    (file,) = (cache / "requests").glob("*.json")
    kept = file.read_text()
    key = next(iter(json.loads(kept)))
    file.write_text(json.dumps({key: {"protocol": 1}}) if damage is None else damage)
    again = ganlab(*EVAL)
    assert (again.exit_code, again.stdout) == (0, first.stdout)
    assert len(lines(run)) == 1
    assert json.loads(file.read_text())[key] == json.loads(kept)[key]


def test_a_memory_that_cannot_be_written_costs_time_alone(
    run: Path, ganlab: Ganlab, cache: Path
) -> None:
    (cache / "requests").write_text("a file where a folder should be")
    first, again = ganlab(*EVAL), ganlab(*EVAL)
    assert (first.exit_code, again.exit_code) == (0, 0)
    assert again.stdout == first.stdout
    assert again.stderr == f"exp/{run.name}\n"
    assert len(lines(run)) == 1


# --------------------------------------------------------------------------- known entries


def test_only_recorded_scores_of_the_weights_that_are_there_are_known(
    run: Path, ganlab: Ganlab
) -> None:
    ganlab(*EVAL)
    request = ScoreRequest(("tiny", "tiny-acc"), extractor="tiny")
    about = read_run(run).info["dataset"]
    eval_spec = RequestCache(request, [TINY, Path("plugins")]).eval_spec(about)
    assert eval_spec is not None
    entry = known_entry(read_run(run), eval_spec, None)
    assert entry is not None
    assert entry.answer["tiny"]["values"] == lines(run)[0]["metrics"]["tiny"]["values"]
    more = replace(eval_spec, metrics=(*eval_spec.metrics, MetricSpec("other", {}, None)))
    unknown = [
        (replace(eval_spec, seeds=2), None),
        (replace(eval_spec, bn="batch"), None),
        (replace(eval_spec, raw=True), None),
        (more, None),
        (eval_spec, 1),
        (eval_spec, "best"),
        (None, None),
    ]
    for asked, epoch in unknown:
        assert known_entry(read_run(run), asked, epoch) is None  # type: ignore[arg-type]


def test_what_a_killed_run_says_of_itself_is_not_believed(run: Path, ganlab: Ganlab) -> None:
    ganlab(*EVAL)
    request = ScoreRequest(("tiny", "tiny-acc"), extractor="tiny")
    found = read_run(run)
    eval_spec = RequestCache(request, [TINY, Path("plugins")]).eval_spec(found.info["dataset"])
    newest = max((run / "checkpoints").glob("step-*"))
    shutil.copy(newest, newest.with_name("step-000000099.safetensors"))
    assert known_entry(found, eval_spec, None) is None
