from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import Result

from ganlab.config.reader import read
from ganlab.config.resolve import resolve
from tests.config.conftest import BASE

RESOLVED = """\
name: my
dataset:
  type: dots
  image_size: 16
  limit: null
  classes: null
  flip: false
  fallback: null
  fallback_images: null
  density: 0.5
generator:
  type: net
  width: 8
discriminator:
  type: critic
conditioning:
  - type: beside
    every: 1
    scale: 1.0
loss:
  type: hinge
  margin: 0.25
  mode: hard
regularizers: []
augmentations: []
optimizer:
  generator:
    type: adam
    lr: 0.0002
"""

EXPLAINED = """\
name: my  # default
dataset:
  type: dots  # my.yaml:1
  image_size: 16  # -s
  limit: null  # default
  classes: null  # default
  flip: false  # default
  fallback: null  # default
  fallback_images: null  # default
  density: 0.5  # default
generator:
  type: net  # my.yaml:2
  width: 8  # default
discriminator:
  type: critic  # my.yaml:3
conditioning:
  - type: beside  # my.yaml:4
    every: 1  # default
    scale: 1.0  # default
loss:
  type: hinge  # my.yaml:5
  margin: 0.25  # -s
  mode: hard  # default
regularizers: []  # default
augmentations: []  # default
"""

OVERRIDES = ("-s", "dataset.image_size=16", "-s", "loss.margin=0.25")


@pytest.fixture(autouse=True)
def _experiment(workplace: Path) -> None:
    Path("my.yaml").write_text(BASE)


def test_a_good_experiment_is_printed_complete(call, parts) -> None:
    result: Result = call("check", "my.yaml", *OVERRIDES)
    assert result.exit_code == 0
    assert result.stderr == ""
    assert result.stdout.startswith(RESOLVED)
    printed = resolve(read(result.stdout, "printed").data, parts)
    assert (printed.dataset.image_size, printed.loss.margin) == (16, 0.25)


def test_explain_says_where_each_value_comes_from(call) -> None:
    result: Result = call("check", "my.yaml", *OVERRIDES, "--explain")
    assert result.stdout.startswith(EXPLAINED)
    assert "  epochs: 1.0  # my.yaml:6\n" in result.stdout
    assert "    betas: [0.5, 0.999]  # default\n" in result.stdout
    blocks = ("-", ":")
    assert all("  # " in line or line.endswith(blocks) for line in result.stdout.splitlines())


def test_json_is_the_same_data(call) -> None:
    plain = read(call("check", "my.yaml").stdout, "printed").data
    assert json.loads(call("check", "my.yaml", "--json").stdout) == plain
    explained = json.loads(call("check", "my.yaml", "--json", "--explain").stdout)
    assert explained["experiment"] == plain
    assert explained["origins"]["loss.type"] == "my.yaml:5"


def test_all_wrong_names_are_on_stderr_and_the_exit_code_is_2(ganlab) -> None:
    Path("broken.yaml").write_text("dataset: {type: tiny, cuont: 5}\nloss: tinny\n")
    result: Result = ganlab("check", "broken.yaml", "-s", "train.epochs=soon")
    assert result.exit_code == 2
    assert result.stdout == ""
    problems = [line for line in result.stderr.splitlines() if "missing" not in line]
    assert problems == [
        "Error: 5 problems in broken.yaml",
        "  broken.yaml:1: dataset.cuont: 'tiny' has no option 'cuont'; did you mean 'count'?",
        "  broken.yaml:2: loss: there is no loss 'tinny'; did you mean 'tiny'?",
    ]


def test_values_are_checked_once_all_names_are_right(ganlab, write_experiment) -> None:
    result: Result = ganlab("check", write_experiment(), "-s", "train.epochs=soon")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.splitlines()[1:] == ["  -s: train.epochs: expected a number, got 'soon'"]


def test_what_building_the_networks_would_refuse_shows_without_any_data(ganlab) -> None:
    Path("plugins").mkdir()
    Path("plugins/normless.py").write_text(
        "from torch import nn\n"
        "from ganlab import Conditioning, hookimpl\n"
        "class Noted(Conditioning):\n"
        "    name = 'styled-only'\n"
        "    def style(self, z_dim, spec):\n"
        "        module = nn.Identity()\n"
        "        module.out_features = z_dim\n"
        "        return module\n"
        "    def image(self, channels, spec): return None\n"
        "@hookimpl\n"
        "def register_conditionings(): return [Noted]\n"
    )
    Path("exp.yaml").write_text(
        "dataset: tiny\ngenerator: tiny\ndiscriminator: tiny\nconditioning: styled-only\n"
        "loss: tiny\ntrain: {steps: 1}\n"
    )
    result: Result = ganlab("check", "exp.yaml")
    assert (result.exit_code, result.stderr) == (
        2,
        "Error: 1 problem in the experiment\n"
        "  conditioning: 'styled-only' brings a style, but no scheme normalises by it: add one\n",
    )
    device: Result = ganlab("check", "exp.yaml", "-s", "train.device=gpu")
    assert device.exit_code == 2


def test_nesting_without_end_empty_conditioning_and_too_much_memory_are_one_line(ganlab) -> None:
    Path("deep.yaml").write_text("a: " + "[" * 3000 + "]" * 3000)
    deep: Result = ganlab("check", "deep.yaml")
    assert (deep.exit_code, deep.stderr.splitlines()[-1]) == (
        2,
        "  deep.yaml: not YAML: nested too deeply",
    )
    Path("exp.yaml").write_text(
        "dataset: tiny\ngenerator: tiny\ndiscriminator: tiny\nconditioning: []\n"
        "loss: tiny\ntrain: {steps: 1}\n"
    )
    empty: Result = ganlab("check", "exp.yaml")
    assert empty.exit_code == 2
    assert "exp.yaml:4: conditioning: is empty; name one or more of: " in empty.stderr
    large: Result = ganlab(
        "check", "exp.yaml", "-s", "conditioning=tiny", "-s", "generator.width=100000000000000000"
    )
    assert (large.exit_code, large.stderr.splitlines()[-1]) == (
        2,
        "  generator: 'tiny' does not fit into memory with these options",
    )


def test_a_fallback_of_a_fallback_is_refused(ganlab) -> None:
    Path("exp.yaml").write_text(
        "dataset: {type: tiny, fallback: {type: tiny, fallback: tiny}}\ngenerator: tiny\n"
        "discriminator: tiny\nconditioning: tiny\nloss: tiny\ntrain: {steps: 1}\n"
    )
    result: Result = ganlab("check", "exp.yaml")
    assert (result.exit_code, result.stderr.splitlines()[-1]) == (
        2,
        "  exp.yaml:1: dataset.fallback: a fallback cannot have a fallback of its own",
    )
