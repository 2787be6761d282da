"""The leaderboard: which scores are one row, which share a table, and what rows are called."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result
from scipy.stats import ttest_ind

from ganlab.evaluation.board import Entry, Row, Table, cannot_be_told_apart, tables
from ganlab.evaluation.protocol import EvaluationSpec, MetricSpec, Protocol
from ganlab.evaluation.variants import variants

Write = Callable[..., Path]
Ganlab = Callable[..., Result]
CONFIG: dict[str, Any] = {
    "dataset": {"type": "shapes", "image_size": 16},
    "generator": {"type": "dcgan", "width": 16},
    "discriminator": {"type": "dcgan", "width": 16},
    "conditioning": [{"type": "concat", "scale": 1.0}],
    "loss": {"type": "hinge"},
    "regularizers": [],
    "augmentations": [],
    "train": {"epochs": 10, "lr": 2e-4},
}
ABOUT = {"name": "shapes", "sha256": "ab" * 32, "images": 400, "image_size": 16, "channels": 1}


def config(**sections: Any) -> dict[str, Any]:
    return {**copy.deepcopy(CONFIG), **sections}


def entry(
    score: float | Sequence[float] = 1.0,
    *,
    seed: int = 0,
    identity: str = "aaaaaabbbbbb",
    experiment: str = "exp",
    choice: str = "last",
    weights: str = "ema",
    bn: Any = "running",
    samples: int = 100,
    flags: Sequence[str] = (),
    environment: dict[str, Any] | None = None,
    higher: bool = False,
    **info: Any,
) -> Entry:
    """Make a scored run; keyword arguments that are not named go into its run.json."""
    values = [score] if isinstance(score, float) else list(score)
    counts = {"images": samples, "reference_images": 400}
    return Entry(
        name=f"{experiment}/{identity[:6]}-s{seed}",
        folder=Path(f"runs/{experiment}/{identity[:6]}-s{seed}"),
        info={
            "experiment": experiment,
            "identity": identity,
            "seed": seed,
            "status": "finished",
            "config": config(),
            **info,
        },
        choice=choice,
        checkpoint={"steps": 10, "weights": weights, "sha256": "x"},
        eval_spec=EvaluationSpec(
            Protocol.of(ABOUT, samples=samples, extractor="e-1"),
            (MetricSpec("fid", {}, higher),),
            seeds=len(values),
            bn=bn,
            raw=weights == "raw",
        ),
        answer={
            "fid": {
                "values": {"fid": values},
                "flags": list(flags),
                "real_baselines": {"train": {"fid": 0.5, **counts}},
                "environment": environment or {"torch": "2.11", "device": "cpu", "tf32": True},
            }
        },
    )


def only_table(*entries: Entry) -> Table:
    (table,) = tables(entries)
    return table


def said(*configs: dict[str, Any]) -> tuple[str, list[str]]:
    """Return the heading and the rows' names, in the order of the experiments."""
    table = only_table(
        *(
            entry(float(i), identity=f"{i:012d}", experiment=f"e{i}", config=one)
            for i, one in enumerate(configs)
        )
    )
    return table.heading, [row.variant for row in table.rows]


# ------------------------------------------------------------------------------------- rows


def test_training_seeds_are_one_row_and_the_same_seed_twice_counts_once() -> None:
    table = only_table(
        entry([1.0, 3.0], seed=0), entry([5.0, 7.0], seed=1), entry([9.0, 9.0], seed=1)
    )
    (row,) = table.rows
    assert row.seeds == [0, 1]
    assert row.values("fid") == [2.0, 6.0]  # each the mean over its sampling seeds
    assert row.values("kid") == []


@pytest.mark.parametrize(
    ("one", "other", "heading", "names"),
    [
        (
            {},
            {"config": config(train={"epochs": 20, "lr": 2e-4})},
            "train.epochs",
            ["10", "20"],
        ),
        ({"bn": "running"}, {"bn": "standing"}, "bn", ["running", "standing"]),
        ({"weights": "ema"}, {"weights": "raw"}, "weights", ["ema", "raw"]),
        ({}, {"status": "interrupted"}, "status", ["finished", "interrupted"]),
    ],
)
def test_what_differs_beside_the_seed_is_another_row(
    one: Any, other: Any, heading: str, names: list[str]
) -> None:
    table = only_table(entry(1.0, **one), entry(2.0, seed=1, **other))
    assert [row.seeds for row in table.rows] == [[0], [1]]
    assert (table.heading, [row.variant for row in table.rows]) == (heading, names)


def test_how_far_a_run_got_does_not_matter_for_the_weights_of_an_epoch() -> None:
    table = only_table(
        entry(choice="epoch 3"), entry(choice="epoch 3", seed=1, status="interrupted")
    )
    assert [row.seeds for row in table.rows] == [[0, 1]]


@pytest.mark.parametrize(("higher", "order"), [(False, [1.0, 2.0, 3.0]), (True, [3.0, 2.0, 1.0])])
def test_the_first_metric_ranks_in_its_direction(higher: bool, order: list[float]) -> None:
    entries = [entry(s, identity=f"{s}00000000000", higher=higher) for s in (2.0, 3.0, 1.0)]
    rows = only_table(*entries).rows
    assert [row.values("fid") for row in rows] == [[score] for score in order]
    assert [row.rank for row in rows] == [1, 2, 3]


def test_other_protocols_and_other_weights_are_other_tables() -> None:
    found = tables([entry(), entry(samples=50), entry(choice="best"), entry(seed=1)])
    assert [(t.protocol["samples"], t.choice, len(t.rows[0].seeds)) for t in found] == [
        (100, "last", 2),
        (50, "last", 1),
        (100, "best", 1),
    ]
    assert len({table.protocol_id for table in found}) == 2


# ----------------------------------------------------------------------------- significance


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("n", "m", "shift"), [(2, 2, 3), (3, 3, 1), (3, 5, 2), (8, 2, 1)])
def test_ties_are_what_welchs_t_test_says(n: int, m: int, shift: float, seed: int) -> None:
    draw = np.random.default_rng(seed)
    a, b = draw.normal(0, 1, n), draw.normal(shift, 2, m)
    expected = ttest_ind(a, b, equal_var=False).pvalue > 0.05
    assert cannot_be_told_apart(a.tolist(), b.tolist()) == expected


def test_a_single_seed_is_tied_and_equal_values_are_told_apart_by_their_means() -> None:
    assert cannot_be_told_apart([1.0], [9.0])
    assert cannot_be_told_apart([1.0, 1.1, 1.0], [9.0])
    assert cannot_be_told_apart([0.1, 0.1], [0.1, 0.1])
    assert not cannot_be_told_apart([0.1, 0.1], [0.2, 0.2])


def test_a_tie_marks_the_row_below() -> None:
    spread = {"a": (1.0, 1.1, 0.9), "b": (1.05, 0.95, 1.15), "c": (5.0, 5.1, 4.9)}
    table = only_table(
        *(
            entry(score, seed=seed, identity=name * 12)
            for name, scores in spread.items()
            for seed, score in enumerate(scores)
        )
    )
    assert [row.tied for row in table.rows] == [False, True, False]


# -------------------------------------------------------------------- flags, costs, warnings


def test_a_flag_says_in_how_many_of_the_seeds_it_is_raised() -> None:
    some = Row([entry(seed=s, flags=["ignores labels"] * (s == 1)) for s in range(3)])
    assert some.flags == ["ignores labels (1 of 3)"]
    all_of_them = Row([entry(seed=s, flags=["copies", "dull"]) for s in range(2)])
    assert all_of_them.flags == ["copies", "dull"]
    assert Row([entry()]).flags == []


def test_costs_are_means_over_the_seeds_that_tell() -> None:
    costs = [
        {
            "progress": {"seconds": 100.0, "images": images},
            "sessions": [{"peak_memory_bytes": 10}, {"peak_memory_bytes": 30}],
            "parameters": {"generator": 3, "discriminator": 4},
        }
        for images in (1000, 3000)
    ]
    row = Row([entry(seed=0, **costs[0]), entry(seed=1, **costs[1]), entry(seed=2)])
    assert row.costs == {
        "images_per_second": 20.0,
        "seconds": 100.0,
        "peak_memory_bytes": 30.0,
        "parameters": 7.0,
    }
    assert set(Row([entry()]).costs.values()) == {None}


def test_floors_and_warnings_are_gathered_over_the_table() -> None:
    table = only_table(
        entry(seed=0, environment={"torch": "2.11", "device": "cpu", "tf32": True}),
        entry(seed=1, environment={"torch": "2.12", "device": "cuda", "tf32": True}),
    )
    assert table.real_baselines == {
        "train": {"fid": {"fid": 0.5, "images": 100, "reference_images": 400}}
    }
    assert table.warnings == [
        "scores here come from different torch: 2.11, 2.12",
        "scores here come from different device: cpu, cuda",
    ]
    assert only_table(entry(seed=0), entry(seed=1)).warnings == []


def test_the_data_of_a_table_is_json() -> None:
    data = only_table(entry([1.0, 2.0]), entry(3.0, seed=1)).as_data()
    assert json.loads(json.dumps(data)) == data
    assert data["rows"] == [
        {
            "rank": 1,
            "tied_with_the_row_above": False,
            "experiment": "exp/aaaaaa",
            "runs": ["runs/exp/aaaaaa-s0", "runs/exp/aaaaaa-s1"],
            "seeds": [0, 1],
            "values": {"fid": [1.5, 3.0]},
            "flags": [],
            "steps": [10, 10],
            "images_per_second": None,
            "seconds": None,
            "peak_memory_bytes": None,
            "parameters": None,
        }
    ]


# --------------------------------------------------------------------------------- variants


def test_one_section_that_differs_is_the_heading() -> None:
    none, both = config(conditioning=[]), config(conditioning=[{"type": "cbn"}, {"type": "ac"}])
    assert said(config(), none, both) == ("conditioning", ["concat", "-", "cbn+ac"])


def test_schemes_of_each_network_are_told_by_role() -> None:
    by_role = {"generator": [{"type": "cbn"}], "discriminator": [{"type": "ac"}, {"type": "p"}]}
    assert said(config(), config(conditioning=by_role)) == (
        "conditioning",
        ["concat", "G cbn, D ac+p"],
    )


def test_an_option_is_told_where_namesakes_have_it_otherwise() -> None:
    wide = config(generator={"type": "dcgan", "width": 32})
    other = config(generator={"type": "resnet", "width": 64})
    assert said(config(), wide, other) == (
        "generator",
        ["dcgan(width=16)", "dcgan(width=32)", "resnet"],
    )


def test_several_differences_are_pairs_by_short_names() -> None:
    loss = config(loss={"type": "ns"}, train={"epochs": 10, "lr": 1e-3})
    assert said(config(), loss) == ("variant", ["loss=hinge  lr=0.0002", "loss=ns  lr=0.001"])


def test_short_names_that_mean_two_things_are_written_in_full() -> None:
    one, other = ({"g": {"lr": a}, "d": {"lr": b}, "x": 1} for a, b in ((1, 2), (3, 4)))
    assert variants([one, other]) == ("variant", ["g.lr=1  d.lr=2", "g.lr=3  d.lr=4"])


def test_what_goes_together_is_said_once() -> None:
    wide = {"type": "dcgan", "width": 32}
    both = config(generator=wide, discriminator=wide)
    assert said(config(), both) == ("width", ["16", "32"])
    lrs = [{"g": {"lr": lr}, "d": {"lr": lr}, "x": x} for lr, x in ((1, 5), (3, 5), (3, 6))]
    assert variants(lrs) == ("variant", ["lr=1  x=5", "lr=3  x=5", "lr=3  x=6"])


def test_equal_experiments_and_a_single_one_go_by_their_names() -> None:
    assert said(config(), config()) == ("experiment", ["e0/000000", "e1/000000"])
    assert said(config()) == ("experiment", ["e0/000000"])


def test_images_from_elsewhere_go_by_their_name() -> None:
    theirs = entry(0.0, identity="cccccccccccc", experiment="images/theirs", weights="images")
    theirs.info.pop("config")  # type: ignore[attr-defined]
    wide = config(generator={"type": "dcgan", "width": 32})
    table = only_table(theirs, entry(1.0), entry(2.0, identity="b" * 12, config=wide))
    assert table.heading == "generator.width"
    names = [row.variant for row in table.rows]
    assert names == ["images/theirs/cccccc", "16", "32"]


# -------------------------------------------------------------------------------- real runs


@pytest.mark.usefixtures("without_companions")
def test_real_runs_are_told_apart_by_what_their_experiments_differ_in(
    write_experiment: Write, ganlab: Ganlab
) -> None:
    ganlab("run", write_experiment(steps=2), "-s", "train.seed=0")
    ganlab("run", "exp.yaml", "-s", "train.seed=1")
    ganlab("run", "exp.yaml", "-s", "conditioning=blank")
    (table,) = json.loads(ganlab("eval", "--extractor", "tiny", "-m", "tiny", "--json").stdout)
    rows = {row["conditioning"]: row["seeds"] for row in table["rows"]}
    assert rows == {"tiny": [0, 1], "blank": [0]}
