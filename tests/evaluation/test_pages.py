"""The leaderboard as CSV, as Markdown, and as a page; a browser looks at it in the next file."""

from __future__ import annotations

import base64
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganlab.evaluation.board import Row
from ganlab.evaluation.page_chart import draw
from ganlab.evaluation.page_data import page_of
from ganlab.evaluation.page_pictures import Album
from ganlab.evaluation.pages import to_csv, to_html, to_markdown
from tests.evaluation.boards import ID, entry, small_table, table, with_history, with_pictures

CSV = f"""\
protocol_id,weights_of,rank,tied,variant_of,variant,experiment,seeds,\
fid,fid_sd,kid,kid_sd_over_seeds,kid_sd,kid_sd_sd,acc,acc_sd,\
flags,images_per_second,seconds,peak_memory_bytes,parameters,runs
{ID},last,1,false,conditioning,cbn,exp/aaaaaa,2,\
2.5,0.7071067811865476,0.25,0.0,0.5,0.0,0.75,0.0,\
dull (1 of 2),2000.0,600.0,1500000000.0,1500000.0,\
runs/exp/aaaaaa-s0; runs/exp/aaaaaa-s1
{ID},last,2,true,conditioning,'=a|b <i>,'=SUM(1|2)/aaaaaa,1,\
12.3456,,,,,,-0.5,,,,,,,runs/images/x"""

MARKDOWN = rf"""
**cnn-mnist-3fa9c1d20b77 N=10,000 against mnist train (60,000 of 28 x 28) protocol {ID}**

|  | conditioning | fid ↓ | kid ↓ | acc ↑ | seeds | img/s | minutes | GB | Mparam |  |
| --: | :-- | --: | --: | --: | --: | --: | --: | --: | --: | :-- |
| 1 | cbn | 2.5 ± 0.71 | 0.25 ± 0 | 0.75 ± 0 | 2 | 2,000 | 10 | 1.5 | 1.5 | dull (1 of 2) |
| 2 ~ | =a\|b \<i\> | 12.35 | - | -0.5 | 1 seed | - | - | - | - |  |

* real images, held out (10,000 against 60,000): fid 0.5 acc 0.99
* ~ cannot be told apart from the row above (Welch's t, p \> 0.05; or a single seed)
* warning: scores here come from different device: cpu, cuda""".lstrip()


def test_csv_is_one_flat_table_of_raw_numbers_and_harmless_texts() -> None:
    assert to_csv([small_table()]) == CSV


def test_csv_holds_the_rows_of_every_table_below_the_columns_of_all() -> None:
    other = table([Row([entry(Path("r"), {"is": {"is": 9.0}})], variant="x")], metrics={"is": True})
    head, *rows = to_csv([small_table(), other]).splitlines()
    assert "acc,acc_sd,is,is_sd,flags" in head
    assert rows[2].startswith(f"{ID},last,1,false,conditioning,x,exp/aaaaaa,1,,,,,,,,,9.0,,,")


def test_markdown_has_arrows_spreads_flags_marks_and_notes() -> None:
    assert to_markdown([small_table()]) == MARKDOWN
    assert to_markdown([small_table(), small_table()]) == f"{MARKDOWN}\n\n{MARKDOWN}"


def test_whatever_users_name_is_text_on_the_page() -> None:
    evil = "<script>alert(1)</script>'\"><img src=x onerror=alert(1)>"
    run = entry(
        Path(evil), {"fid": {"fid": 1.0}}, experiment=evil, flags=[evil], argv=["run", evil]
    )
    page = to_html(
        [
            table(
                [Row([run], variant=evil)],
                heading=evil,
                warnings=[evil],
                choice=evil,
                protocol=small_table().protocol | {"dataset": evil},
            )
        ]
    )
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") > 8


def test_the_page_shows_how_to_train_a_run_again(tmp_path: Path) -> None:
    given = {"fid": {"fid": 1.0}}
    run = entry(tmp_path, given, argv=["run", "exp.yaml", "-s", "loss={type: hinge}"])
    other = entry(tmp_path, given, argv=["-x", "tests"], seed=1)
    page = page_of([table([Row([run, other])])])
    assert [run.command for run in page.tables[0].rows[0].runs] == [
        "ganlab run exp.yaml -s 'loss={type: hinge}'",
        "",
    ]


def test_pictures_are_the_newest_samples_the_curves_and_those_of_metrics(tmp_path: Path) -> None:
    folder = with_pictures(tmp_path / "run")
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (folder / "text.png").write_text("<svg onload='alert(1)'/>")
    pictures = Album().take(folder, place="here")
    assert [(p.caption, p.width) for p in pictures] == [
        ("samples, epoch 0002", 20),
        ("losses", 30),
        ("scores", 40),
        ("neighbours", 50),
    ]
    prefix, data = pictures[0].uri.split(",")
    assert prefix == "data:image/png;base64"
    assert base64.b64decode(data) == (folder / "samples" / "epoch-0002.png").read_bytes()
    assert Album().take(tmp_path / "nowhere", place="here") == []


def test_large_pictures_are_made_smaller(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (700, 1200, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "big.png")
    (picture,) = Album().take(tmp_path, place="here")
    assert (picture.width, picture.height) == (900, 525)
    assert picture.uri.startswith("data:image/jpeg;base64,/9j/")
    assert len(picture.uri) < (tmp_path / "big.png").stat().st_size / 2


def test_pictures_are_those_of_the_best_ranked_runs_and_the_page_says_so(tmp_path: Path) -> None:
    runs = [
        entry(with_pictures(tmp_path / str(i)), {"fid": {"fid": float(i)}}, experiment=f"e{i}")
        for i in range(5)
    ]
    tables = [table([Row([run]) for run in runs[:3]]), table([Row([run]) for run in runs[3:]])]
    page = page_of(tables, Album(runs=3))
    shown = [[len(row.runs[0].pictures) for row in view.rows] for view in page.tables]
    assert shown == [[4, 4, 0], [4, 0]]
    assert page.notes == [
        "Pictures are those of the 3 best-ranked of 5 runs, to keep this page small; the others "
        "are in the runs' folders."
    ]
    assert page_of(tables).notes == []
    assert page_of(tables, Album(total_bytes=1)).tables[1].rows[0].runs[0].pictures == []


def test_a_run_in_two_tables_brings_its_pictures_once(tmp_path: Path) -> None:
    run = entry(with_pictures(tmp_path / "run"), {"fid": {"fid": 1.0}})
    page = to_html([table([Row([run])]), table([Row([run])])])
    assert page.count("data:image/png") == 4
    assert page.count('<a href="#t1r1">') == 1


def test_the_best_value_of_a_column_is_marked_where_they_differ() -> None:
    rows = page_of([small_table()]).tables[0].rows
    assert [cell.text for cell in rows[0].cells if cell.best] == ["2.5 ± 0.71", "0.75 ± 0"]
    assert not any(cell.best for cell in rows[1].cells)


def test_the_chart_has_a_line_for_each_run_in_its_rows_colour(tmp_path: Path) -> None:
    rows = []
    for i in range(9):
        folder = with_history(tmp_path / str(i), scores=[100.0 + i, 30.0, 2.0])
        rows.append(Row([entry(folder, {"fid": {"fid": 2.0}})], variant=f"v{i}"))
    chart = page_of([table(rows)]).tables[0].chart
    assert chart is not None
    assert chart.logarithmic
    assert [line.style for line in chart.lines] == [f"c{i}" for i in range(7)] + ["other"] * 2
    assert [tick.label for tick in chart.y_ticks] == ["2", "5", "10", "20", "50", "100", "200"]
    assert [tick.label for tick in chart.x_ticks] == ["0", "1", "2", "3"]
    assert "2 more" in to_html([table(rows)])


def test_a_chart_is_to_scale() -> None:
    chart = draw("fid", [("a", [[(0, 10), (10, 0)]]), ("b", [[(5, 5)], []])])
    assert chart is not None
    left, right, top, bottom = chart.left, chart.right, chart.top, chart.bottom
    assert chart.lines[0].paths == [f"{left:.1f},{top:.1f} {right:.1f},{bottom:.1f}"]
    assert chart.lines[1].paths == [f"{(left + right) / 2:.1f},{(top + bottom) / 2:.1f}"]


@pytest.mark.parametrize("curve", [[], [(1.0, 2.0)], [(1.0, float("nan")), (2.0, 3.0)]])
def test_there_is_no_chart_of_single_points(curve: list[tuple[float, float]]) -> None:
    assert draw("fid", [("a", [curve])]) is None


@pytest.mark.parametrize(("low", "high"), [(0.0, 0.0), (-3.0, -1.0), (1e-9, 1e-3), (5.0, 5.0)])
def test_a_chart_of_odd_numbers_stays_inside(low: float, high: float) -> None:
    chart = draw("x", [("a", [[(1.0, low), (2.0, high)]])])
    assert chart is not None
    assert 2 <= len(chart.y_ticks) <= 12
    for point in chart.lines[0].paths[0].split():
        x, y = map(float, point.split(","))
        assert chart.left <= x <= chart.right
        assert chart.top <= y <= chart.bottom


def test_the_page_names_nothing_outside_itself(tmp_path: Path) -> None:
    run = entry(with_pictures(tmp_path / "run"), {"fid": {"fid": 1.0}})
    links = re.findall(r'(?:src|href|url)[=(]"?([^">)]*)', to_html([table([Row([run])])]))
    assert len(links) == 5
    assert all(link.startswith("data:") for link in links)


def test_no_form_of_the_board_needs_torch() -> None:
    code = (
        "import sys\n"
        "from ganlab.evaluation.pages import to_csv, to_html, to_markdown\n"
        "from tests.evaluation.boards import small_table\n"
        "for form in (to_csv, to_html, to_markdown):\n"
        "    assert form([small_table()])\n"
        "assert 'torch' not in sys.modules\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parents[2], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
