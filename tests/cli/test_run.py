"""``ganlab run``: what it prints, writes and refuses; and that its help comes at once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from PIL import Image

from tests.training.helpers import only_run

Write = Callable[..., Path]
Ganlab = Callable[..., Result]


def test_the_whole_output_of_a_run(
    write_experiment: Write, ganlab: Ganlab, workplace: Path
) -> None:
    result = ganlab("run", write_experiment(steps=10, log_every="5 steps"))
    assert result.exit_code == 0
    run = only_run(workplace).relative_to(workplace)
    assert result.stdout == (
        f"run      {run}\n"
        f"samples  {run}/samples/epoch-0002.png\n"
        f"history  {run}/samples.gif\n"
        f"curves   {run}/curves.png\n"
        f"next     ganlab sample {run}\n"
    )
    lines = result.stderr.splitlines()
    assert lines[:9] == [
        f"run            {run}",
        "dataset        tiny: 40 images, 1 x 16 x 16, 4 classes, resident",
        "conditioning   tiny",
        "generator      tiny, 2,392 parameters",
        "discriminator  tiny, 793 parameters",
        "loss           tiny, tiny, tiny",
        "computing      cpu, fp32, channels last",
        "budget         10 steps",
        f"drew {run}/samples/epoch-0000.png",
    ]
    assert lines[9].startswith("[1/2][5/5] Loss_D: ")
    assert lines[-2].startswith("[2/2][5/5] Loss_D: ")
    assert len(lines) == 13


def test_a_run_directory_holds_what_it_should(
    write_experiment: Write, ganlab: Ganlab, workplace: Path
) -> None:
    exp = write_experiment(steps=10)
    ganlab("run", exp)
    run = only_run(workplace)
    assert run.parent.name == "exp"
    assert run.name.endswith("-s0")
    assert (run / "experiment.yaml").read_text() == exp.read_text()
    info = json.loads((run / "run.json").read_text())
    assert info["status"] == "finished"
    assert info["progress"] | {"seconds": 0} == {
        "steps": 10,
        "batches": 10,
        "images": 80,
        "epochs": 2.0,
        "seconds": 0,
    }
    assert info["dataset"]["name"] == "tiny"
    assert info["choices"] == {
        "precision": "fp32",
        "channels_last": True,
        "conv_as_matmul": False,
        "compile": "off",
    }
    assert info["sessions"][0]["torch"]
    names = {str(file.relative_to(run)) for file in run.rglob("*") if file.is_file()}
    assert names == {
        "experiment.yaml",
        "config.yaml",
        "run.json",
        "log.jsonl",
        "seen.txt",
        "samples.gif",
        "curves.png",
        "plugins/tiny.py",
        *(f"samples/epoch-000{i}.png" for i in range(3)),
        *(f"checkpoints/generator-epoch-000{i}.safetensors" for i in range(3)),
        "checkpoints/step-000000009.safetensors",
        "checkpoints/step-000000010.safetensors",
    }
    with Image.open(run / "samples.gif") as animation:
        assert animation.n_frames == 3


def test_a_saved_config_gives_the_same_run(
    write_experiment: Write, ganlab: Ganlab, workplace: Path
) -> None:
    ganlab("run", write_experiment(steps=4))
    run = only_run(workplace)
    result = ganlab("run", run / "config.yaml")
    assert result.exit_code == 0
    assert "This run is finished" in result.stderr


def test_identity_ignores_budgets_intervals_and_device_and_nothing_else(
    write_experiment: Write, ganlab: Ganlab, workplace: Path
) -> None:
    def folder(*overrides: str) -> str:
        arguments = [part for override in overrides for part in ("-s", override)]
        result = ganlab("run", write_experiment(), "--dry-run", *arguments)
        assert result.exit_code == 0, result.output
        return result.stdout.splitlines()[0].split()[1]

    base = folder()
    assert base == folder("train.steps=99", "train.log_every=7 steps", "train.seconds=5")
    assert base == folder("train.device=auto", "train.sample_bn=batch", "callbacks=[]")
    assert base.replace("-s0", "-s3") == folder("train.seed=3")
    others = {
        folder("train.batch_size=4"),
        folder("train.ema=null"),
        folder("generator.width=9"),
        folder("dataset.count=44"),
        folder("optimizer.lr=0.001"),
        folder("regularizers=[]"),
    }
    assert len(others | {base}) == 7
    assert not (workplace / "runs").exists()


def test_dry_run_writes_nothing_and_prints_the_plan(
    write_experiment: Write, ganlab: Ganlab, workplace: Path
) -> None:
    result = ganlab("run", write_experiment(), "--dry-run")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == "budget         12 steps"
    assert not (workplace / "runs").exists()


def test_init_from_starts_with_another_runs_weights(
    write_experiment: Write, ganlab: Ganlab, workplace: Path
) -> None:
    ganlab("run", write_experiment("donor.yaml", steps=6))
    exp = write_experiment("heir.yaml", steps=1, batch_size=4)
    assert ganlab("run", exp, "--init-from", "donor").exit_code == 0
    from safetensors.torch import load_file

    (donor,) = workplace.glob("runs/donor/*/checkpoints/step-000000006.safetensors")
    (heir,) = workplace.glob("runs/heir/*/checkpoints/generator-epoch-0000.safetensors")
    key = "generator/first.weight"
    assert (load_file(donor)[key] == load_file(heir)[key]).all()
    config = next(workplace.glob("runs/heir/*/config.yaml")).read_text()
    assert f"init_from: runs/donor/{donor.parents[1].name}\n" in config
    result = ganlab("run", exp, "--init-from", "nobody")
    assert result.exit_code == 2
    assert "there is no run 'nobody'" in result.stderr


def test_the_fallback_is_announced_at_start_and_end_and_recorded(
    write_experiment: Write, ganlab: Ganlab, workplace: Path
) -> None:
    (workplace / "plugins").mkdir()
    (workplace / "plugins" / "absent.py").write_text(
        "from ganlab import Dataset, hookimpl\n"
        "from ganlab.errors import DataUnavailable\n"
        "class Absent(Dataset):\n"
        "    name = 'absent'\n"
        "    def read(self, root, split): raise DataUnavailable('absent cannot be had')\n"
        "@hookimpl\n"
        "def register_datasets(): return [Absent]\n"
    )
    block = {"type": "absent", "image_size": 16, "fallback": "tiny", "fallback_images": 24}
    exp = write_experiment(steps=500, sections={"dataset": block})
    result = ganlab("run", exp)
    assert result.exit_code == 0, result.output
    lines = result.stderr.splitlines()
    assert lines[:2] == [
        "warning: absent cannot be had",
        "warning: falling back: this run trains on 'tiny', not on 'absent'",
    ]
    assert "budget         24 images (0.6 epochs)" in lines
    assert lines[-1] == "warning: this run was trained on 'tiny', not on 'absent'"
    info = json.loads((only_run(workplace) / "run.json").read_text())
    assert (info["dataset"]["name"], info["dataset"]["fallback_for"]) == ("tiny", "absent")
    del block["fallback"]
    refused = ganlab("run", write_experiment("none.yaml", sections={"dataset": block}))
    assert (refused.exit_code, refused.stderr) == (2, "Error: absent cannot be had\n")


@pytest.mark.parametrize("budget", ["epochs=0.5", "images=20", "steps=3", "seconds=1e-6"])
def test_each_budget_ends_a_run(
    write_experiment: Write, ganlab: Ganlab, workplace: Path, budget: str
) -> None:
    exp = write_experiment(steps=None)
    assert ganlab("run", exp, "-s", f"train.{budget}").exit_code == 0
    steps = json.loads((only_run(workplace) / "run.json").read_text())["progress"]["steps"]
    assert steps == (1 if budget.startswith("seconds") else 3)


def test_d_steps_count_images_shown_to_d(
    write_experiment: Write, ganlab: Ganlab, workplace: Path
) -> None:
    ganlab("run", write_experiment(steps=4, d_steps=3))
    progress = json.loads((only_run(workplace) / "run.json").read_text())["progress"]
    assert (progress["steps"], progress["batches"], progress["images"]) == (4, 12, 96)


def test_the_log_holds_the_documents_values(
    write_experiment: Write, ganlab: Ganlab, workplace: Path
) -> None:
    ganlab("run", write_experiment(steps=4, log_every="1 steps"))
    log = [
        json.loads(line) for line in (only_run(workplace) / "log.jsonl").read_text().splitlines()
    ]
    assert [record["step"] for record in log] == [1, 2, 3, 4]
    for record in log:
        assert {"loss_d", "loss_g", "d_real", "d_fake_before", "d_fake_after"} <= record.keys()
        total = record["d/adversarial"] + record["d/penalty"]
        assert record["loss_d"] == pytest.approx(total, rel=1e-5)
        assert 0 < record["d_real"] < 1


def test_version_and_help_import_no_torch() -> None:
    code = (
        "import sys; from ganlab.cli import cli\n"
        "for line in (['--version'], ['run', '--help'], ['sample', '--help'], ['--help']):\n"
        "    cli(line, standalone_mode=False)\n"
        "assert not {'torch', 'pydantic', 'rich', 'numpy'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_a_terminal_gets_a_live_display(write_experiment: Write, workplace: Path) -> None:
    import pty

    from tests.training.helpers import command

    parent, child = pty.openpty()
    process = subprocess.Popen(
        command("run", write_experiment(steps=30)),
        cwd=workplace,
        stderr=child,
        stdout=subprocess.PIPE,
        env=os.environ | {"OMP_NUM_THREADS": "1", "TERM": "xterm", "COLUMNS": "120"},
    )
    os.close(child)
    shown = b""
    try:
        while chunk := os.read(parent, 4096):
            shown += chunk
    except OSError:  # the other end is closed
        pass
    process.communicate()
    assert process.returncode == 0
    text = shown.decode()
    for part in ("Loss_D", "D(G(z))", "img/s", "240 images", "left", "100 %"):
        assert part in text, part
