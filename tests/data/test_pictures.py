"""Pictures of every mode come out as one thinks they look."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from ganlab.data.pictures import decode_picture
from ganlab.data.prepare import prepare
from ganlab.errors import DataError
from tests.data.given import given


def saved(picture: Image.Image, path: Path, **options: Any) -> Image.Image:
    picture.save(path, **options)
    return Image.open(path)


def plain(mode: str, colour: Any) -> Image.Image:
    return Image.new(mode, (3, 2), colour)


@pytest.mark.parametrize(
    ("mode", "colour", "expected"),
    [
        ("1", 1, [255]),
        ("L", 77, [77]),
        ("LA", (77, 255), [77]),
        ("LA", (77, 0), [255]),
        ("RGB", (10, 20, 30), [10, 20, 30]),
        ("RGBA", (10, 20, 30, 255), [10, 20, 30]),
        ("RGBA", (10, 20, 30, 0), [255, 255, 255]),
        ("RGBA", (0, 100, 200, 51), [204, 224, 244]),  # a fifth of the colour on white
        ("I;16", 65535, [255]),
        ("I;16", 257 * 100, [100]),
        ("I;16", 255, [1]),
    ],
)
def test_png_of_every_mode(tmp_path: Path, mode: str, colour: Any, expected: list[int]) -> None:
    array = decode_picture(saved(plain(mode, colour), tmp_path / "a.png"))
    assert array.shape == (2, 3, len(expected))
    assert (array == expected).all()


def test_a_palette_picture_is_in_colour_unless_its_pixels_are_grey(tmp_path: Path) -> None:
    red = plain("RGB", (255, 0, 0)).convert("P")
    grey = plain("RGB", (51, 51, 51)).convert("P")
    assert (decode_picture(saved(red, tmp_path / "red.png")) == [255, 0, 0]).all()
    assert decode_picture(saved(grey, tmp_path / "grey.png")).tolist() == [[[51]] * 3] * 2
    assert decode_picture(saved(plain("L", 9), tmp_path / "grey.gif")).tolist() == [[[9]] * 3] * 2


def test_a_transparent_palette_entry_becomes_white(tmp_path: Path) -> None:
    picture = plain("P", 0)
    picture.putpalette([255, 0, 0, 0, 0, 255])
    picture.putpixel((0, 0), 1)
    array = decode_picture(saved(picture, tmp_path / "a.png", transparency=0))
    assert array[0, 0].tolist() == [0, 0, 255]
    assert array[1, 2].tolist() == [255, 255, 255]


def test_a_transparent_key_colour_becomes_white(tmp_path: Path) -> None:
    assert (decode_picture(saved(plain("L", 7), tmp_path / "a.png", transparency=7)) == [255]).all()
    colour = saved(plain("RGB", (1, 2, 3)), tmp_path / "b.png", transparency=(1, 2, 3))
    assert (decode_picture(colour) == [255, 255, 255]).all()


def test_cmyk_jpeg_becomes_rgb(tmp_path: Path) -> None:
    array = decode_picture(saved(plain("CMYK", (0, 255, 255, 0)), tmp_path / "a.jpg", quality=95))
    assert np.abs(array.astype(int) - [255, 0, 0]).max() <= 3


def test_exif_orientation_is_applied(tmp_path: Path) -> None:
    picture = Image.new("L", (16, 8), 0)
    picture.paste(255, (0, 0, 8, 8))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by 90 degrees
    array = decode_picture(saved(picture, tmp_path / "a.jpg", exif=exif, quality=95))
    assert array.shape == (16, 8, 1)
    assert array[:8].min() > 200
    assert array[8:].max() < 50


@pytest.mark.parametrize("ending", ["bmp", "webp", "tiff", "gif", "png", "jpg"])
def test_every_format_can_be_read(tmp_path: Path, ending: str) -> None:
    options = {"lossless": True} if ending == "webp" else {}
    array = decode_picture(
        saved(plain("RGB", (200, 200, 200)), tmp_path / f"a.{ending}", **options)
    )
    assert array.shape[:2] == (2, 3)
    assert (array == 200).all()


def test_the_first_picture_of_an_animation_is_taken(tmp_path: Path) -> None:
    frames = [plain("RGB", (255, 0, 0)), plain("RGB", (0, 0, 255))]
    picture = saved(frames[0], tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert (decode_picture(picture) == [255, 0, 0]).all()


def test_colour_can_be_made_grey_and_grey_made_colour() -> None:
    assert decode_picture(plain("RGB", (255, 0, 0)), channels=1).tolist() == [[[76]] * 3] * 2
    assert decode_picture(plain("L", 9), channels=3).tolist() == [[[9] * 3] * 3] * 2


def test_floating_point_pixels_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        decode_picture(saved(plain("F", 0.5), tmp_path / "a.tiff"))
    assert str(error.value) == (
        f"{tmp_path}/a.tiff has floating-point pixels (mode F), whose range is unknown: "
        "save it as 8 bit"
    )


def test_a_truncated_picture_is_refused_by_name(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    for ending, reason in (
        ("jpg", "image file is truncated (5 bytes not processed)"),
        ("png", "image file is truncated"),
    ):
        file = tmp_path / f"a.{ending}"
        Image.fromarray(noise).save(file)
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
        with pytest.raises(DataError) as error:
            decode_picture(Image.open(file))
        message, _, _ = str(error.value).partition(" (")
        assert message == f"{file} cannot be decoded: {reason.partition(' (')[0]}"


def test_one_picture_in_colour_makes_all_of_them_three_channels() -> None:
    grey = [Image.new("L", (8, 8), i) for i in range(200)]
    labels = np.arange(200) % 3
    assert prepare(given(grey, labels)).spec.channels == 1
    grey[190] = Image.new("RGB", (8, 8), (1, 2, 3))
    data = prepare(given(grey, labels))
    assert data.images.shape == (200, 3, 8, 8)
    assert data.images[20, :, 0, 0].tolist() == [20, 20, 20]
    assert data.images[190, :, 7, 7].tolist() == [1, 2, 3]
    assert prepare(given(grey, labels, channels=1)).spec.channels == 1


def test_sizes_may_differ_and_order_is_kept() -> None:
    sizes = [(8, 8), (16, 8), (9, 30), (8, 8), (16, 16), (16, 8)]
    pictures = [Image.new("L", size, 40 * i) for i, size in enumerate(sizes)]
    data = prepare(given(pictures, [0, 1, 2, 0, 1, 2]))
    expected = torch.tensor([0, 40, 80, 120, 160, 200], dtype=torch.uint8)
    assert torch.equal(data.images, expected[:, None, None, None].expand(6, 1, 8, 8))


def test_pictures_may_come_one_at_a_time() -> None:
    def stream(n: int) -> Any:
        return (Image.new("L", (8, 8), i) for i in range(n))

    data = prepare(given(stream(6), [0, 1, 2, 0, 1, 2], classes=["owl", "dog"]))
    assert data.images[:, 0, 0, 0].tolist() == [1, 2, 4, 5]
    assert data.labels.tolist() == [1, 0, 1, 0]
    for n in (5, 7):
        with pytest.raises(DataError) as error:
            prepare(given(stream(n), [0, 1, 2, 0, 1, 2]))
        assert str(error.value) == f"there are {n} pictures but 6 labels"
