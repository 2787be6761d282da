"""The board as an object: rows, and every form of the tables."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from ganlab import Board, Records
from ganlab.evaluation import pages
from ganlab.evaluation.board import Row, Table
from tests.evaluation.boards import ID, entry, small_table, table

TEXT = """\
cnn-mnist-3fa9c1d20b77  N=10,000 against mnist train (60,000 of 28 x 28)  protocol 0123456789ab
     conditioning  fid ↓       kid ↓     acc ↑     seeds   img/s  minutes  GB   Mparam
1    cbn           2.5 ± 0.71  0.25 ± 0  0.75 ± 0  2       2,000  10       1.5  1.5     \
dull (1 of 2)
2 ~  =a|b <i>      12.35       -         -0.5      1 seed  -      -        -    -
real images, held out (10,000 against 60,000): fid 0.5  acc 0.99
~ cannot be told apart from the row above (Welch's t, p > 0.05; or a single seed)
warning: scores here come from different device: cpu, cuda"""


def one_seed(variant: str, fid: float) -> Row:
    return Row([entry(Path(f"runs/exp/{variant}"), {"fid": {"fid": fid}})], variant=variant)


def fid_table(*fids: float, choice: str = "last") -> Table:
    rows = [one_seed(f"v{number}", fid) for number, fid in enumerate(fids, start=1)]
    return table(rows, choice=choice, metrics={"fid": False}, real_baselines={})


def test_a_board_is_its_tables_and_their_rows() -> None:
    tables = [small_table(), fid_table(1.0)]
    board = Board(tables)
    assert list(board) == tables
    assert (len(board), board[1]) == (2, tables[1])
    assert [row.variant for one in board for row in one.rows] == ["cbn", "=a|b <i>", "v1"]


def test_rows_are_flat_records_with_means_spread_and_costs() -> None:
    first, second = Board([small_table()]).rows
    assert first == {
        "protocol_id": ID,
        "weights_of": "last",
        "rank": 1,
        "tied": False,
        "variant_of": "conditioning",
        "variant": "cbn",
        "experiment": "exp/aaaaaa",
        "seeds": [0, 1],
        "fid": 2.5,
        "fid_sd": pytest.approx(0.5**0.5),
        "kid": 0.25,
        "kid_sd_over_seeds": 0.0,
        "kid_sd": 0.5,
        "kid_sd_sd": 0.0,
        "acc": 0.75,
        "acc_sd": 0.0,
        "flags": ["dull (1 of 2)"],
        "images_per_second": 2000.0,
        "seconds": 600.0,
        "peak_memory_bytes": 1.5e9,
        "parameters": 1.5e6,
        "runs": ["runs/exp/aaaaaa-s0", "runs/exp/aaaaaa-s1"],
    }
    assert list(second) == list(first)
    assert second == dict.fromkeys(first) | {
        "protocol_id": ID,
        "weights_of": "last",
        "rank": 2,
        "tied": True,
        "variant_of": "conditioning",
        "variant": "=a|b <i>",
        "experiment": "=SUM(1|2)/aaaaaa",
        "seeds": [0],
        "fid": 12.3456,
        "acc": -0.5,
        "flags": [],
        "runs": ["runs/images/x"],
    }


def test_rows_of_all_tables_have_the_same_keys() -> None:
    rows = Board([small_table(), fid_table(1.0, choice="best")]).rows
    assert isinstance(rows, Records)
    assert len({tuple(row) for row in rows}) == 1
    assert [(row["weights_of"], row["variant"], row["kid"]) for row in rows] == [
        ("last", "cbn", 0.25),
        ("last", "=a|b <i>", None),
        ("best", "v1", None),
    ]


def test_a_board_becomes_a_data_frame() -> None:
    pytest.importorskip("pandas")
    frame = Board([small_table()]).to_frame()
    assert frame["fid"].tolist() == [2.5, 12.3456]
    assert frame["kid"].isna().tolist() == [False, True]
    assert frame["seeds"].tolist() == [[0, 1], [0]]


def test_the_text_of_a_board_is_what_the_command_prints() -> None:
    board = Board([small_table()])
    assert str(board) == TEXT
    assert str(Board([*board, *board])) == f"{TEXT}\n\n{TEXT}"


def test_the_other_forms_are_those_of_the_command() -> None:
    tables = [small_table()]
    board = Board(tables)
    assert board.to_markdown() == pages.to_markdown(tables)
    assert board.to_csv() == pages.to_csv(tables)
    assert board.to_html() == pages.to_html(tables)
    assert json.loads(board.to_json()) == [json.loads(json.dumps(tables[0].as_data()))]


def test_csv_is_the_rows_with_lists_as_text() -> None:
    (first, _) = csv.DictReader(Board([small_table()]).to_csv().splitlines())
    assert (first["seeds"], first["tied"]) == ("2", "false")
    assert first["runs"] == "runs/exp/aaaaaa-s0; runs/exp/aaaaaa-s1"
    assert first["flags"] == "dull (1 of 2)"


@pytest.mark.parametrize(
    ("tables", "text"),
    [
        ([], "Board(no rows)"),
        ([fid_table(28.25)], "Board(1 row: fid v1 28.25)"),
        ([small_table()], "Board(2 rows: fid cbn 2.5 ± 0.71, =a|b <i> 12.35)"),
        ([fid_table(1, 2, 3)], "Board(3 rows: fid v1 1, v2 2, v3 3)"),
        ([fid_table(1, 2, 3, 4)], "Board(4 rows: fid v1 1, v2 2, v3 3, ...)"),
        ([fid_table(1), fid_table(2)], "Board(2 tables, 2 rows: fid v1 1; fid v1 2)"),
    ],
)
def test_a_board_names_its_best_rows(tables: list[Table], text: str) -> None:
    assert repr(Board(tables)) == text


def test_a_notebook_displays_each_table_escaped_and_without_a_script() -> None:
    hostile = replace(small_table(), warnings=["<script>alert(1)</script>"])
    text = Board([hostile, fid_table(1.0)])._repr_html_()
    assert text.count("<table>") == 2
    assert "<script" not in text
    assert "<td>=a|b &lt;i&gt;</td>" in text
    assert re.findall(r"<li>(.*?)</li>", text) == [
        "real images, held out (10,000 against 60,000): fid 0.5  acc 0.99",
        "~ cannot be told apart from the row above (Welch&#x27;s t, p &gt; 0.05; or a single seed)",
        "warning: &lt;script&gt;alert(1)&lt;/script&gt;",
    ]
    assert re.findall(r"<th>(.*?)</th>", text)[:3] == ["", "conditioning", "fid ↓"]
    assert f"protocol {ID}</strong>" in text
