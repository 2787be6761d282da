"""Options that change while a run trains."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from click.testing import Result
from torch import Tensor, nn

from ganlab.components import Loss
from ganlab.config.reader import read
from ganlab.config.resolve import load_experiment, resolve
from ganlab.config.schema import json_schema
from ganlab.config.writer import to_yaml
from ganlab.errors import ConfigError
from ganlab.plugins import Plugins
from ganlab.schedules import Schedule
from ganlab.step import Step
from ganlab.types import Batch, DataSpec
from tests.conftest import TINY

PLUGIN = '''
from ganlab import Regularizer, hookimpl
from ganlab.schedules import Weight


class Scheduled(Regularizer):
    """The mean logit of real images, times a weight."""

    name = "scheduled"
    weight: Weight = 1.0
    """Its weight."""

    def d_terms(self, step, state):
        return {"scheduled": step.now(self.weight) * step.real.output.logit.mean() * 0 +
                step.now(self.weight)}


@hookimpl
def register_regularizers():
    return [Scheduled]
'''
WRITTEN = "2 to 1 over 32 images"


@pytest.fixture(scope="module")
def plugins(tmp_path_factory: pytest.TempPathFactory) -> Plugins:
    folder = tmp_path_factory.mktemp("plugins")
    (folder / "scheduled_here.py").write_text(PLUGIN)
    found = Plugins()
    found.load_folder(TINY)
    found.load_folder(folder)
    return found


def scheduled(weight: object) -> dict[str, object]:
    return {"regularizers": [{"type": "scheduled", "weight": weight}]}


@pytest.mark.parametrize(
    ("shape", "values"),
    [
        ("linear", [4, 3.25, 2.5, 1, 1]),
        ("geometric", [4, 4 * 0.25**0.25, 2, 1, 1]),
        ("cosine", [4, 4 - 3 * (1 - 0.5**0.5) / 2, 2.5, 1, 1]),
    ],
)
def test_it_goes_from_start_to_end_and_stays_there(shape: str, values: list[float]) -> None:
    schedule = Schedule(4, 1, 100, shape)
    assert [schedule.at(i) for i in (0, 25, 50, 100, 1000)] == pytest.approx(values)


def test_now_is_a_tensor_of_the_images_type_whether_scheduled_or_not() -> None:
    images = torch.zeros(2, 1, 4, 4, dtype=torch.float64)
    batch = Batch(images, torch.zeros(2, dtype=torch.long))
    step = Step(
        role="generator",
        index=0,
        real=batch,
        fake=batch,
        G=nn.Identity(),
        D=nn.Identity(),
        loss=Loss(),
        spec=DataSpec(2, 4, 1, ("a", "b")),
        images=25,
    )
    now: list[Tensor] = [step.now(3.0), step.now(Schedule(4, 0, 100))]
    assert [value.tolist() for value in now] == [3.0, 3.0]
    assert {(value.dtype, value.shape) for value in now} == {(torch.float64, ())}


def test_what_is_logged_is_the_value_of_that_step() -> None:
    batch = Batch(torch.zeros(2, 1, 4, 4), torch.zeros(2, dtype=torch.long))
    spec = DataSpec(2, 4, 1, ("a", "b"))
    step = Step("generator", 0, batch, batch, nn.Identity(), nn.Identity(), Loss(), spec)
    buffer = torch.zeros(())
    step.log("p", buffer)
    buffer.add_(1)
    assert step.logged["p"] == 0


@pytest.mark.parametrize(
    ("written", "schedule"),
    [
        ("2 to 1 over 32 images", Schedule(2, 1, 32)),
        ("0.1 to 0 over 1e6 images", Schedule(0.1, 0, 1e6)),
        ("1 to 0.123456789 over 7 images, geometric", Schedule(1, 0.123456789, 7, "geometric")),
    ],
)
def test_it_reads_from_yaml_and_back(
    plugins: Plugins, write_experiment: Callable[..., Path], written: str, schedule: Schedule
) -> None:
    path = write_experiment(sections=scheduled(1.0))
    override = f"regularizers.0.weight={written!r}"
    experiment = load_experiment(path, plugins, [override]).experiment
    assert experiment.regularizers[0].weight == schedule
    again = resolve(read(to_yaml(experiment.resolved()), "again.yaml").data, plugins)
    assert again == experiment
    assert again.identity() == experiment.identity()
    number = load_experiment(path, plugins).experiment
    assert number.resolved()["regularizers"] == [{"type": "scheduled", "weight": 1.0}]
    assert number.identity() != again.identity()


ALLOWED = (
    "write a number, '1 to 0 over 10000 images', or with ', cosine' or ', geometric' at its end"
)


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (-1, "must be at least 0 and finite, got -1"),
        ("x", f"'x' is neither a number nor a schedule; {ALLOWED}"),
        ("5", f"'5' is neither a number nor a schedule; {ALLOWED}"),
        (True, f"True is neither a number nor a schedule; {ALLOWED}"),
        ([1], f"[1] is neither a number nor a schedule; {ALLOWED}"),
        (
            "1 to x over 5 images",
            f"'1 to x over 5 images' is neither a number nor a schedule; {ALLOWED}",
        ),
        ("1 to -2 over 5 images", "must be at least 0 and finite, got '1 to -2 over 5 images'"),
        (
            "1 to 2 over 0 images",
            "'1 to 2 over 0 images' is not a schedule: it must span more than 0 images",
        ),
        (
            "1 to 0 over 5 images, geometric",
            "'1 to 0 over 5 images, geometric': a geometric schedule must start and end above 0",
        ),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(
    weight: object, message: str, write_experiment: Callable[..., Path], plugins: Plugins
) -> None:
    path = write_experiment(sections=scheduled(weight))
    with pytest.raises(ConfigError) as error:
        load_experiment(path, plugins)
    (problem,) = error.value.problems
    assert (problem.where, problem.what) == ("regularizers.0.weight", message)


def test_editors_know_both_forms(plugins: Plugins) -> None:
    _, *blocks, _ = json_schema(plugins)["$defs"]["regularizer"]["anyOf"]
    (block,) = (b for b in blocks if b["properties"]["type"] == {"const": "scheduled"})
    weight = block["properties"]["weight"]
    assert weight["type"] == ["number", "string"]
    assert weight["default"] == 1.0


def test_a_run_follows_it(
    write_experiment: Callable[..., Path], ganlab: Callable[..., Result], workplace: Path
) -> None:
    (workplace / "plugins").mkdir()
    (workplace / "plugins" / "scheduled.py").write_text(PLUGIN)
    path = write_experiment(sections=scheduled(WRITTEN), steps=6, log_every="1 steps")
    result = ganlab("run", path)
    assert result.exit_code == 0, result.output
    (log,) = workplace.glob("runs/*/*/log.jsonl")
    values = [json.loads(line)["d/scheduled"] for line in log.read_text().splitlines()]
    assert values == pytest.approx([2, 1.75, 1.5, 1.25, 1, 1])  # eight images a step
