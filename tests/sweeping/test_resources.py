"""What each of several runs gets of GPUs and cores, against values by hand."""

from __future__ import annotations

import json

import pytest
import torch

from ganlab.events import RunFailed, RunFinished, RunPrinted, RunStarted, RunTold
from ganlab.sweeping import resources
from ganlab.sweeping.capture import printing
from ganlab.sweeping.jobs import Job, Place, Stopped, from_data, to_data
from ganlab.sweeping.resources import Share, share, slots, visible_gpus


@pytest.fixture(autouse=True)
def _eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources, "available_cpus", lambda: 8)
    monkeypatch.delenv("OMP_NUM_THREADS")


def test_processes_share_the_cores() -> None:
    assert slots(3, []) == [{"OMP_NUM_THREADS": "2"}] * 3
    assert slots(20, [])[0] == {"OMP_NUM_THREADS": "1"}


def test_a_number_of_threads_that_the_user_chose_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert slots(2, []) == [{"OMP_NUM_THREADS": "3"}] * 2


def test_each_process_gets_a_gpu_and_more_processes_share_them_evenly() -> None:
    gpus = [slot["CUDA_VISIBLE_DEVICES"] for slot in slots(5, ["4", "7"])]
    assert gpus == ["4", "7", "4", "7", "4"]


@pytest.mark.parametrize(
    ("given", "names"),
    [(None, ["0", "1"]), ("3,5", ["3", "5"]), ("GPU-aa,GPU-bb", ["GPU-aa", "GPU-bb"])],
)
def test_gpus_are_named_as_the_variable_names_them(
    monkeypatch: pytest.MonkeyPatch, given: str | None, names: list[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if given is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", given)
    assert visible_gpus() == names


@pytest.mark.parametrize(
    ("nodes", "jobs", "expected"),
    [
        ([{"CPU": 8.0}], None, Share(8)),  # one run a machine
        ([{"CPU": 8.0}], 3, Share(2)),
        ([{"CPU": 8.0}, {"CPU": 4.0}], None, Share(4)),
        ([{"CPU": 8.0}, {"CPU": 4.0}], 3, Share(4)),
        ([{"CPU": 2.0}], 5, Share(1)),  # the rest waits
        ([{"CPU": 16.0, "GPU": 2.0}], None, Share(8, 1)),
        ([{"CPU": 16.0, "GPU": 2.0}, {"CPU": 64.0}], 1, Share(8, 1)),
        ([{"CPU": 16.0, "GPU": 2.0}], 5, Share(2, 1 / 3)),
        ([{"CPU": 1.0, "GPU": 2.0}], None, Share(0.5, 1)),
    ],
)
def test_what_ray_reserves_for_a_run(
    nodes: list[dict[str, float]], jobs: int | None, expected: Share
) -> None:
    assert share(nodes, jobs=jobs, use_gpus=True) == expected


def test_runs_on_cpus_reserve_no_gpu() -> None:
    assert share([{"CPU": 16.0, "GPU": 2.0}], jobs=2, use_gpus=False) == Share(8)


def test_jobs_and_events_pass_through_json() -> None:
    place = Place(
        "/here", "runs", "cpu", None, ["more"], {"GANLAB_CACHE": "c"}, ["sweep", "f.yaml"]
    )
    job = Job(3, "exp", {"train": {"seed": 1, "seconds": None}}, "text", {"name": "tiny"}, place)
    assert Job.from_data(json.loads(json.dumps(job.as_data()))) == job
    more = job.with_environment(GANLAB_CACHE="other", OMP_NUM_THREADS="2")
    assert more.place.environment == {"GANLAB_CACHE": "c", "OMP_NUM_THREADS": "2"}
    for event in (
        RunStarted(1, "host"),
        RunPrinted(1, "a"),
        RunTold(1, {"event": "Message", "text": "b"}),
        RunFinished(1),
        RunFailed(1, "w", "t"),
        Stopped(1, 2),
    ):
        assert from_data(json.loads(json.dumps(to_data(event)))) == event


def test_printed_lines_are_handed_on_whole_and_a_progress_bar_by_its_end() -> None:
    lines: list[str] = []
    with printing(lines.append):
        print("a", end="")
        print("b")
        print("10 %\r20 %\r30 %\r")
        print("no end", end="")
    assert lines == ["ab", "30 %", "no end"]
