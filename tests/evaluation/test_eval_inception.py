"""The whole path of published scores, with weights that the test drew: the file a user names."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from click.testing import Result

from tests.evaluation.helpers import lines
from tests.plugins.extractors.weights import random_inception

Ganlab = Callable[..., Result]


@pytest.mark.slow
@pytest.mark.usefixtures("without_companions")
def test_inception_scores_a_run_by_weights_from_a_file(
    run: Path, workplace: Path, ganlab: Ganlab
) -> None:
    file = workplace / "own.pth"
    torch.save(random_inception(), file)
    sha = hashlib.sha256(file.read_bytes()).hexdigest()
    ask = ("eval", "--extractor", "inception", "--weights", file, "-m", "fid", "-m", "is")
    result = ganlab(*ask, "--samples", 20, "--seeds", 1)
    file.unlink()  # 92 MB
    assert result.exit_code == 0, result.output
    (line,) = lines(run)
    title, head, row, *real_baselines = result.stdout.splitlines()
    assert title.startswith(f"{line['protocol']['extractor']}  N=20 against tiny train (40 of ")
    assert sha[:12] in line["protocol"]["extractor"]
    assert head.split()[:5] == ["experiment", "fid", "↓", "is", "↑"]
    fid, inception_score = (line["metrics"][m]["values"][m][0] for m in ("fid", "is"))
    assert row.split()[2:4] == [f"{fid:.4g}", f"{inception_score:.4g}"]
    assert 0 < fid < math.inf
    assert 1 <= inception_score <= 20
    assert len(real_baselines) == 2
