"""Runs and records as objects: what a script or a notebook gets."""

from __future__ import annotations

import io
import json
import math
import re
import shutil
import subprocess
import sys
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import Result
from PIL import Image

import ganlab as package
from ganlab import Records, Run
from ganlab.errors import GanlabError, RunError
from ganlab.evaluation import score_log
from ganlab.plugins import Plugins
from ganlab.run_directory import Progress
from ganlab.sampling import Trained
from tests.conftest import TINY

Ganlab = Callable[..., Result]
ROWS = Records([{"step": 1, "loss": 0.5}, {"step": 2, "loss": 0.25, "<b>": [1, 2]}])


def line(
    epochs: float, values: dict[str, list[float]], *, flags: list[str] | None = None, **changes: Any
) -> dict[str, Any]:
    """Return a line of scores.jsonl with one metric, named like its first value."""
    metric = {"definition": {}, "values": values, "flags": flags or [], "real_baselines": None}
    return {
        "protocol_id": "p",
        "protocol": {"samples": 40},
        "weights_sha256": f"w{epochs}",
        "weights": "ema",
        "bn": "running",
        "truncation": None,
        "seeds": [0, 1],
        "checkpoint": {"epochs": epochs, "steps": int(5 * epochs)},
        "metrics": {next(iter(values)): metric},
        **changes,
    }


def with_tiny_plugins(path: Path) -> Trained:
    plugins = Plugins()
    plugins.load_folder(TINY)
    return package.load(path, plugins=plugins)


# ----------------------------------------------------------------------------- records


def test_records_are_a_list_whose_slices_are_records() -> None:
    assert ROWS == [{"step": 1, "loss": 0.5}, {"step": 2, "loss": 0.25, "<b>": [1, 2]}]
    assert ROWS.columns == ["step", "loss", "<b>"]
    assert ROWS[0] == {"step": 1, "loss": 0.5}
    assert isinstance(ROWS[1:], Records)
    assert ROWS[1:] == [ROWS[1]]


def test_records_say_how_many_they_are_and_what_of() -> None:
    assert repr(ROWS) == "Records(2 rows: step, loss, <b>)"
    assert repr(Records()) == "Records(0 rows)"
    wide = Records([dict.fromkeys("abcdefghij", 1)])
    assert repr(wide) == "Records(1 row: a, b, c, d, e, f, g, h, ...)"


def test_records_become_a_data_frame() -> None:
    pandas = pytest.importorskip("pandas")
    frame = ROWS.to_frame()
    assert list(frame.columns) == ["step", "loss", "<b>"]
    assert frame["loss"].tolist() == [0.5, 0.25]
    assert math.isnan(frame["<b>"][0])
    pandas.testing.assert_frame_equal(Records().to_frame(), pandas.DataFrame(columns=[]))


def test_a_missing_pandas_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(GanlabError) as raised:
        ROWS.to_frame()
    assert str(raised.value) == "to_frame() needs pandas: pip install pandas"


def test_records_display_themselves_as_an_escaped_table() -> None:
    assert ROWS._repr_html_() == (
        "<table><tr><th>step</th><th>loss</th><th>&lt;b&gt;</th></tr>"
        "<tr><td>1</td><td>0.5</td><td></td></tr>"
        "<tr><td>2</td><td>0.25</td><td>1, 2</td></tr></table><p>2 rows</p>"
    )


def test_many_records_display_their_ends() -> None:
    text = Records([{"n": n} for n in range(1000)])._repr_html_()
    cells = re.findall(r"<td>(.*?)</td>", text)
    assert cells == ["0", "1", "2", "3", "4", "…", "995", "996", "997", "998", "999"]
    assert text.endswith("<p>1,000 rows</p>")


# --------------------------------------------------------------------------------- runs


def test_a_run_says_what_it_is_and_how_far(trained_run: Path) -> None:
    run = Run(trained_run)
    name = f"exp/{trained_run.name}"
    assert repr(run) == f"Run('{name}', finished, 1.2 epochs, 48 images)"
    assert (run.name, run.seed, run.status) == (name, 0, "finished")
    seconds = run.info["progress"]["seconds"]
    assert run.progress == Progress(steps=6, batches=6, images=48, epochs=1.2, seconds=seconds)
    assert run.config["train"]["batch_size"] == 8
    assert Path(run) == trained_run
    assert run == Run(str(trained_run))
    assert len({run, Run(trained_run)}) == 1
    assert run != trained_run


def test_a_run_shows_its_newest_score_and_the_epoch_if_training_went_on(trained_run: Path) -> None:
    score_log.append(trained_run, line(1.0, {"m": [1.0, 3.0]}))
    assert repr(Run(trained_run)).endswith(", 48 images, m 2 at epoch 1)")
    score_log.append(trained_run, line(1.2, {"m": [0.5, 0.25]}))
    assert repr(Run(trained_run)).endswith(", 48 images, m 0.375)")


def test_a_run_shows_its_present_state(trained_run: Path) -> None:
    run = Run(trained_run)
    file = trained_run / "run.json"
    info = json.loads(file.read_text())
    later = info["progress"] | {"steps": 5, "epochs": 1.0, "images": 40_000}
    file.write_text(json.dumps(info | {"status": "running", "progress": later}))
    assert repr(run) == f"Run('exp/{trained_run.name}', killed, 1 epoch, 40,000 images)"
    shutil.rmtree(trained_run)
    assert repr(run) == f"Run('{trained_run}', not readable)"
    with pytest.raises(RunError, match=r"is no run: it has no run\.json$"):
        _ = run.status


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError) as raised:
        Run(tmp_path)
    assert str(raised.value) == f"{tmp_path} is no run: it has no run.json"


def test_the_log_is_a_record_for_each_interval(trained_run: Path) -> None:
    log = Run(trained_run).log
    assert [(record["step"], record["images"]) for record in log] == [(2, 16), (4, 32), (6, 48)]
    written = [json.loads(text) for text in (trained_run / "log.jsonl").read_text().splitlines()]
    assert log == written
    assert isinstance(log, Records)


def test_scores_are_flat_means_over_sampling_seeds_by_epochs(trained_run: Path) -> None:
    run = Run(trained_run)
    assert run.scores == []
    first = line(1.0, {"m": [1.0, 3.0], "m_sd": [0.0, 1.0]}, flags=["dull"])
    for one in (
        line(1.2, {"m": [5.0, 6.0]}),
        first,
        line(1.0, {"other": [1.0, 1.0]}),
        line(1.0, {"m": [2.0, 4.0], "m_sd": [0.0, 1.0]}, flags=["dull"]),  # again
        line(1.0, {"m": [7.0]}, seeds=[0]),
    ):
        score_log.append(trained_run, one)
    common = {
        "epochs": 1.0,
        "steps": 5,
        "weights": "ema",
        "bn": "running",
        "truncation": None,
        "protocol_id": "p",
        "samples": 40,
        "seeds": 2,
        "flags": [],
    }
    assert run.scores == [
        common | {"flags": ["dull"], "m": 3.0, "m_sd": 0.5},
        common | {"other": 1.0},
        common | {"seeds": 1, "m": 7.0},
        common | {"epochs": 1.2, "steps": 6, "m": 5.5},
    ]


def test_sheets_are_pictures_by_epoch(trained_run: Path) -> None:
    run = Run(trained_run)
    names = {None: "epoch-0001.2000", 0: "epoch-0000", 1: "epoch-0001"}
    for epoch, name in names.items():
        with Image.open(trained_run / "samples" / f"{name}.png") as written:
            assert np.array_equal(np.asarray(run.sheet(epoch)), np.asarray(written))
    with pytest.raises(RunError) as raised:
        run.sheet(7)
    assert str(raised.value) == f"{run.name} has no samples of epoch 7; drawn: 0, 1"
    (trained_run / "samples" / "epoch-0000.png").write_bytes(b"text")
    with pytest.raises(RunError, match=r"epoch-0000\.png cannot be read: "):
        run.sheet(0)
    shutil.rmtree(trained_run / "samples")
    with pytest.raises(RunError, match=r"has drawn no samples yet$"):
        run.sheet()


def test_curves_are_drawn_from_the_log(trained_run: Path) -> None:
    run = Run(trained_run)
    curves = run.curves()
    with Image.open(trained_run / "curves.png") as written:
        assert np.array_equal(np.asarray(curves), np.asarray(written))
    run.path.joinpath("log.jsonl").unlink()
    with pytest.raises(RunError, match=r"has logged nothing yet$"):
        run.curves()


def test_samples_are_those_of_the_loaded_run(trained_run: Path) -> None:
    run = Run(trained_run, loader=with_tiny_plugins)
    trained = with_tiny_plugins(trained_run)
    assert torch.equal(run.sample([0, 3], seed=4), trained.sample([0, 3], seed=4))
    untrained = run.sample([0, 3], seed=4, epoch=0, weights="raw")
    assert torch.equal(untrained, trained.sample([0, 3], seed=4, epoch=0, weights="raw"))
    assert not torch.equal(untrained, run.sample([0, 3], seed=4))


def test_a_loaded_run_says_what_it_draws(trained_run: Path) -> None:
    assert repr(with_tiny_plugins(trained_run)) == (
        f"Trained('exp/{trained_run.name}', 4 classes, 16 x 16 grey, kept epochs: 0, 1, cpu)"
    )


def test_load_takes_a_run(trained_run: Path) -> None:
    plugins = Plugins()
    plugins.load_folder(TINY)
    trained = package.load(Run(trained_run), plugins=plugins)
    assert trained.run.path == trained_run


def test_a_notebook_displays_state_sheet_and_last_numbers_escaped(trained_run: Path) -> None:
    run = Run(trained_run)
    file = trained_run / "run.json"
    info = json.loads(file.read_text())
    file.write_text(json.dumps(info | {"status": "failed", "error": "<script>alert(1)</script>"}))
    text = run._repr_html_()
    assert f"<p><strong>exp/{trained_run.name}</strong></p>" in text
    assert "<p>failed, 1.2 epochs, 48 images</p>" in text
    assert "<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>" in text
    assert "<script" not in text
    (data,) = re.findall(r'src="data:image/png;base64,([^"]*)"', text)
    with Image.open(io.BytesIO(b64decode(data))) as shown:
        assert np.array_equal(np.asarray(shown), np.asarray(run.sheet()))
    head, last = re.findall(r"<tr>(.*?)</tr>", text)
    assert re.findall(r"<th>(.*?)</th>", head) == list(run.log[-1])
    assert re.findall(r"<td>(.*?)</td>", last)[0] == "6"


def test_a_notebook_displays_a_run_that_has_nothing_yet(trained_run: Path) -> None:
    shutil.rmtree(trained_run / "samples")
    (trained_run / "log.jsonl").unlink()
    assert Run(trained_run)._repr_html_() == (
        f"<div><p><strong>exp/{trained_run.name}</strong></p>"
        "<p>finished, 1.2 epochs, 48 images</p></div>"
    )


def test_images_of_another_system_are_a_run_without_training(
    trained_run: Path, ganlab: Ganlab
) -> None:
    for name in ("dark", "dim", "light", "bright"):
        Path("theirs", name).mkdir(parents=True)
        for number in range(10):
            pixels = np.full((16, 16), 25 * number, np.uint8)
            Image.fromarray(pixels).save(f"theirs/{name}/{number}.png")
    result = ganlab(
        "eval", "--extractor", "tiny", "-m", "tiny", "--images", "theirs", "--reference", "exp"
    )
    assert result.exit_code == 0, result.output
    (folder,) = Path("runs/images").iterdir()
    run = Run(folder)
    score = run.scores[0]["tiny"]
    assert repr(run) == (
        f"Run('images/{folder.name}', 40 images of another system, tiny {score:.4g})"
    )
    assert run.log == []


def test_results_import_no_torch(trained_run: Path) -> None:
    code = (
        "import sys, ganlab\n"
        f"run = ganlab.Run({str(trained_run)!r})\n"
        "repr(run), run._repr_html_(), run.log, run.scores, run.sheet(), run.curves()\n"
        "repr(ganlab.Board([]))\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
