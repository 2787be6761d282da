"""What ``ganlab eval`` says when it is asked for what is not there."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from tests.evaluation.helpers import EVAL, lines
from tests.training.helpers import only_run

Write = Callable[..., Path]
Ganlab = Callable[..., Result]
pytestmark = pytest.mark.usefixtures("without_companions")
USAGE = "Usage: ganlab eval [OPTIONS] [RUNS]...\nTry 'ganlab eval --help' for help.\n\n"

UNUSUAL = '''
from ganlab import Extractor, Metric, hookimpl

class Blind(Extractor):
    """Has no weights."""

    name = "blind"

class Weighty(Extractor):
    """Reads a file that is named."""

    name = "weighty"
    weights: str | None = None

    def load(self, dataset, channels):
        from ganlab.errors import DataUnavailable
        raise DataUnavailable(f"{self.weights} holds no weights")

class Choosy(Metric):
    """Has an option that must be given."""

    name = "choosy"
    higher_is_better = True
    power: int

    def compute(self, fake, real):
        return {"choosy": float(self.power)}

@hookimpl
def register_extractors():
    return [Blind, Weighty]

@hookimpl
def register_metrics():
    return [Choosy]
'''


@pytest.fixture
def unusual(workplace: Path) -> None:
    """Bring an extractor without weights, one with a file of them, and a metric with an option."""
    folder = workplace / "plugins"
    folder.mkdir()
    (folder / f"unusual_{workplace.name}.py").write_text(UNUSUAL)


def refusal(result: Result, code: int) -> str:
    """Return the message of a command that printed nothing else but which run it came to."""
    assert (result.exit_code, result.stdout) == (code, ""), result.output
    return "\n".join(line for line in result.stderr.splitlines() if not line.startswith("exp/"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("--epoch", "1", "--best"),
            "--epoch, --best and --every name different weights: give one",
        ),
        (("--every", "--best"), "--epoch, --best and --every name different weights: give one"),
        (("--labels", "exp.yaml"), "--labels and --reference belong to --images"),
        (("--reference", "exp"), "--labels and --reference belong to --images"),
        (
            ("--every", "--json"),
            "--every prints curves: --images, --json, --csv, --markdown and --html are of boards",
        ),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    run: Path, ganlab: Ganlab, arguments: tuple[str, ...], message: str
) -> None:
    assert refusal(ganlab(*EVAL, *arguments), 2) == f"{USAGE}Error: {message}".rstrip()


def test_weights_without_an_extractor_are_refused(run: Path, ganlab: Ganlab) -> None:
    assert refusal(ganlab("eval", "--weights", "w"), 2) == (
        f"{USAGE}Error: --weights belongs to --extractor"
    )


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (
            ("--extractor", "tiny", "--weights", "w"),
            2,
            "1 problem in the command line\n  extractor 'tiny' takes no file of weights",
        ),
        (("--extractor", "weighty", "--weights", "w"), 2, "w holds no weights"),
        (("--extractor", "weighy"), 2, "there is no extractor 'weighy'; did you mean 'weighty'?"),
        (
            ("--extractor", "tiny", "-m", "choosy"),
            2,
            "1 problem in the command line\n  power: is missing; it has no default",
        ),
        (
            ("--extractor", "tiny", "-m", "{type: tiny, x: 1}"),
            2,
            "1 problem in the command line\n  x: 'tiny' has no option 'x'; it has none",
        ),
        (
            ("--extractor", "tiny", "-m", "{type: tinny}"),
            2,
            "1 problem in the command line\n  type: there is no metric 'tinny'; did you mean 'ti",
        ),
        (
            ("--extractor", "tiny", "-m", "{type: tiny"),
            2,
            "1 problem in the command line\n  the command line: not YAML: ",
        ),
        (
            ("--extractor", "tiny", "-m", "{type: choosy, power: 1, power: 2}"),
            2,
            "1 problem in the command line\n  the command line: power: ",
        ),
        (
            ("--extractor", "tiny", "-m", "tiny", "-m", "tiny"),
            2,
            "tiny is asked for twice: a board has one column for it",
        ),
        (
            ("--extractor", "tiny", "--profile", "published"),
            2,
            "published scores do not come from 'tiny': name another",
        ),
    ],
)
@pytest.mark.usefixtures("unusual")
def test_what_is_wrong_with_the_request_is_said_once(
    run: Path, ganlab: Ganlab, arguments: tuple[str, ...], code: int, message: str
) -> None:
    result = ganlab("eval", *arguments)
    assert refusal(result, code).startswith(f"Error: {message}")
    assert not (run / "scores.jsonl").exists()


def test_the_published_profile_needs_the_extractor_of_published_scores(
    run: Path, ganlab: Ganlab, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ganlab.plugins import load_plugins

    monkeypatch.setenv("GANLAB_BLOCK_PLUGINS", ",".join(load_plugins().plugins))
    assert refusal(ganlab("eval", "--profile", "published"), 2) == (
        "Error: no extractor that published scores come from is loaded: see ganlab plugins"
    )


def test_without_any_metric_that_can_be_computed_the_reasons_are_said(
    run: Path, ganlab: Ganlab, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ganlab.plugins import load_plugins

    monkeypatch.setenv("GANLAB_BLOCK_PLUGINS", ",".join(load_plugins().plugins))
    assert refusal(ganlab("eval", "--samples", 2), 2) == (
        "Error: no metric can be computed\n"
        "  tiny needs at least 3 images, generated and real: here are 2; --samples asks for more"
    )


def test_no_runs_at_all(ganlab: Ganlab) -> None:
    assert refusal(ganlab("eval"), 2) == (
        "Error: there is no finished run below runs: train one with ganlab run"
    )


def test_an_unfinished_run_is_scored_where_it_is_named(run: Path, ganlab: Ganlab) -> None:
    info = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(info | {"status": "interrupted"}))
    assert refusal(ganlab(*EVAL), 2) == (
        "Error: there is no finished run below runs: train one with ganlab run"
    )
    result = ganlab(*EVAL, "exp")
    assert result.exit_code == 0
    assert result.stderr.splitlines()[0] == (
        f"warning: exp/{run.name} is interrupted at step 6: what it has saved is scored"
    )
    assert result.stdout.splitlines()[2].split()[1] == f"exp/{run.name[:6]}"


def test_a_run_without_weights(run: Path, ganlab: Ganlab) -> None:
    for file in (run / "checkpoints").iterdir():
        file.unlink()
    assert refusal(ganlab(*EVAL, "exp"), 1) == (
        f"Error: there is no {run.relative_to(Path.cwd())}/checkpoints/step-000000006.safetensors"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--epoch", "7"), "Error: {name} keeps no weights of epoch 7; kept: "),
        (
            ("--best",),
            "Error: {name} keeps no best weights: train with -s eval.every='1 epoch'",
        ),
    ],
)
def test_weights_that_are_not_kept(
    run: Path, ganlab: Ganlab, arguments: tuple[str, ...], message: str
) -> None:
    found = refusal(ganlab(*EVAL, *arguments), 2)
    assert found.startswith(message.format(name=f"exp/{run.name}"))


def test_an_epoch_that_is_kept_has_a_board_of_its_own(run: Path, ganlab: Ganlab) -> None:
    result = ganlab(*EVAL, "--epoch", 0)
    assert result.exit_code == 0
    assert result.stdout.splitlines()[0].endswith("  weights: epoch 0")
    assert [line["checkpoint"]["steps"] for line in lines(run)] == [0]


def test_every_epoch_that_is_kept_makes_a_curve(
    write_experiment: Write, ganlab: Ganlab, workplace: Path
) -> None:
    ganlab("run", write_experiment(steps=10))
    run = only_run(workplace)
    result = ganlab(*EVAL, "--every")
    values = [line["metrics"]["tiny"]["values"]["tiny"] for line in lines(run)]
    title, head, *rows = result.stdout.splitlines()
    assert (title, head.split()) == (f"exp/{run.name}", ["epoch", "tiny", "tiny-acc"])
    assert [row.split()[:2] for row in rows] == [
        [str(epoch), f"{sum(of_one) / 3:.4g}"] for epoch, of_one in enumerate(values)
    ]
    assert result.stderr.splitlines()[-1] == f"curve    {Path('runs/exp', run.name, 'scores.png')}"
    for file in (run / "checkpoints").glob("generator-*"):
        file.unlink()
    assert refusal(ganlab(*EVAL, "--every"), 1) == (
        f"Error: exp/{run.name} keeps no weights of an epoch"
    )


def test_a_metric_that_needs_a_judge_where_there_is_none(
    write_experiment: Write, ganlab: Ganlab, workplace: Path
) -> None:
    data = {"type": "tiny", "classes": ["bright", "dark"]}
    ganlab("run", write_experiment(steps=2, sections={"dataset": data}))
    assert refusal(ganlab(*EVAL), 2) == (
        "warning: bright-tiny-000000000000 tells dark, dim, light, bright; the classes here are "
        "bright, dark: there is no classifier\n"
        "Error: tiny-acc needs a network that tells the classes of 'tiny', and there is none: "
        "make one with ganlab extractor train tiny"
    )
    result = ganlab("eval", "--extractor", "tiny", "-m", "tiny")  # the others need none
    assert result.exit_code == 0


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("[1]", "expected a mapping, found list"),
        ('"run"', "expected a mapping, found str"),
        (
            "{",
            "it is not JSON: Expecting property name enclosed in double quotes: line 1 column 2 "
            "(char 1)",
        ),
    ],
)
def test_a_damaged_run_file_is_one_clear_line(
    run: Path, ganlab: Ganlab, content: str, what: str
) -> None:
    (run / "run.json").write_text(content)
    result = ganlab("eval", str(run), "-m", "tiny")
    error = f"Error: {run}/run.json cannot be read: {what}\n"
    assert (result.exit_code, result.stderr) == (1, error)


def test_what_the_profile_leaves_out_is_said(run: Path, ganlab: Ganlab) -> None:
    result = ganlab("eval", "--extractor", "tiny", "--samples", "2")
    reason = "tiny needs at least 3 images, generated and real: here are 2; --samples asks for more"
    # Without any shipped metric nothing is left, and the reason is that of the refusal.
    assert f"warning: left out: {reason}" in result.stderr or f"  {reason}" in result.stderr
