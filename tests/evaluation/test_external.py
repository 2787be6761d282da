"""Images that another system made: where their classes come from, and what is refused."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result
from PIL import Image

from ganlab.files import cache_dir
from tests.evaluation.helpers import EVAL, lines

Write = Callable[..., Path]
Ganlab = Callable[..., Result]
Images = list[tuple[np.ndarray, int]]
pytestmark = pytest.mark.usefixtures("without_companions")
NAMES = ("dark", "dim", "light", "bright")


def real() -> Images:
    """Return the forty images of the tiny dataset with their labels."""
    labels = np.arange(40) % 4
    noise = np.random.default_rng(0).integers(0, 50, (40, 16, 16))
    return list(zip((noise + 60 * labels[:, None, None]).astype(np.uint8), labels, strict=True))


def in_folders(
    images: Images, *, names: Sequence[str] = NAMES, folder: str = "theirs", **options: Any
) -> Path:
    for number, (array, label) in enumerate(images):
        place = Path(folder) / names[label]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(array, **options).save(place / f"{number:03d}.png")
    return Path(folder)


def rows_of(result: Result) -> list[dict[str, Any]]:
    assert result.exit_code == 0, result.output
    return [row for table in json.loads(result.stdout) for row in table["rows"]]


def of_theirs(result: Result) -> dict[str, Any]:
    (row,) = (row for row in rows_of(result) if row["experiment"].startswith("images/"))
    return row


# ----------------------------------------------------------------------------------- classes


@pytest.mark.parametrize("names", [NAMES, "0123", ("class-0", "1", "light", "class-03")])
def test_the_images_of_the_reference_score_as_such_whatever_their_folders_are_called(
    ganlab: Ganlab, names: Sequence[str]
) -> None:
    folder = in_folders(real(), names=names)
    (folder / ".hidden").mkdir()
    (folder / "dark.txt").write_text("no image")
    result = ganlab(*EVAL, "--images", folder, "--reference", "tiny", "--json")
    (row,) = rows_of(result)
    assert row["values"] == {"tiny": [pytest.approx(0, abs=1e-5)], "tiny-acc": [1.0]}
    assert (row["seeds"], row["steps"], row["parameters"]) == ([0], [0], None)


@pytest.mark.parametrize("heading", [[], [["file", "class"]]])
def test_a_csv_says_which_class_a_file_is_of(ganlab: Ganlab, heading: list[list[str]]) -> None:
    flat = Path("flat")
    flat.mkdir()
    rows = list(heading)
    for number, (array, label) in enumerate(real()):
        Image.fromarray(array).save(flat / f"a, {number}.png")
        rows.append([f"a, {number}.png", NAMES[label] if number % 2 else str(label)])
    with open("labels.csv", "w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file).writerows(rows)
    result = ganlab(
        *EVAL, "--images", flat, "--labels", "labels.csv", "--reference", "tiny", "--json"
    )
    assert of_theirs(result)["values"]["tiny-acc"] == [1.0]
    again = ganlab("eval", "--json", *EVAL[1:])
    assert of_theirs(again) == of_theirs(result)
    assert len(list(Path("runs/images").iterdir())) == 1


def test_equal_channels_are_taken_for_grey(ganlab: Ganlab) -> None:
    images = [(np.repeat(array[..., None], 3, axis=2), label) for array, label in real()]
    result = ganlab(*EVAL, "--images", in_folders(images), "--reference", "tiny", "--json")
    assert of_theirs(result)["values"]["tiny"] == [pytest.approx(0, abs=1e-5)]


# --------------------------------------------------------------------------------- reference


@pytest.mark.parametrize("reference", [None, "exp", "exp.yaml", "tiny", "runs/exp"])
def test_the_reference_is_a_run_an_experiment_a_dataset_or_that_of_the_runs(
    run: Path, ganlab: Ganlab, reference: str | None
) -> None:
    named = () if reference is None else ("--reference", reference)
    result = ganlab(*EVAL, "--images", in_folders(real()), *named, "--json")
    names = [row["experiment"] for row in rows_of(result)]
    assert names[0].startswith("images/theirs/")
    assert names[1:] == [f"exp/{run.name[:6]}"]


def test_an_experiment_is_a_reference_by_its_name_if_it_has_no_run(
    run: Path, ganlab: Ganlab, write_experiment: Callable[..., Path]
) -> None:
    Path("experiments").mkdir()
    for name in ("exp", "fresh"):
        path = f"experiments/{name}.yaml"
        write_experiment(path, sections={"dataset": {"type": "tiny", "count": 20}})
    folder = in_folders(real())

    def table(reference: str) -> str:
        result = ganlab(*EVAL, "--images", folder, "--reference", reference)
        assert result.exit_code == 0, result.output
        return result.stdout

    assert "(20 of 16 x 16)" not in table("exp")  # the run was trained on 40 images
    for reference in ("fresh", "fresh.yaml", "experiments/fresh.yaml"):
        assert "against tiny train (20 of 16 x 16)" in table(reference)


@pytest.mark.usefixtures("own_cache")
def test_images_stand_on_later_boards_even_when_they_are_gone(run: Path, ganlab: Ganlab) -> None:
    first = ganlab(*EVAL, "--images", in_folders(real()))
    shutil.rmtree("theirs")
    again = ganlab(*EVAL)
    assert (again.exit_code, again.stdout, again.stderr) == (0, first.stdout, "")
    shutil.rmtree(memory_folder())
    once_more = ganlab(*EVAL)
    assert (once_more.exit_code, once_more.stdout) == (0, first.stdout)
    for options in (("--bn", "batch"), ("--raw",)):  # they come from no network of ours
        assert "images/theirs/" in ganlab(*EVAL, *options).stdout
    more = ganlab("eval", "--extractor", "tiny", "-m", "tiny", "--samples", 20)
    assert more.exit_code == 0
    assert "is left out: there is no folder" in more.stderr
    assert f"exp/{run.name[:6]}" in more.stdout


def memory_folder() -> Path:
    return cache_dir() / "requests"


def test_images_that_moved_are_found_where_they_were_named_last(ganlab: Ganlab) -> None:
    ganlab(*EVAL, "--images", in_folders(real()), "--reference", "tiny")
    Path("there").mkdir()
    Path("theirs").rename("there/theirs")
    assert ganlab(*EVAL, "--images", "there/theirs", "--reference", "tiny").exit_code == 0
    result = ganlab(*EVAL, "--samples", 20)
    assert result.exit_code == 0, result.output
    assert len(list(Path("runs/images").iterdir())) == 1


def test_equal_images_against_another_reference_are_another_entry(
    write_experiment: Write, ganlab: Ganlab
) -> None:
    few = {"type": "tiny", "limit": 20}
    write_experiment(sections={"dataset": few})
    folder = in_folders(real())
    for reference, images in (("tiny", 40), ("exp.yaml", 20)):
        result = ganlab(*EVAL, "--images", folder, "--reference", reference)
        assert f"N={images} against tiny train ({images} of 16 x 16)" in result.stdout
    assert len(list(Path("runs/images").iterdir())) == 2


# --------------------------------------------------------------------------- which and how many


def test_more_images_than_n_are_chosen_by_quotas(run: Path, ganlab: Ganlab) -> None:
    extra = [(array, label) for array, label in real() if label == 3]
    folder = in_folders(real() + extra * 3)
    (table,) = json.loads(ganlab(*EVAL, "--images", folder, "--json").stdout)
    assert len(table["rows"]) == 2
    assert (table["protocol"]["samples"], table["rows"][0]["values"]["tiny-acc"]) == (40, [1.0])
    assert table["rows"][0]["values"]["tiny"] == [pytest.approx(0, abs=0.1)]


def test_fewer_images_than_n_are_another_table(run: Path, ganlab: Ganlab) -> None:
    not_so = [(array, max(label, 1)) for array, label in real()]
    for images, labels in (
        (real()[:20], "quotas of the reference, shuffled"),
        (not_so[:17], "as they came"),
    ):
        folder = in_folders(images, folder=f"n{len(images)}")
        ours, theirs = json.loads(ganlab(*EVAL, "exp", "--images", folder, "--json").stdout)[::-1]
        assert ours["protocol"]["samples"] == 40
        assert theirs["protocol"]["samples"] == len(images)
        assert theirs["protocol"]["labels"] == labels
    assert "N=17 against tiny train (40 of 16 x 16)" in ganlab(*EVAL).stdout
    assert "labels as they came" in ganlab(*EVAL).stdout


def test_exactly_n_images_in_other_proportions_are_taken_as_they_came(ganlab: Ganlab) -> None:
    images = [(array, max(label, 1)) for array, label in real()]
    result = ganlab(*EVAL, "--images", in_folders(images), "--reference", "tiny", "--json")
    (table,) = json.loads(result.stdout)
    assert (table["protocol"]["samples"], table["protocol"]["labels"]) == (40, "as they came")
    assert table["rows"][0]["values"]["tiny-acc"] == [0.75]


def test_more_images_without_enough_of_a_class_are_refused(ganlab: Ganlab) -> None:
    images = [(array, max(label, 1)) for array, label in real()]
    folder = in_folders(images)
    result = ganlab(*EVAL, "--images", folder, "--reference", "tiny", "--samples", 30)
    (entry,) = Path("runs/images").iterdir()
    assert (result.exit_code, result.stderr.splitlines()[-1]) == (
        2,
        f"Error: images/{entry.name}: N = 30 images in the proportions of 'tiny' need more of "
        "some class than there are (0, 20, 10, 10): give more images, or fewer --samples",
    )


# ---------------------------------------------------------------------------------- messages


def spoil(name: str) -> Callable[[Path], Any]:
    """Return what does something to the first image of a folder."""

    def small(file: Path) -> None:
        Image.new("L", (8, 16)).save(file)

    def colour(file: Path) -> None:
        Image.new("RGB", (16, 16), (1, 2, 3)).save(file)

    def floats(file: Path) -> None:
        Image.fromarray(np.zeros((16, 16), np.float32)).save(file, format="TIFF")

    def broken(file: Path) -> None:
        file.write_bytes(b"no picture")

    def cut(file: Path) -> None:
        file.write_bytes(file.read_bytes()[:60])

    def unknown(file: Path) -> None:
        file.parent.rename(file.parent.with_name("dusk"))

    def folder(file: Path) -> None:
        file.unlink()
        file.mkdir()

    known: dict[str, Callable[[Path], Any]] = {
        f.__name__: f for f in (small, colour, floats, broken, cut, unknown, folder)
    }
    return known[name]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("small", "theirs/bright/003.png is 8 x 16 grey; the reference is 16 x 16 grey"),
        ("colour", "theirs/bright/003.png is 16 x 16 RGB; the reference is 16 x 16 grey"),
        (
            "floats",
            "theirs/bright/003.png has floating-point pixels (mode F), whose range is unknown: "
            "save it as 8 bit",
        ),
        ("broken", "theirs/bright/003.png is no picture"),
        ("cut", "theirs/bright/003.png "),
        ("unknown", "theirs/dusk: 'dusk' is no class of the reference: dark, dim, light, bright"),
        ("folder", "theirs/bright/003.png is no picture"),
    ],
)
def test_images_that_do_not_fit_are_named(
    run: Path, ganlab: Ganlab, name: str, message: str
) -> None:
    in_folders(real())
    spoil(name)(Path("theirs/bright/003.png"))
    result = ganlab(*EVAL, "--images", "theirs")
    assert (result.exit_code, result.stdout) == (2, "")
    (line,) = result.stderr.splitlines()
    assert line == f"Error: {message}" or (name == "cut" and line.startswith(f"Error: {message}"))
    assert not Path("runs/images").exists()


def test_16_bit_images_are_scaled_to_8(run: Path, ganlab: Ganlab) -> None:
    images = [(array.astype(np.uint16) * 257, label) for array, label in real()]
    result = ganlab(*EVAL, "--images", in_folders(images), "--json")
    assert of_theirs(result)["values"]["tiny"] == [pytest.approx(0, abs=1e-5)]


def test_grey_images_do_not_fit_a_reference_in_colour(ganlab: Ganlab, workplace: Path) -> None:
    (workplace / "plugins").mkdir()
    (workplace / "plugins" / "rainbow.py").write_text(COLOURED)
    result = ganlab(*EVAL, "--images", in_folders(real()), "--reference", "rainbow")
    assert (result.exit_code, result.stderr) == (
        2,
        "Error: theirs/bright/003.png is 16 x 16 grey; the reference is 16 x 16 RGB\n",
    )


COLOURED = '''
import numpy as np
from ganlab import Dataset, Images, hookimpl

class Rainbow(Dataset):
    """Colours."""

    name = "rainbow"

    def read(self, root, split):
        names = ("dark", "dim", "light", "bright")
        images = np.random.default_rng(0).integers(0, 255, (40, 16, 16, 3)).astype(np.uint8)
        return Images(images, np.arange(40) % 4, names)

@hookimpl
def register_datasets():
    return [Rainbow]
'''


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"0.png,0\nlost.png,1\n", "labels.csv:2: there is no flat/lost.png"),
        (b"lost.png,1\n0.png,0\n", "labels.csv:1: there is no flat/lost.png"),
        (b"file,class,x\n", "labels.csv:1: expected two columns, file and class, got 3"),
        (b"0.png\n", "labels.csv:1: expected two columns, file and class, got 1"),
        (b"0.png,dusk\n", "labels.csv:1: 'dusk' is no class of the reference: dark, dim, light, b"),
        (b"0.png,9\n", "labels.csv:1: '9' is no class of the reference: dark, dim, light, bright"),
        ("é.png,0\n".encode("latin-1"), "labels.csv cannot be read: 'utf-8' codec can't decode"),
        (b"", "flat holds no images: put them into a folder for each class, named like the class "),
        (b"file,class\n", "flat holds no images: put them into a folder for each class, named li"),
    ],
)
def test_a_csv_that_does_not_fit_is_named(ganlab: Ganlab, text: bytes, message: str) -> None:
    Path("flat").mkdir()
    Image.fromarray(real()[0][0]).save("flat/0.png")
    Path("labels.csv").write_bytes(text)
    result = ganlab(*EVAL, "--images", "flat", "--labels", "labels.csv", "--reference", "tiny")
    assert (result.exit_code, result.stdout) == (2, "")
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"Error: {message}")


@pytest.mark.parametrize("reference", ["exp", "tiny"])
def test_a_folder_without_images_says_how_to_lay_them_out(
    run: Path, ganlab: Ganlab, reference: str
) -> None:
    (Path("empty") / "dark").mkdir(parents=True)
    result = ganlab(*EVAL, "--images", "empty", "--reference", reference)
    assert (result.exit_code, result.stderr) == (
        2,
        "Error: empty holds no images: put them into a folder for each class, named like the "
        "class (dark, dim, light, ...), or name their classes with --labels\n"
        if reference == "exp"
        else "Error: empty holds no images\n",
    )


@pytest.mark.parametrize("broken", [b"no picture", b"\x89PNG\r\n\x1a\n cut short"])
def test_a_first_image_that_is_broken_is_named_where_its_size_is_asked(
    ganlab: Ganlab, broken: bytes
) -> None:
    Path("theirs/dark").mkdir(parents=True)
    Path("theirs/dark/0.png").write_bytes(broken)
    result = ganlab(*EVAL, "--images", "theirs", "--reference", "tiny")
    assert (result.exit_code, result.stderr) == (
        2,
        "Error: theirs/dark/0.png is no picture\n",
    )


def test_too_few_images_for_a_metric_name_the_minimum(run: Path, ganlab: Ganlab) -> None:
    result = ganlab(*EVAL, "--images", in_folders(real()[:2]))
    assert (result.exit_code, result.stderr.splitlines()[-1]) == (
        2,
        f"Error: tiny needs at least 3 images: {Path('theirs').resolve()} holds 2",
    )


def test_images_that_changed_are_not_scored_as_what_they_were(run: Path, ganlab: Ganlab) -> None:
    ganlab(*EVAL, "--images", in_folders(real()))
    (entry,) = Path("runs/images").iterdir()
    Image.fromarray(real()[1][0]).save("theirs/dark/000.png")
    result = ganlab(*EVAL, "--samples", 20, f"images/{entry.name}")
    assert (result.exit_code, result.stderr.splitlines()[-1]) == (
        1,
        f"Error: {Path('theirs').resolve()} holds other images than when it became "
        f"images/{entry.name}: name it anew with --images",
    )
    assert len(lines(entry)) == 1


@pytest.mark.parametrize(
    ("reference", "code", "message"),
    [
        (None, 1, "say what --images are measured against: --reference <run, experiment or datas"),
        ("nothing", 2, "there is no run 'nothing'; runs below runs: none yet"),
        ("nothing.yaml", 2, "nothing.yaml"),
    ],
)
def test_without_a_reference_there_is_one_clear_line(
    ganlab: Ganlab, reference: str | None, code: int, message: str
) -> None:
    named = () if reference is None else ("--reference", reference)
    result = ganlab(*EVAL, "--images", in_folders(real()), *named)
    assert (result.exit_code, result.stdout) == (code, "")
    assert message in result.stderr
    assert result.stderr.startswith("Error: ")
    assert isinstance(result.exception, SystemExit)


def test_a_run_that_fails_does_not_keep_images_from_the_board(run: Path, ganlab: Ganlab) -> None:
    for file in (run / "checkpoints").iterdir():
        file.write_bytes(file.read_bytes()[:100])
    result = ganlab(*EVAL, "--images", in_folders(real()))
    assert result.exit_code == 0
    assert f"exp/{run.name} is left out" in result.stderr
    assert "images/theirs/" in result.stdout
