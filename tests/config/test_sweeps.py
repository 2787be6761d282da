"""A sweep's grid: its order, its keys, what overrides it, and all that is wrong with it at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ganlab.config.resolve import load_experiment
from ganlab.config.sweeps import GridPoint, format_value, load_sweep
from ganlab.errors import ConfigError
from ganlab.plugins import Plugins
from tests.config.test_evaluating import BASE
from tests.training.helpers import TINY

Sweep = Callable[..., list[GridPoint]]


@pytest.fixture
def plugins() -> Plugins:
    plugins = Plugins()
    plugins.load_folder(TINY)
    return plugins


@pytest.fixture
def sweep(workplace: Path, plugins: Plugins) -> Sweep:
    def sweep(text: str, *overrides: str, base: str = BASE) -> list[GridPoint]:
        Path("grid.yaml").write_text(base + text)
        return load_sweep(Path("grid.yaml"), plugins, overrides)

    return sweep


def problems(sweep: Sweep, text: str, *overrides: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        sweep(text, *overrides)
    return [str(problem) for problem in caught.value.problems]


def said(points: list[GridPoint]) -> list[str]:
    return list(map(str, points))


def test_the_last_key_varies_fastest(sweep: Sweep) -> None:
    points = sweep("sweep: {generator.width: [4, 8], train.seed: [0, 1, 2]}\n")
    assert said(points) == [
        f"generator.width={width}  train.seed={seed}" for width in (4, 8) for seed in (0, 1, 2)
    ]
    experiments = [point.loaded.experiment for point in points]
    assert [(e.generator.width, e.train.seed) for e in experiments] == [  # type: ignore[attr-defined]
        (width, seed) for width in (4, 8) for seed in (0, 1, 2)
    ]
    assert {e.name for e in experiments} == {"grid"}


def test_values_are_names_lists_blocks_and_scalars(sweep: Sweep) -> None:
    points = sweep("""\
sweep:
  conditioning:
    - tiny
    - [blank]
    - {generator: tiny, discriminator: blank}
  generator: [{width: 4}, {type: tiny, width: 5}]
  train:
    ema: [null, {decay: 0.5}]
    same_fakes: [true]
  regularizers: [[]]
""")
    rest = "train.same_fakes=true  regularizers=[]"
    assert said(points) == [
        f"conditioning={scheme}  generator={width}  train.ema={ema}  {rest}"
        for scheme in ("tiny", "blank", "G tiny, D blank")
        for width in ("width 4", "tiny(width 5)")
        for ema in ("null", "decay 0.5")
    ]
    third = points[8].loaded.experiment
    assert [(s.component.name, s.roles) for s in third.conditioning] == [
        ("tiny", ("generator",)),
        ("blank", ("discriminator",)),
    ]
    assert points[1].loaded.experiment.train.ema.decay == 0.5  # type: ignore[union-attr]
    assert points[0].loaded.experiment.train.ema is None


def test_cases_are_values_that_belong_together(sweep: Sweep) -> None:
    cases = "[{generator.width: 4, train.z_dim: 5}, {generator.width: 8, train.z_dim: 6}]"
    points = sweep(f"sweep: {{cases: {cases}, train.seed: [0, 1]}}\n")
    assert said(points) == [
        f"generator.width={width}  train.z_dim={z_dim}  train.seed={seed}"
        for width, z_dim in ((4, 5), (8, 6))
        for seed in (0, 1)
    ]
    experiments = [point.loaded.experiment for point in points]
    assert [(e.generator.width, e.train.z_dim) for e in experiments] == [  # type: ignore[attr-defined]
        (4, 5), (4, 5), (8, 6), (8, 6),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("cases", "what"),
    [
        (
            "[{train.z_dim: 5}, {train.seed: 1}]",
            "sets train.seed, but the first case sets train.z_dim; every case must set the same "
            "keys",
        ),
        ("[{train.z_dim: 5}, 3]", "expected a block of keys and values, got 3"),
        ("[{}]", "expected a block of keys and values, got an empty block"),
    ],
)
def test_cases_must_be_blocks_of_the_same_keys(sweep: Sweep, cases: str, what: str) -> None:
    (problem,) = problems(sweep, f"sweep: {{cases: {cases}}}\n")
    assert problem.endswith(what)


def test_a_roles_own_key_can_be_swept(sweep: Sweep) -> None:
    text = "sweep: {conditioning: {generator: [tiny, blank], discriminator: [blank]}}\n"
    points = sweep(text, base=BASE.replace("conditioning: tiny\n", ""))
    assert said(points) == [
        f"conditioning.generator={name}  conditioning.discriminator=blank"
        for name in ("tiny", "blank")
    ]


@pytest.mark.parametrize(
    "written",
    ["sweep: {train.seed: [0, 1]}", "sweep: {train: {seed: [0, 1]}}"],
    ids=["dotted", "nested"],
)
def test_a_list_can_be_overridden_however_it_is_written(sweep: Sweep, written: str) -> None:
    assert said(sweep(written, "sweep.train.seed=[7]")) == ["train.seed=7"]
    more = written.replace("sweep: {", "sweep: {train: {z_dim: [4]}, ", 1)
    if written == "sweep: {train.seed: [0, 1]}":
        assert said(sweep(more, "sweep.train.seed=[7]")) == ["train.z_dim=4  train.seed=7"]


def test_a_list_replaces_that_of_an_extended_sweep(sweep: Sweep) -> None:
    Path("base.yaml").write_text(f"{BASE}sweep: {{train.seed: [0, 1], train.z_dim: [4]}}\n")
    points = sweep("sweep: {train: {seed: [5]}}\n", base="extends: base.yaml\n")
    assert said(points) == ["train.seed=5  train.z_dim=4"]


def test_an_override_that_the_grid_would_undo_is_refused(sweep: Sweep) -> None:
    text = "sweep: {conditioning: [tiny, blank], train.seed: [0, 1]}\n"
    found = problems(sweep, text, "train.seed=5", "conditioning=tiny", "train.z_dim=7")
    assert found == [
        "-s: conditioning: the sweep sets this key; override its list of values instead: "
        "-s sweep.conditioning='[...]'",
        "-s: train.seed: the sweep sets this key; override its list of values instead: "
        "-s sweep.train.seed='[...]'",
    ]
    points = sweep("sweep: {generator.width: [4]}\n", "generator=tiny", "train.z_dim=7")
    assert points[0].loaded.experiment.train.z_dim == 7


def test_all_problems_of_all_experiments_are_said_once_in_the_order_of_the_file(
    sweep: Sweep,
) -> None:
    text = """\
generator: {width: wide}
sweep:
  conditioning: [tinny, tiny]
  train.seed: [-1, 0]
  train.sead: [0]
  train: {batch_size: 8}
  loss: []
"""
    base = BASE.replace("generator: tiny\n", "")
    with pytest.raises(ConfigError) as caught:
        sweep(text, base=base)
    assert str(caught.value).splitlines() == [
        "6 problems in grid.yaml",
        "  grid.yaml:6: generator: has no 'type'; set it to one of: tiny",
        "  grid.yaml:8: conditioning: there is no conditioning 'tinny'; did you mean 'tiny'?",
        "  grid.yaml:9: train.seed: must be at least 0, got -1",
        "  grid.yaml:10: train.sead: 'train' has no option 'sead'; did you mean 'seed'?",
        "  grid.yaml:11: sweep.train.batch_size: expected a list of values to try, got 8",
        "  grid.yaml:12: sweep.loss: expected a list of values to try, got an empty list",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "",
            "grid.yaml: sweep: is missing: sweep: {conditioning: [concat, cbn], "
            "train.seed: [0, 1, 2]}",
        ),
        (
            "sweep: {}\n",
            "grid.yaml:7: sweep: expected keys with lists of values, got an empty block",
        ),
        ("sweep: [1]\n", "grid.yaml:7: sweep: expected keys with lists of values, got a list"),
        (
            "sweep: {train.seed: [0], train: {seed: [1]}}\n",
            "grid.yaml:7: sweep.train.seed: is listed twice; see also grid.yaml:7",
        ),
    ],
)
def test_a_file_without_a_usable_grid_is_one_clear_line(
    sweep: Sweep, text: str, message: str
) -> None:
    assert problems(sweep, text) == [message]


def test_a_sweep_is_no_single_experiment(sweep: Sweep, plugins: Plugins) -> None:
    sweep("sweep: {train.seed: [0]}\n")
    with pytest.raises(ConfigError) as caught:
        load_experiment(Path("grid.yaml"), plugins)
    assert [str(problem) for problem in caught.value.problems] == [
        "grid.yaml:7: sweep: this file is a sweep; run it with: ganlab sweep grid.yaml"
    ]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("cbn", "cbn"),
        (["cbn", "projection"], "cbn+projection"),
        ({"generator": "concat", "discriminator": ["a", "b"]}, "G concat, D a+b"),
        ({"type": "adam", "lr": 0.1, "betas": [0, 0.9]}, "adam(lr 0.1, betas 0+0.9)"),
        ({"decay": 0.9}, "decay 0.9"),
        (None, "null"),
        (True, "true"),
        (1e-05, "1e-05"),
        ([], "[]"),
    ],
)
def test_a_value_in_words(value: object, words: str) -> None:
    assert format_value(value) == words
