"""``ganlab check --plugin``: what it prints, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import Result

from tests.kit.broken import BLACK, dataset, latent, loss
from tests.kit.helpers import write_plugin

HINT = "Usage: ganlab check [OPTIONS] [EXPERIMENT]\nTry 'ganlab check --help' for help.\n\n"


def test_a_good_plugin_has_a_line_for_each_group(ganlab, workplace: Path) -> None:
    write_plugin(workplace, "good_data", "dataset", "Part", dataset(BLACK))
    result: Result = ganlab("check", "--plugin", "good_data.py")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == (
        "dataset 'part' (good_data)\n"
        "  ✓ name and description\n"
        "  ✓ options: 6 documented, unchanged by YAML\n"
        "  ✓ images: 8 to train, 8 to test\n"
        "  ✓ fingerprint: text, the same if the files are\n"
    )


def test_a_bad_one_ends_with_1_and_every_failure_on_stderr(ganlab, workplace: Path) -> None:
    write_plugin(workplace, "good_data", "dataset", "Part", dataset(BLACK))
    write_plugin(workplace, "bad_loss", "loss", "Part", loss("(fake - real).mean()", "fake"))
    result: Result = ganlab("check", "--plugin", "good_data.py", "--plugin", "bad_loss.py")
    assert result.exit_code == 1
    assert "dataset 'part' (good_data)\n" in result.stdout
    assert result.stdout.endswith(
        "loss 'part' (bad_loss)\n"
        "  ✓ name and description\n"
        "  ✓ options: it has no options\n"
        "  ✗ shapes: one number for each of 1, 2 and 5 images\n"
        "  ✓ large logits: finite values and gradients at ±10000; skipped: d()\n"
        "  ✗ direction: each gradient improves its network; skipped: d()\n"
        "  - rules: skipped, fix the failures above first\n"
        "  - resume: skipped, fix the failures above first\n"
        "  - training: skipped, fix the failures above first\n"
    )
    assert result.stderr == (
        "Error: 2 failures\n"
        "  bad_loss: loss 'part': d(): expected shape (1,) for 1 logits, got shape ()\n"
        "  bad_loss: loss 'part': g(): expected G to gain when the logit of a generated image "
        "rises, got slope 1 at -0.5\n"
    )


def test_json_holds_the_same(ganlab, workplace: Path) -> None:
    write_plugin(workplace, "bad_loss", "loss", "Part", loss("fake - real", "fake"))
    result: Result = ganlab("check", "--plugin", "bad_loss.py", "--json")
    assert result.exit_code == 1
    (record,) = json.loads(result.stdout)
    assert (record["plugin"], record["component"], record["ok"]) == (
        "bad_loss",
        "loss 'part'",
        False,
    )
    (failed,) = (group for group in record["groups"] if group["failures"])
    assert failed["title"] == "direction"
    assert failed["failures"][0]["where"] == "g()"


def test_a_scheme_is_trained_beside_what_is_loaded(ganlab, workplace: Path) -> None:
    source = latent("return z + self.embed(y)")
    write_plugin(workplace, "good_scheme", "conditioning", "Part", source)
    result: Result = ganlab("check", "--plugin", "good_scheme.py")
    assert result.exit_code == 0, result.output
    assert "  ✓ training: 2 steps in fp32 and bf16 beside " in result.stdout
    beside = int(result.stdout.rpartition("beside ")[2].split()[0])
    assert beside > 20


def test_a_file_that_cannot_be_checked_is_one_clear_error(ganlab, workplace: Path) -> None:
    Path("plugins").mkdir()
    Path("plugins/no_syntax.py").write_text("def f(:\n")
    Path("nothing_in.py").write_text("from ganlab import hookimpl\n")
    Path("random.py").write_text("x = 1\n")
    for file, said in (
        ("missing.py", "missing.py: there is no such file"),
        (
            "plugins/no_syntax.py",
            "plugins/no_syntax.py did not load: SyntaxError: invalid syntax (no_syntax.py, line 1)",
        ),
        (
            "nothing_in.py",
            "nothing_in.py brings no component: register it by the hook of its kind, "
            "register_losses(), register_conditionings() and so on",
        ),
        (
            "random.py",
            "random.py did not load: PluginError: another module is called 'random'; "
            "rename random.py",
        ),
    ):
        result: Result = ganlab("check", "--plugin", file, tiny=False)
        errors = [line for line in result.stderr.splitlines() if "warning: " not in line]
        assert (result.exit_code, result.stdout, errors) == (3, "", [f"Error: {said}"])
        if file.startswith("plugins/"):
            assert result.stderr.count("did not load") == 1


def test_components_and_experiments_are_not_checked_together(ganlab) -> None:
    none: Result = ganlab("check", tiny=False)
    assert (none.exit_code, none.stderr) == (
        2,
        f"{HINT}Error: name an EXPERIMENT, or a plugin file: --plugin FILE\n",
    )
    for more in (["exp.yaml"], ["-s", "train.steps=1"], ["--explain"]):
        both: Result = ganlab("check", "--plugin", "a.py", *more, tiny=False)
        assert (both.exit_code, both.stderr) == (
            2,
            f"{HINT}Error: --plugin checks components: leave EXPERIMENT and its options out\n",
        )
