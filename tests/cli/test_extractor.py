"""``ganlab extractor``: its whole output, and what an archive from a stranger may not do."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from ganlab_plugins.extractors import _training

from ganlab.lab import archive
from tests.config.conftest import PARTS

Ganlab = Callable[..., Result]
SHIPPED = (
    "extractor  dataset  network                     accuracy\n"
    "cnn        digits   cnn1x3-digits-4b7b878c712d  99.66%\n"
    "cnn        digits   judge1-digits-c6b89ab2d2d9  99.66%\n"
    "cnn        mnist    cnn1x3-mnist-8f6483786550   99.32%\n"
    "cnn        mnist    judge1-mnist-64bf8de6fbe2   99.42%\n"
)


@pytest.fixture(autouse=True)
def cache(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and a training of seconds."""
    monkeypatch.setenv("GANLAB_CACHE", str(workplace / "cache"))
    monkeypatch.setattr(_training, "STEPS", 40)
    return workplace / "cache"


def ended(result: Result, code: int = 0) -> tuple[str, str]:
    """Return stdout and stderr of a call that ended as it should."""
    assert result.exit_code == code, result.output
    return result.stdout, result.stderr


def failure(result: Result, code: int = 2) -> str:
    stdout, stderr = ended(result, code)
    assert stdout == ""
    return stderr


# ------------------------------------------------------------------------ list and train


def test_the_shipped_networks_are_listed(ganlab: Ganlab) -> None:
    assert ended(ganlab("extractor", "list")) == (SHIPPED, "")


def test_trained_networks_are_kept_listed_and_not_replaced(ganlab: Ganlab, cache: Path) -> None:
    stdout, stderr = ended(ganlab("extractor", "train", "tiny"))
    files = [Path(line) for line in stdout.splitlines()]
    assert [file.name.rpartition("-")[0] for file in files[::2]] == ["cnn1x3-tiny", "judge1-tiny"]
    assert [file.suffix for file in files] == [".safetensors", ".json"] * 2
    assert sorted((cache / "extractors").iterdir()) == sorted(files)
    assert stderr == ""
    card = json.loads(files[1].read_text())
    assert card["dataset"]["image_size"] == 16
    listed = ended(ganlab("extractor", "list"))[0]
    assert f"tiny     {files[0].stem}" in listed
    assert failure(ganlab("extractor", "train", "tiny")) == (
        f"Error: {files[0]} already exists, and scores may refer to it: move it away first\n"
    )


def test_an_experiments_own_dataset_is_used_and_options_go_over_it(
    ganlab: Ganlab, write_experiment: Callable[..., Path], workplace: Path
) -> None:
    experiment = write_experiment(sections={"dataset": {"type": "tiny", "count": 80}})
    call = ("extractor", "train", experiment, "-s", "classes=[bright, dark]")
    stdout, _ = ended(ganlab(*call, "--image-size", "8", "--output", "here"))
    files = [workplace / line for line in stdout.splitlines()]
    assert {file.parent for file in files} == {workplace / "here"}
    dataset = json.loads(files[1].read_text())["dataset"]
    assert (dataset["image_size"], dataset["train"]["images"]) == (8, 40)
    assert dataset["class_names"] == ["bright", "dark"]
    assert ended(ganlab("extractor", "list")) == (SHIPPED, "")


def test_a_shipped_network_is_not_made_again(ganlab: Ganlab) -> None:
    assert failure(ganlab("extractor", "train", "digits")) == (
        "Error: cnn1x3-digits-4b7b878c712d.safetensors ships with ganlab, and scores refer to it; "
        "save another network in a separate folder: --output DIR\n"
    )


@pytest.mark.parametrize(
    ("call", "code", "what"),
    [
        (("tinny",), 2, "there is no dataset 'tinny'; did you mean 'tiny'?"),
        (
            ("tiny", "-s", "cuont=3"),
            2,
            "1 problem in the options of dataset 'tiny'\n"
            "  -s: dataset.cuont: 'tiny' has no option 'cuont'; did you mean 'count'?",
        ),
        (
            ("tiny", "-s", "count"),
            2,
            "1 problem in the experiment\n"
            "  -s: 'dataset.count' is not an override; write KEY=VALUE, such as "
            "train.batch_size=64",
        ),
        (
            ("none.yaml",),
            2,
            "there is no experiment 'none.yaml'; `ganlab experiments` lists the experiments",
        ),
        (
            ("tiny", "--extractor", "tiny"),
            2,
            "extractor 'tiny' cannot be trained: its weights are given",
        ),
        (("tiny", "--extractor", "tny"), 2, "there is no extractor 'tny'; did you mean 'tiny'?"),
    ],
)
def test_mistakes_are_said_before_anything_is_trained(
    ganlab: Ganlab, cache: Path, call: tuple[str, ...], code: int, what: str
) -> None:
    assert failure(ganlab("extractor", "train", *call), code) == f"Error: {what}\n"
    assert not (cache / "extractors").exists()


def test_without_an_extractor_that_learns_the_commands_say_so(
    ganlab: Ganlab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GANLAB_BLOCK_PLUGINS", "extractors.cnn")
    assert failure(ganlab("extractor", "train", "tiny"), 2) == (
        "Error: there is no extractor that can be trained\n"
    )
    assert ended(ganlab("extractor", "list")) == (
        "there is none; make one: ganlab extractor train DATASET\n",
        "",
    )


# ------------------------------------------------------------------------ export and import


def test_networks_travel_from_one_cache_to_another(
    ganlab: Ganlab, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = ended(ganlab("extractor", "train", "tiny"))[0].splitlines()
    assert ended(ganlab("extractor", "export", "tiny", "tiny.zip")) == ("tiny.zip\n", "")
    ended(ganlab("extractor", "export", "tiny", "again.zip"))
    assert Path("tiny.zip").read_bytes() == Path("again.zip").read_bytes()
    before = [Path(file).read_bytes() for file in made]

    monkeypatch.setenv("GANLAB_CACHE", str(workplace / "elsewhere"))
    stdout, stderr = ended(ganlab("extractor", "import", "tiny.zip"))
    kept = [Path(line) for line in stdout.splitlines()]
    assert stderr == ""
    assert [file.read_bytes() for file in kept] == before
    assert {file.parent for file in kept} == {workplace / "elsewhere" / "extractors"}
    assert kept[0].stem in ended(ganlab("extractor", "list"))[0]
    assert failure(ganlab("extractor", "import", "tiny.zip")) == (
        f"Error: {kept[0]} already exists, and scores may refer to it: move it away first\n"
    )


def test_an_export_replaces_no_file_and_needs_a_network(
    ganlab: Ganlab, write_experiment: Callable[..., Path]
) -> None:
    Path("mine.zip").write_text("mine")
    assert failure(ganlab("extractor", "export", "digits", "mine.zip")) == (
        "Error: mine.zip is there already: name another file\n"
    )
    assert Path("mine.zip").read_text() == "mine"
    assert failure(ganlab("extractor", "export", "tiny", "new.zip")) == (
        "Error: there is no extractor for 'tiny' yet; make one: ganlab extractor train tiny\n"
    )
    write_experiment("exp.yaml")
    Path("experiments").mkdir()
    write_experiment("experiments/own.yaml")
    for name in ("exp.yaml", "own", "own.yaml"):
        assert failure(ganlab("extractor", "export", name, "new.zip")) == (
            "Error: there is no extractor for 'tiny' yet; make one: "
            f"ganlab extractor train {name}\n"
        )
    assert failure(ganlab("extractor", "export", "digits", "no/such/place.zip")) == (
        "Error: cannot write no/such/place.zip: No such file or directory\n"
    )
    assert not Path("new.zip").exists()


def zipped(*names: str) -> str:
    with zipfile.ZipFile("strange.zip", "w") as file:
        for name in names:
            file.writestr(name, b"content")
    return "strange.zip"


@pytest.mark.parametrize(
    "name",
    [
        "../judge1-tiny-0123456789ab.json",
        "/tmp/judge1-tiny-0123456789ab.json",
        "a/judge1-tiny-0123456789ab.json",
        "c:judge1-tiny-0123456789ab.json",
        ".json",
        "weights.pt",
        "folder/",
    ],
)
def test_an_archive_of_anything_but_plain_networks_is_refused(
    ganlab: Ganlab, workplace: Path, cache: Path, name: str
) -> None:
    assert failure(ganlab("extractor", "import", zipped(name))) == (
        f"Error: strange.zip holds {name!r}: an export has .safetensors and .json files alone, "
        "without folders\n"
    )
    assert not (workplace.parent / "judge1-tiny-0123456789ab.json").exists()
    assert not (cache / "extractors").exists()


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_an_archive_that_is_damaged_too_large_or_twofold_is_refused(
    ganlab: Ganlab, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("text.zip").write_text("no zip file")
    assert failure(ganlab("extractor", "import", "text.zip")) == (
        "Error: text.zip is damaged, or no zip file: File is not a zip file\n"
    )
    assert failure(ganlab("extractor", "import", "none.zip")) == (
        "Error: cannot read none.zip: No such file or directory\n"
    )
    assert failure(ganlab("extractor", "import", zipped("a.json", "a.json"))) == (
        "Error: strange.zip holds a file twice\n"
    )
    content = Path(zipped("a.json")).read_bytes()
    Path("changed.zip").write_bytes(content.replace(b"content", b"CONTENT"))
    assert failure(ganlab("extractor", "import", "changed.zip")) == (
        "Error: changed.zip is damaged, or no zip file: Bad CRC-32 for file 'a.json'\n"
    )
    with zipfile.ZipFile("large.zip", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a.json", bytes(1000))
    monkeypatch.setattr(archive, "MOST_BYTES", 999)
    assert failure(ganlab("extractor", "import", "large.zip")) == (
        "Error: large.zip holds more than 0 MiB\n"
    )


def test_a_network_that_was_changed_on_its_way_is_not_kept(ganlab: Ganlab, cache: Path) -> None:
    name = "judge1-tiny-0123456789ab"
    stderr = failure(ganlab("extractor", "import", zipped(f"{name}.safetensors", f"{name}.json")))
    assert f"{name}.safetensors is damaged (" in stderr
    assert stderr.count("\n") == 1
    assert not (cache / "extractors").exists()


def test_datasets_that_cannot_be_read_are_said_in_one_line(ganlab: Ganlab) -> None:
    stderr = failure(ganlab("--plugins-dir", PARTS, "extractor", "train", "folder", "-s", "path=x"))
    assert stderr.startswith("Error: folder: ")
    assert "/x does not exist: correct dataset.path, or name a fallback" in stderr
    assert stderr.count("\n") == 1
