"""The ``eval`` section: what it holds, how it merges, and that no run's identity depends on it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from ganlab.config.evaluating import Eval
from ganlab.config.intervals import Interval
from ganlab.config.reader import read
from ganlab.config.resolve import LoadedExperiment, load_experiment, resolve
from ganlab.config.writer import to_yaml
from ganlab.errors import ConfigError
from ganlab.plugins import Plugins
from tests.training.helpers import TINY

BASE = """\
dataset: tiny
generator: tiny
discriminator: tiny
conditioning: tiny
loss: tiny
train: {steps: 1}
"""
READER = """
from ganlab import Extractor, hookimpl

class Reader(Extractor):
    name = "reader"
    weights: str = "none.pt"
    size: int = 8

@hookimpl
def register_extractors():
    return [Reader]
"""


@pytest.fixture
def plugins(tmp_path: Path) -> Plugins:
    """The tiny components, and an extractor with options."""
    plugins = Plugins()
    plugins.load_folder(TINY)
    namespace: dict[str, Any] = {}
    exec(READER, namespace)
    (extractor,) = namespace["register_extractors"]()
    module = type("Module", (), {"register_extractors": staticmethod(lambda: [extractor])})
    plugins.add("reader", "reader", lambda: module)
    return plugins


Load = Callable[..., LoadedExperiment]


@pytest.fixture
def load(workplace: Path, plugins: Plugins) -> Load:
    def load(text: str, *overrides: str, base: str = BASE) -> LoadedExperiment:
        path = Path("my.yaml")
        path.write_text(base + text)
        return load_experiment(path, plugins, overrides)

    return load


def problems(load: Load, text: str, *overrides: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(text, *overrides)
    return [str(problem) for problem in caught.value.problems]


def test_nothing_is_scored_by_default(load: Load) -> None:
    section = load("").experiment.eval
    assert (section.options, section.metrics, section.extractor) == (Eval(), (), None)
    assert section.options.every is None
    assert load("eval: {every: never}").experiment.eval.options.every is None
    assert load("eval:").experiment.eval == section


def test_names_and_blocks_and_overrides_are_read(load: Load) -> None:
    section = load(
        "eval: {every: 3 epochs, metrics: [tiny], extractor: {type: reader, size: 3}}\n",
        "eval.every=2 steps",
        "eval.metrics=tiny-acc",
    ).experiment.eval
    assert section.options.every == Interval(2, "steps")
    assert [metric.name for metric in section.metrics] == ["tiny-acc"]
    assert section.extractor is not None
    assert section.extractor.model_dump() == {"weights": "none.pt", "size": 3}


def test_all_that_is_wrong_with_it_is_said(load: Load) -> None:
    text = """\
eval:
  every: often
  metric: tiny
  profile: huge
  samples: 0
  metrics: [tiny, tinny, tiny]
  extractor: {type: reader, sise: 3}
"""
    assert problems(load, text) == [
        "my.yaml:8: eval.every: 'often' is not an interval; write '1 epoch', '500 steps', "
        "'10000 images', '60 seconds' or 'never'",
        "my.yaml:9: eval.metric: 'eval' has no option 'metric'; did you mean 'metrics'?",
        "my.yaml:10: eval.profile: expected 'quick', 'standard' or 'full', got 'huge'",
        "my.yaml:11: eval.samples: must be more than 0, got 0",
        "my.yaml:12: eval.metrics.1: there is no metric 'tinny'; did you mean 'tiny'?",
        "my.yaml:12: eval.metrics.2: 'tiny' is named twice",
        "my.yaml:13: eval.extractor.sise: 'reader' has no option 'sise'; did you mean 'size'?",
    ]
    assert problems(load, "eval: [tiny]\n") == [
        "my.yaml:7: eval: expected a block of options, got a list"
    ]


def test_the_section_merges_key_by_key_over_what_is_extended(load: Load, workplace: Path) -> None:
    Path("base.yaml").write_text(
        f"{BASE}eval:\n  every: 1 epoch\n  metrics: [tiny]\n"
        "  extractor: {type: reader, weights: a.pt, size: 3}\n"
    )
    text = "eval: {samples: 9, metrics: tiny-acc, extractor: {weights: b.pt}}\n"
    loaded = load(text, base="extends: base.yaml\n")
    section = loaded.experiment.eval
    assert section.options == Eval(every="1 epoch", samples=9)
    assert [metric.name for metric in section.metrics] == ["tiny-acc"]
    assert section.extractor is not None
    assert section.extractor.model_dump() == {"weights": "b.pt", "size": 3}
    origins = {k: v for k, v in loaded.origins.items() if k.startswith("eval.")}
    assert origins == {
        "eval.every": "base.yaml:8",
        "eval.profile": "default",
        "eval.samples": "my.yaml:2",
        "eval.metrics.0.type": "my.yaml:2",
        "eval.extractor.type": "base.yaml:10",
        "eval.extractor.weights": "my.yaml:2",
        "eval.extractor.size": "base.yaml:10",
    }


def test_an_extractors_text_option_can_be_overridden(load: Load) -> None:
    text = "eval: {extractor: {type: reader, weights: a.pt}}\n"
    extractor = load(text, "eval.extractor.weights=b.pt").experiment.eval.extractor
    assert extractor is not None
    assert extractor.model_dump()["weights"] == "b.pt"


def test_one_metric_is_the_first_of_a_list(load: Load) -> None:
    section = load("eval: {metrics: tiny}\n", "eval.metrics.0=tiny-acc").experiment.eval
    assert [metric.name for metric in section.metrics] == ["tiny-acc"]


def test_a_resolved_section_reads_back_equal(load: Load, plugins: Plugins) -> None:
    experiment = load("eval: {every: 2 steps, metrics: [tiny], extractor: reader}").experiment
    text = to_yaml(experiment.resolved())
    assert resolve(read(text, "config.yaml").data, plugins) == experiment


def test_a_runs_identity_does_not_depend_on_it(load: Load) -> None:
    plain = load("").experiment
    scored = load("eval: {every: 2 steps, metrics: [tiny], samples: 5, profile: full}").experiment
    assert scored.identity() == plain.identity()
    assert scored.components() == plain.components()


def test_check_explains_where_it_was_written(
    load: Load, ganlab: Callable[..., Result], workplace: Path
) -> None:
    Path("my.yaml").write_text(f"{BASE}eval: {{every: 3 steps, extractor: tiny}}\n")
    result = ganlab("check", "my.yaml", "--explain", "-s", "eval.metrics=tiny")
    assert result.exit_code == 0, result.output
    text = result.stdout[result.stdout.index("eval:") :]
    assert text.splitlines()[:8] == [
        "eval:",
        "  every: 3 steps  # my.yaml:7",
        "  profile: quick  # default",
        "  samples: null  # default",
        "  metrics:",
        "    - type: tiny  # -s",
        "  extractor:",
        "    type: tiny  # my.yaml:7",
    ]
