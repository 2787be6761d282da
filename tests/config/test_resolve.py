from __future__ import annotations

from pathlib import Path

import pytest

from ganlab.config.experiment import SGD, Adam, Interval, ReplacedLoss
from ganlab.config.reader import read
from ganlab.config.resolve import fallback_experiment, load_experiment, resolve
from ganlab.config.writer import to_yaml
from ganlab.errors import ConfigError, PluginError
from ganlab.plugins import Plugins
from tests.config.conftest import BASE

FULL = """\
name: full
dataset: {type: dots, image_size: 16, density: 1e-1, fallback: {type: lines, angle: 3}}
generator: {type: net, width: 4}
discriminator: critic
conditioning:
  generator: [beside, film]
  discriminator: [beside, {type: product, weight: 2}]
loss: {type: hinge, mode: soft}
regularizers: [{type: penalty, label: "1e4", inner: {rate: 0.25}}, penalty]
augmentations: shift
optimizer: {lr: 1e-3, generator: {type: sgd, momentum: 0.5}}
train: {epochs: 2, images: 1_000, ema: {decay: 0.99}, sample_every: 1234567 images,
        log_every: never}
callbacks: [watch]
"""


def failure(path: Path, plugins: Plugins, *overrides: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load_experiment(path, plugins, overrides)
    return str(caught.value)


# --------------------------------------------------------------------------- what is read


def test_an_experiment_is_complete(load) -> None:
    loaded = load()
    experiment = loaded.experiment
    assert loaded.text == BASE
    assert experiment.name == "my"
    assert experiment.dataset.image_size == 32
    assert [(s.component.name, s.roles) for s in experiment.conditioning] == [
        ("beside", ("generator", "discriminator"))
    ]
    assert experiment.optimizer == {"generator": Adam(), "discriminator": Adam()}
    assert (experiment.train.epochs, experiment.train.batch_size) == (1, 64)
    assert experiment.regularizers == experiment.augmentations == experiment.callbacks == ()


def test_a_resolved_experiment_reads_back_equal(write, plugins) -> None:
    experiment = load_experiment(write(FULL), plugins).experiment
    text = to_yaml(experiment.resolved())
    again = resolve(read(text, "config.yaml").data, plugins)
    assert again == experiment
    assert again.identity() == experiment.identity()
    assert load_experiment(write(text, "config.yaml"), plugins).experiment == experiment
    assert experiment.train.sample_every == Interval(1234567, "images")
    assert experiment.train.log_every is None


def test_every_value_has_an_origin(write, plugins) -> None:
    write("dataset: {type: dots, density: 0.25}\ntrain: {epochs: 3, z_dim: 8}\n", "sub/base.yaml")
    path = write(
        "extends: sub/base.yaml\ngenerator: net\ndiscriminator: critic\n"
        "conditioning:\n  - beside\n  - type: product\n    weight: 2\nloss: hinge\n"
        "optimizer:\n  generator: {lr: 1}\ntrain: {z_dim: 9}\n"
    )
    origins = load_experiment(path, plugins, ["train.seed=5", "loss.margin=2"]).origins
    assert {path: origin for path, origin in origins.items() if origin != "default"} == {
        "dataset.type": "sub/base.yaml:1",
        "dataset.density": "sub/base.yaml:1",
        "generator.type": "my.yaml:2",
        "discriminator.type": "my.yaml:3",
        "conditioning.0.type": "my.yaml:5",
        "conditioning.1.type": "my.yaml:6",
        "conditioning.1.weight": "my.yaml:7",
        "loss.type": "my.yaml:8",
        "loss.margin": "-s",
        "optimizer.generator.lr": "my.yaml:10",
        "train.epochs": "sub/base.yaml:2",
        "train.z_dim": "my.yaml:11",
        "train.seed": "-s",
    }
    assert origins["optimizer.generator.betas"] == origins["name"] == "default"


def test_one_component_may_stand_where_a_list_is_expected(load) -> None:
    experiment = load(regularizers="{type: penalty, weight: 3}", callbacks="watch").experiment
    assert [r.weight for r in experiment.regularizers] == [3]
    assert [c.name for c in experiment.callbacks] == ["watch"]


def test_null_is_as_good_as_not_written(load) -> None:
    nothing = dict.fromkeys(("regularizers", "optimizer", "callbacks"), "null")
    assert load(**nothing).experiment == load(regularizers=None).experiment


def test_numeric_text_is_a_number(load) -> None:
    assert load(loss="{type: hinge, margin: '1e-4'}").experiment.loss.margin == 1e-4


# ------------------------------------------------------------------------------- extends


def test_mappings_merge_and_lists_are_replaced(write, plugins) -> None:
    write(BASE + "regularizers: [penalty, penalty]\noptimizer: {lr: 1e-3}\n", "base.yaml")
    path = write(
        "extends: base.yaml\ndataset: {density: 0.25}\ngenerator: {width: 4}\n"
        "regularizers: [{type: penalty, weight: 2}]\noptimizer: {generator: {lr: 1e-5}}\n"
    )
    experiment = load_experiment(path, plugins).experiment
    assert experiment.dataset.density == 0.25
    assert experiment.generator.width == 4
    assert [r.weight for r in experiment.regularizers] == [2]
    assert [o.lr for o in experiment.optimizer.values()] == [1e-5, 1e-3]


def test_a_block_whose_type_changes_is_replaced(write, plugins) -> None:
    write(
        "dataset: {type: dots, density: 0.25}\ngenerator: {type: net, width: 4}\n"
        "discriminator: critic\nconditioning: none\nloss: {type: hinge, margin: 5, mode: soft}\n"
        "optimizer: {type: adam, betas: [0.1, 0.2], generator: {lr: 5}}\ntrain: {epochs: 1}\n",
        "base.yaml",
    )
    path = write(
        "extends: base.yaml\ndataset: {type: lines, angle: 3}\ngenerator: net\n"
        "loss: square\noptimizer: {type: sgd, lr: 1}\n"
    )
    experiment = load_experiment(path, plugins).experiment
    assert experiment.dataset.angle == 3
    assert experiment.generator.width == 4
    assert experiment.loss.name == "square"
    assert experiment.optimizer == {"generator": SGD(lr=1), "discriminator": SGD(lr=1)}


def test_a_chain_of_files_is_followed_and_no_name_is_inherited(write, plugins) -> None:
    write("name: oldest\n" + BASE, "a/oldest.yaml")
    write("extends: oldest.yaml\nname: middle\ntrain: {z_dim: 7}\n", "a/middle.yaml")
    experiment = load_experiment(write("extends: a/middle.yaml\n"), plugins).experiment
    assert (experiment.name, experiment.train.z_dim, experiment.train.epochs) == ("my", 7, 1)


def test_roles_replace_a_scheme_and_a_scheme_replaces_roles(write, plugins) -> None:
    write(BASE.replace("beside", "{type: beside, scale: 2}"), "one.yaml")
    roles = "conditioning: {generator: film, discriminator: product}\n"
    two = load_experiment(write("extends: one.yaml\n" + roles, "two.yaml"), plugins).experiment
    three = load_experiment(write("extends: two.yaml\nconditioning: beside\n"), plugins).experiment
    assert [s.component.name for s in two.conditioning] == ["film", "product"]
    assert [s.component.name for s in three.conditioning] == ["beside"]


def test_files_that_extend_each_other_are_refused(write, plugins) -> None:
    write("extends: b.yaml\n", "a.yaml")
    path = write("extends: a.yaml\n", "b.yaml")
    assert failure(path, plugins) == (
        "1 problem in a.yaml\n  a.yaml:1: extends: is circular: b.yaml -> a.yaml -> b.yaml"
    )


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("bass.yaml", "there is no experiment 'bass.yaml'; did you mean 'base.yaml'?"),
        ("folder", "folder is a folder; name a file in it"),
        ("[base.yaml]", "expected the name of one file, got a list"),
    ],
)
def test_what_cannot_be_extended_is_said(write, plugins, value: str, problem: str) -> None:
    write(BASE, "base.yaml")
    Path("folder").mkdir()
    path = write(f"name: x\nextends: {value}\n")
    assert failure(path, plugins) == f"1 problem in my.yaml\n  my.yaml:2: extends: {problem}"


# ----------------------------------------------------------------------------- overrides


def test_an_override_of_a_type_drops_the_options_of_the_other(load) -> None:
    loss = "{type: hinge, margin: 5}"
    assert load("loss=square", loss=loss).experiment.loss.name == "square"
    assert load("loss.type=hinge", loss=loss).experiment.loss.margin == 5
    assert load("loss={type: hinge, mode: soft}", loss=loss).experiment.loss.margin == 5


def test_an_override_reaches_into_a_bare_name(load) -> None:
    assert load("conditioning.scale=0.5").experiment.conditioning[0].component.scale == 0.5
    again = load("conditioning.0.scale=0.5").experiment
    assert again.conditioning[0].component.scale == 0.5


def test_an_override_reaches_into_lists_and_roles(load) -> None:
    experiment = load(
        "regularizers.1.weight=5",
        "conditioning.discriminator.1.weight=7",
        "dataset.fallback.angle=4",
        "optimizer.generator.lr=1",
        regularizers="[penalty, penalty]",
        conditioning="{generator: film, discriminator: [wrapped, product]}",
        dataset="{type: dots, fallback: lines}",
    ).experiment
    assert [r.weight for r in experiment.regularizers] == [10, 5]
    assert experiment.conditioning[2].component.weight == 7
    assert experiment.dataset.fallback == {"type": "lines", "angle": 4}
    assert [o.lr for o in experiment.optimizer.values()] == [1, 2e-4]


def test_an_override_follows_the_rules_of_yaml(load) -> None:
    experiment = load("train.ema={decay: 1e-1}", "train.epochs=", "train.images=1_000").experiment
    assert experiment.train.ema.decay == 0.1
    assert (experiment.train.epochs, experiment.train.images) == (None, 1000)


def test_an_index_does_not_reach_into_roles(problems_of) -> None:
    roles = "{generator: film, discriminator: product}"
    assert problems_of("conditioning.0.weight=2", conditioning=roles) == [
        "-s: conditioning.0: unknown key '0'; allowed: generator, discriminator"
    ]


def test_malformed_overrides_are_all_reported(problems_of) -> None:
    listed = "[penalty]"
    assert problems_of(
        "train.epochs",
        "=5",
        "train..epochs=5",
        "loss.margin=a: b: c",
        "loss.margin={a: 1, a: 2}",
        "regularizers.weight=5",
        "regularizers.1=penalty",
        "train.epochs.x=5",
        "extends=other.yaml",
        "conditionning=film",
        regularizers=listed,
    ) == [
        "-s: 'train.epochs' is not an override; write KEY=VALUE, such as train.batch_size=64",
        "-s: '=5' is not an override; write KEY=VALUE, such as train.batch_size=64",
        "-s: 'train..epochs=5' is not an override; write KEY=VALUE, such as train.batch_size=64",
        "-s: loss.margin: not YAML: mapping values are not allowed here",
        "-s: loss.margin.a: duplicate key, in lines 1 and 1",
        "-s: regularizers: is a list; write 'regularizers.0.weight' for its first entry",
        "-s: regularizers: has no entry 1; it has 1 entry, from 0",
        "-s: train.epochs: is 1, not a block, so it has no key 'x'",
        "-s: extends: can only be set in a file",
        "-s: conditionning: there is no section 'conditionning'; did you mean 'conditioning'?",
    ]


# -------------------------------------------------------------------------- conditioning


def roles_of(load, conditioning: str) -> list[tuple[str, tuple[str, ...]]]:
    schemes = load(conditioning=conditioning).experiment.conditioning
    return [(scheme.component.name, scheme.roles) for scheme in schemes]


def test_equal_schemes_of_both_networks_are_one(load) -> None:
    both, g, d = ("generator", "discriminator"), ("generator",), ("discriminator",)
    assert roles_of(load, "{generator: beside, discriminator: {type: beside, scale: 1}}") == [
        ("beside", both)
    ]
    assert roles_of(load, "{generator: beside, discriminator: {type: beside, scale: 2}}") == [
        ("beside", g),
        ("beside", d),
    ]
    assert roles_of(
        load, "{generator: [film, beside], discriminator: [product, beside, wrapped]}"
    ) == [("film", g), ("product", d), ("beside", both), ("wrapped", d)]


@pytest.mark.parametrize(
    ("conditioning", "problem"),
    [
        (
            "film",
            "the label reaches only the generator (film); add a scheme for the discriminator, "
            "or write {generator: film, discriminator: none} if this is intended",
        ),
        (
            "[product, wrapped]",
            "the label reaches only the discriminator (product); add a scheme for the generator, "
            "or write {generator: none, discriminator: product} if this is intended",
        ),
        (
            "{generator: film}",
            "only generator is set; set discriminator too, or set it to 'none'",
        ),
        ("[film, {type: film, every: 2}, product]", "'film' and 'film' use the generator's norm "
         "site, which accepts one scheme; keep one"),
        ("{scale: 1}", "has no 'type'; set it to one of: beside, film, multi, none, "
         "product, wrapped"),
        ("3", "expected one conditioning, by name or as a block, got 3"),
    ],
)  # fmt: skip
def test_conditioning_that_makes_no_sense_is_refused(
    problems_of, conditioning: str, problem: str
) -> None:
    assert problems_of(conditioning=conditioning) == [f"my.yaml:4: conditioning: {problem}"]


def test_a_scheme_is_refused_in_a_network_where_it_has_no_site(problems_of) -> None:
    assert problems_of(conditioning="{generator: [beside, product], discriminator: film}") == [
        "my.yaml:4: conditioning.generator.1: 'product' has no site in the generator; it has head "
        "in the discriminator",
        "my.yaml:4: conditioning.discriminator: 'film' has no site in the discriminator; it has "
        "norm in the generator",
    ]


def test_one_network_may_be_blank_if_the_yaml_says_so(load) -> None:
    assert roles_of(load, "{generator: film, discriminator: none}") == [
        ("film", ("generator",)),
        ("none", ("discriminator",)),
    ]
    assert roles_of(load, "none") == [("none", ("generator", "discriminator"))]


def test_roles_have_no_other_keys_and_one_order(problems_of) -> None:
    order = "{generator: [beside, wrapped], discriminator: [wrapped, beside], scale: 1}"
    assert problems_of(conditioning=order) == [
        "my.yaml:4: conditioning.scale: unknown key 'scale'; allowed: generator, discriminator",
        "my.yaml:4: conditioning.discriminator.1: 'beside' must be in the same order as in "
        "the generator",
    ]


# ---------------------------------------------------------------------------------- loss


def test_a_participant_may_stand_in_for_the_loss(load, plugins) -> None:
    experiment = load(loss=None, conditioning="multi").experiment
    assert isinstance(experiment.loss, ReplacedLoss)
    assert resolve(experiment.resolved(), plugins, name="my") == experiment
    assert [part.name for part in experiment.components()] == ["dots", "net", "critic", "multi"]


def test_a_loss_beside_a_participant_that_replaces_it_is_refused(problems_of) -> None:
    assert problems_of(conditioning="multi") == [
        "my.yaml:5: loss: 'multi' replaces the loss; remove one of them"
    ]
    assert problems_of(conditioning="[multi, {type: multi, every: 2}]", loss=None) == [
        "my.yaml:1: loss: 'multi' and 'multi' replace the loss; keep one"
    ]


# ----------------------------------------------------------------------------- optimizer


def test_each_network_may_have_its_own_optimizer(load) -> None:
    experiment = load(
        optimizer="{type: adam, betas: [0, 0.9], generator: {lr: 1e-4}, "
        "discriminator: {type: sgd, momentum: 0.5}}"
    ).experiment
    assert experiment.optimizer == {
        "generator": Adam(lr=1e-4, betas=(0, 0.9)),
        "discriminator": SGD(momentum=0.5),
    }
    assert load(optimizer="sgd").experiment.optimizer["generator"] == SGD()


def test_wrong_optimizers_are_refused(problems_of) -> None:
    assert problems_of(
        optimizer="{type: sgd, momentun: 1, generator: {type: adan}, discriminator: 3}"
    ) == [
        "my.yaml:7: optimizer.generator.type: there is no optimizer 'adan'; did you mean 'adam'?",
        "my.yaml:7: optimizer.discriminator: expected one optimizer, by name or as a block, got 3",
    ]
    assert problems_of(optimizer="{momentum: 0.5, lr: 0}") == [
        "my.yaml:7: optimizer.lr: must be more than 0, got 0",
        "my.yaml:7: optimizer.momentum: 'adam' has no option 'momentum'; allowed: betas, eps, lr, "
        "weight_decay",
    ]
    assert problems_of(optimizer="[adam]") == [
        "my.yaml:7: optimizer: expected one optimizer, by name or as a block, got a list"
    ]


def test_a_common_option_that_both_networks_hide_is_refused(load, problems_of) -> None:
    what = "has no effect: the blocks of generator and discriminator override it"
    both = "{generator: {lr: 2}, discriminator: sgd}"
    assert problems_of(optimizer="{lr: 1, generator: {lr: 2}, discriminator: sgd}") == [
        f"my.yaml:7: optimizer.lr: {what}"
    ]
    assert problems_of("optimizer.lr=3", optimizer=both) == [f"-s: optimizer.lr: {what}"]
    overrides = [f"optimizer.{role}.lr=2" for role in ("generator", "discriminator")]
    assert load(*overrides, optimizer="{lr: 1}").experiment.optimizer["generator"].lr == 2


# ------------------------------------------------------------------------------ fallback


def test_a_fallback_takes_the_image_size_and_its_own_budget(load, plugins) -> None:
    dataset = (
        "{type: dots, image_size: 16, fallback_images: 500, fallback: {type: lines, angle: 1}}"
    )
    experiment = load("train.seconds=9", dataset=dataset).experiment
    fallback = fallback_experiment(experiment, plugins)
    assert fallback.dataset.name == "lines"
    assert (fallback.dataset.image_size, fallback.dataset.angle) == (16, 1)
    assert (fallback.train.epochs, fallback.train.images, fallback.train.seconds) == (
        None,
        500,
        None,
    )
    assert fallback_experiment(fallback, plugins) is None


def test_a_fallback_may_be_a_name_and_keep_the_budget(load, plugins) -> None:
    experiment = load(dataset="{type: dots, density: 0.25, fallback: dots}").experiment
    assert experiment.dataset.fallback == {"type": "dots"}
    fallback = fallback_experiment(experiment, plugins)
    assert (fallback.dataset.density, fallback.train) == (0.5, experiment.train)


def test_a_fallback_is_checked_like_any_dataset(problems_of) -> None:
    assert problems_of(dataset="{type: dots, fallback: lines}") == [
        "my.yaml:1: dataset.fallback.angle: is missing; it has no default"
    ]
    assert problems_of(dataset="{type: dots, fallback: {type: dotz}}") == [
        "my.yaml:1: dataset.fallback: there is no dataset 'dotz'; did you mean 'dots'?"
    ]
    assert problems_of(dataset="{type: dots, fallback: {type: dots, image_size: 64}}") == [
        "my.yaml:1: dataset.fallback.image_size: discriminator 'critic' does not support "
        "64 x 64; supported: 16, 32"
    ]
    assert problems_of(dataset="{type: dots, fallback: [dots]}") == [
        "my.yaml:1: dataset.fallback: expected a block of options, got a list"
    ]


def test_a_fallback_whose_component_is_gone_is_said(load, plugins) -> None:
    experiment = load(dataset="{type: dots, fallback: dots}").experiment
    with pytest.raises(ConfigError) as caught:
        fallback_experiment(experiment, Plugins())
    assert str(caught.value) == (
        "1 problem in the experiment\n  dataset.fallback: there is no dataset 'dots'"
    )


# ------------------------------------------------------------------- everything at once

BROKEN = """\
# Everything is wrong here.
nam: x
dataset:
  type: dots
  density: 2
  image_size: 48
  density: true
generator: nett
discriminator: {type: critic, width: 3}
conditioning: [beside, {type: film, scael: 1}]
loss:
  type: hinge
  margin: big
  mode: sof
  morgin: 1
regularizers:
  - penalty
  - {type: penalty, weight: true, label: true, on: yes, inner: {rat: 1}}
  - {type: penalty, label: 5, every: 0, inner: 3}
  - 5
  -
  - {weight: 1}
  - type: 7
callbacks: watsch
train:
  epochs: -1
  batch_size: 1.5
  sample_every: often
  precision: fp8
  ema: {decay: 1}
"""


def test_all_problems_are_reported_at_once_in_the_order_of_the_file(write, plugins) -> None:
    assert (
        failure(write(BROKEN), plugins, "optimizer.lr=fast", "loss.mode=5")
        == """\
27 problems in my.yaml
  my.yaml:2: nam: there is no section 'nam'; did you mean 'name'?
  my.yaml:7: dataset.density: duplicate key, in lines 5 and 7
  my.yaml:7: dataset.density: expected a number, got true
  my.yaml:8: generator: there is no generator 'nett'; did you mean 'net'?
  my.yaml:9: discriminator.width: 'critic' has no option 'width'; it has none
  my.yaml:10: conditioning.1.scael: 'film' has no option 'scael'; allowed: every
  my.yaml:13: loss.margin: expected a number, got 'big'
  my.yaml:15: loss.morgin: 'hinge' has no option 'morgin'; did you mean 'margin'?
  my.yaml:18: regularizers.1.weight: expected a number, got true
  my.yaml:18: regularizers.1.on: expected true or false, got 'yes'
  my.yaml:18: regularizers.1.label: expected text, got true; quote it
  my.yaml:18: regularizers.1.inner.rat: 'inner' has no option 'rat'; did you mean 'rate'?
  my.yaml:19: regularizers.2.every: must be at least 1, got 0
  my.yaml:19: regularizers.2.label: expected text, got 5; quote it
  my.yaml:19: regularizers.2.inner: expected a block of options, got 3
  my.yaml:20: regularizers.3: expected one regularizer, by name or as a block, got 5
  my.yaml:21: regularizers.4: expected one regularizer, by name or as a block, got null
  my.yaml:22: regularizers.5: has no 'type'; set it to one of: penalty
  my.yaml:23: regularizers.6.type: expected the name of a regularizer, got 7
  my.yaml:24: callbacks: there is no callback 'watsch'; did you mean 'watch'?
  my.yaml:26: train.epochs: must be more than 0, got -1
  my.yaml:27: train.batch_size: expected a whole number, got 1.5
  my.yaml:28: train.sample_every: 'often' is not an interval; write '1 epoch', '500 steps', \
'10000 images', '60 seconds' or 'never'
  my.yaml:29: train.precision: expected 'auto', 'fp32', 'tf32', 'bf16' or 'fp64', got 'fp8'
  my.yaml:30: train.ema.decay: must be less than 1, got 1
  -s: loss.mode: expected 'soft' or 'hard', got 5
  -s: optimizer.lr: 'fast' is neither a number nor a schedule; write a number, \
'1 to 0 over 10000 images', or with ', cosine' or ', geometric' at its end"""
    )


def test_missing_sections_are_listed_with_what_could_stand_there(write, plugins) -> None:
    assert (
        failure(write("\ntrain: {z_dim: 3}\n"), plugins)
        == """\
6 problems in my.yaml
  my.yaml:2: dataset: is missing; name one of: dots, lines
  my.yaml:2: generator: is missing; name one of: net
  my.yaml:2: discriminator: is missing; name one of: critic
  my.yaml:2: conditioning: is missing; name one or more of: beside, film, multi, none, \
product, wrapped
  my.yaml:2: loss: is missing; name one of: hinge, square
  my.yaml:2: train: has no budget; set at least one of: epochs, images, steps, seconds"""
    )


def test_problems_stand_by_the_file_that_causes_them(write, plugins) -> None:
    write(BASE.replace("hinge", "hing") + "x: 1\n", "base.yaml")
    path = write("extends: base.yaml\nname: ../up\ntrain: {seed: -1}\n")
    assert (
        failure(path, plugins, "dataset.image_size=20")
        == """\
6 problems in my.yaml
  my.yaml:2: name: '../up' is not a valid folder name
  my.yaml:3: train.seed: must be at least 0, got -1
  base.yaml:5: loss: there is no loss 'hing'; did you mean 'hinge'?
  base.yaml:7: x: there is no section 'x'; allowed: augmentations, callbacks, conditioning, \
dataset, discriminator, eval, extends, generator, loss, name, optimizer, regularizers, train
  -s: dataset.image_size: generator 'net' does not support 20 x 20; supported: 16, 32, 64, 128
  -s: dataset.image_size: discriminator 'critic' does not support 20 x 20; supported: 16, 32"""
    )


@pytest.mark.parametrize(
    ("classes", "problem"),
    [
        ("[1]", "dataset.classes: must have at least 2 entries, got 1"),
        ("[1, 1.5]", "dataset.classes.1: expected a whole number or text, got 1.5"),
        ("[1, true]", "dataset.classes.1: expected a whole number, got true"),
        ("3", "dataset.classes: expected a list, got 3"),
    ],
)
def test_entries_of_lists_are_checked(problems_of, classes: str, problem: str) -> None:
    assert problems_of(dataset=f"{{type: dots, classes: {classes}}}") == [f"my.yaml:1: {problem}"]


@pytest.mark.parametrize(
    ("betas", "problem"),
    [
        ("[0.5]", "betas: must have 2 entries, got 1"),
        ("[0.5, 0.9, 0.9]", "betas: must have at most 2 entries, got 3"),
        ("[0.5, true]", "betas.1: expected a number, got true"),
        ("[0.5, .inf]", "betas.1: expected a finite number, got inf"),
    ],
)
def test_pairs_are_checked(problems_of, betas: str, problem: str) -> None:
    assert problems_of(optimizer=f"{{betas: {betas}}}") == [f"my.yaml:7: optimizer.{problem}"]


# ----------------------------------------------------------------------- hopeless files


def test_files_that_cannot_be_read_are_one_clear_problem(write, plugins) -> None:
    write("", "empty.yaml")
    write("- a\n", "list.yaml")
    write("word\n", "word.yaml")
    write("a: [\n", "syntax.yaml")
    Path("latin.yaml").write_bytes(b"name: \xe9\n")
    Path("folder").mkdir()
    assert [failure(Path(name), plugins) for name in ("empty.yaml", "list.yaml", "word.yaml")] == [
        "1 problem in empty.yaml\n  empty.yaml: is empty",
        "1 problem in list.yaml\n  list.yaml: must be a mapping of sections, got a list",
        "1 problem in word.yaml\n  word.yaml: must be a mapping of sections, got 'word'",
    ]
    assert [failure(Path(name), plugins) for name in ("folder", "latin.yaml")] == [
        "1 problem in folder\n  folder: is a folder; name a file in it",
        "1 problem in latin.yaml\n  latin.yaml: is not UTF-8 text",
    ]
    assert failure(Path("syntax.yaml"), plugins) == (
        "1 problem in syntax.yaml\n"
        "  syntax.yaml:2: not YAML: expected the node content, but found '<stream end>'"
    )


def test_a_component_that_two_plugins_bring_stays_a_plugin_error(write, plugins) -> None:
    Path("more").mkdir()
    Path("more/second_hinge.py").write_text(
        "from ganlab import Loss, hookimpl\n\n\n"
        'class Hinge(Loss):\n    name = "hinge"\n\n\n'
        "@hookimpl\ndef register_losses():\n    return [Hinge]\n"
    )
    plugins.load_folder(Path("more"))
    with pytest.raises(PluginError, match=r"^loss 'hinge' comes from two plugins: ") as caught:
        load_experiment(write(BASE), plugins)
    assert caught.value.exit_code == 3


def test_plain_data_has_no_lines(plugins) -> None:
    with pytest.raises(ConfigError) as caught:
        resolve({"dataset": {"type": "dots", "density": 2}, "train": {"epochs": 1}}, plugins)
    assert (
        str(caught.value)
        == """\
5 problems in the experiment
  dataset.density: must be less than 1, got 2
  generator: is missing; name one of: net
  discriminator: is missing; name one of: critic
  conditioning: is missing; name one or more of: beside, film, multi, none, product, wrapped
  loss: is missing; name one of: hinge, square"""
    )
