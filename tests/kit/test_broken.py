"""A plugin with a fault fails by exactly the line that names it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import TINY
from tests.kit.broken import BROKEN, latent, regularizer
from tests.kit.helpers import checked, write_plugin


@pytest.mark.parametrize("fault", BROKEN)
def test_each_fault_has_its_line(tmp_path: Path, fault: str) -> None:
    broken = BROKEN[fault]
    module = f"broken_{fault.replace(' ', '_')}"
    file = write_plugin(tmp_path, module, broken.kind, "Part", broken.source)
    report = checked(file)
    name = "My_Part" if fault == "illegal name" else "part"
    expected = [f"{module}: {broken.kind} '{name}': {broken.expected}"]
    if broken.expected.startswith("read('train')"):  # both splits have the fault
        expected.append(expected[0].replace("'train'", "'test'"))
    assert list(map(str, report.failures)) == expected
    assert not report.ok


def test_every_fault_is_reported_at_once_and_what_follows_from_one_is_not(tmp_path: Path) -> None:
    source = latent("return z", "self.out_features += 1").replace(
        'name = "part"', 'name = "part"\n    std: float = 1.0'
    )
    report = checked(write_plugin(tmp_path, "broken_twice", "conditioning", "Part", source))
    assert str(report) == (
        "conditioning 'part' (broken_twice)\n"
        "  ✓ name and description\n"
        "  ✗ options: 1 documented, unchanged by YAML\n"
        "      option 'std': expected a docstring below it, got nothing\n"
        "  ✗ sites: latent: shapes for 1, 2 and 5 images, 2 and 10 classes\n"
        "      latent(): expected shape (1, 17) for 1 image, 2 classes, got shape (1, 16)\n"
        "  - labels: skipped, fix the failures above first\n"
        "  - gradients: skipped, fix the failures above first\n"
        "  - seed: skipped, fix the failures above first\n"
        "  - terms: skipped, fix the failures above first\n"
        "  - rules: skipped, fix the failures above first\n"
        "  - resume: skipped, fix the failures above first\n"
        "  - training: skipped, fix the failures above first"
    )


def test_a_fault_that_shows_beside_one_partner_only_names_it(tmp_path: Path) -> None:
    source = regularizer(
        "def d_terms(self, step, state):\n"
        "    if any(p.component.kind == 'augmentation' for p in step.components):\n"
        "        raise RuntimeError('not with that')\n"
        "    return {}"
    )
    file = write_plugin(tmp_path, "broken_beside", "regularizer", "Part", source)
    report = checked(file, partners=[TINY])
    assert list(map(str, report.failures)) == [
        "broken_beside: regularizer 'part': beside augmentation 'tiny': expected 2 steps in fp32, "
        "got RuntimeError: not with that (line 15)"
    ]


def test_a_partner_that_is_broken_itself_is_no_fault_of_the_subject(tmp_path: Path) -> None:
    source = "def d_terms(self, step, state):\n    raise RuntimeError('always')"
    folder = tmp_path / "partners"
    write_plugin(folder, "broken_partner", "regularizer", "Part", regularizer(source))
    good = latent("return z + self.embed(y)")
    file = write_plugin(tmp_path, "good_subject", "conditioning", "Part", good)
    report = checked(file, partners=[folder])
    assert report.ok
    assert report.groups[-1].note == (
        "2 steps in fp32 and bf16 beside 0 partners; 1 partners fail without it"
    )
