"""The page in a real browser: the system's chromium. Nothing is downloaded."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ganlab.evaluation.board import Row, Table
from ganlab.evaluation.pages import to_html
from tests.evaluation.boards import entry, table, with_history, with_pictures

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
REQUIRED = "CI" in os.environ or os.environ.get("GANLAB_REQUIRE_BROWSER") == "1"
pytestmark = pytest.mark.skipif(
    CHROMIUM is None and not REQUIRED, reason="there is no chromium: apt install chromium"
)
COLUMNS = ("rank", "conditioning", "fid", "kid", "acc", "seeds", "img/s")


@dataclass
class Shown:
    """The page, what it wrote to the console, and where else it wanted to go."""

    page: Any
    console: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def order(self, number: int = 0) -> list[str]:
        """Return the first column of a table, from top to bottom; hidden rows are not there."""
        cells = (
            self.page.locator("table.board").nth(number).locator("tr.row:visible td:first-child")
        )
        return [text.strip(" ~") for text in cells.all_inner_texts()]

    def heading(self, name: str) -> Any:
        return self.page.locator("table.board").first.locator("thead th").nth(COLUMNS.index(name))

    def sorted_by(self) -> dict[int, str]:
        """Return aria-sort of those headings of the first table that have it."""
        found = (
            self.page.locator("table.board")
            .first.locator("thead th")
            .evaluate_all("all => all.map(th => th.getAttribute('aria-sort'))")
        )
        return {column: order for column, order in enumerate(found) if order}


def board(folder: Path) -> list[Table]:
    """Four rows whose numbers sort otherwise than their texts, two of them without an accuracy."""
    given: list[tuple[str, dict[str, float], list[str]]] = [
        ("cbn", {"fid": 2.0, "acc": 0.9}, []),
        ("<script>alert(1)</script>", {"fid": 9.0}, ["ignores labels", "a new flag"]),
        ("adain", {"fid": 10.0, "acc": 0.95}, []),
        ("concat", {"fid": 100.0}, []),
    ]
    rows = []
    for i, (name, scores, flags) in enumerate(given):
        run = with_history(with_pictures(folder / f"run{i}"), scores=[200.0, 100.0, scores["fid"]])
        made = entry(
            run,
            {metric: {metric: value} for metric, value in scores.items()},
            experiment=name,
            flags=flags,
            known=i != 1,
            argv=["run", "exp.yaml"],
        )
        rows.append(Row([made], variant=name))
    other = Row([entry(folder / "nothing", {"fid": {"fid": 1.0}}, experiment="other")], "other")
    return [table(rows), table([other])]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    assert CHROMIUM is not None, "there is no chromium, and the tests must run"
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def shown(browser: Any, tmp_path: Path) -> Iterator[Shown]:
    """Open the page, at 360 pixels; it must neither complain nor ask for anything."""
    file = tmp_path / "board.html"
    file.write_text(to_html(board(tmp_path)))
    context = browser.new_context(viewport={"width": 360, "height": 740})
    shown = Shown(context.new_page())

    def route(asked: Any) -> None:
        if asked.request.url == file.as_uri():
            asked.continue_()
        else:
            shown.requests.append(asked.request.url)
            asked.abort()

    context.route("**/*", route)
    shown.page.on("console", lambda message: shown.console.append(message.text))
    shown.page.on("pageerror", lambda error: shown.console.append(str(error)))
    shown.page.on("dialog", lambda dialog: (shown.console.append("dialog"), dialog.dismiss()))
    shown.page.goto(file.as_uri())
    yield shown
    context.close()
    assert (shown.console, shown.requests) == ([], [])


def test_a_click_sorts_by_numbers_and_another_one_reverses(shown: Shown) -> None:
    assert shown.order() == ["1", "2", "3", "4"]
    assert shown.sorted_by() == {0: "ascending"}
    button = shown.heading("fid").get_by_role("button")
    button.click()
    assert (shown.order(), shown.sorted_by()) == (["1", "2", "3", "4"], {2: "ascending"})
    button.click()
    assert (shown.order(), shown.sorted_by()) == (["4", "3", "2", "1"], {2: "descending"})
    button.click()
    assert (shown.order(), shown.sorted_by()) == (["1", "2", "3", "4"], {2: "ascending"})
    assert shown.order(1) == ["1"]


def test_rows_without_a_value_stay_last_in_both_directions(shown: Shown) -> None:
    button = shown.heading("acc").get_by_role("button")
    button.click()  # higher is better: the best one first
    assert (shown.order(), shown.sorted_by()) == (["3", "1", "2", "4"], {4: "descending"})
    button.click()
    assert (shown.order(), shown.sorted_by()) == (["1", "3", "2", "4"], {4: "ascending"})


def test_names_sort_as_text_and_floors_stay_at_the_bottom(shown: Shown) -> None:
    shown.heading("conditioning").get_by_role("button").click()
    assert shown.order() == ["2", "3", "1", "4"]
    lines = shown.page.locator("table.board").first.locator("> *")
    tags = [tag.lower() for tag in lines.evaluate_all("all => all.map(e => e.tagName)")]
    assert tags == ["thead", "tbody", "tbody", "tbody", "tbody", "tfoot"]
    more = shown.page.locator("table.board").first.locator("tbody summary").all_inner_texts()
    assert [text.split("/")[0] for text in more][1:] == ["adain", "cbn", "concat"]


@pytest.mark.parametrize("key", ["Enter", "Space"])
def test_the_keyboard_sorts_too(shown: Shown, key: str) -> None:
    shown.heading("conditioning").get_by_role("button").focus()
    shown.page.keyboard.press("Tab")
    shown.page.keyboard.press(key)
    shown.page.keyboard.press(key)
    assert (shown.order(), shown.sorted_by()) == (["4", "3", "2", "1"], {2: "descending"})


def test_the_filter_hides_rows_whose_text_does_not_match(shown: Shown) -> None:
    field = shown.page.get_by_label("Filter rows")
    field.fill("IGNORES")
    assert (shown.order(), shown.order(1)) == (["2"], [])
    assert shown.page.locator("output").inner_text() == "1 of 5 rows"
    field.fill("C  aaaaaa-s0")
    shown.heading("fid").get_by_role("button").dblclick()
    assert shown.order() == ["4", "2", "1"]
    field.fill("")
    assert shown.page.locator("output").inner_text() == ""
    assert shown.order(1) == ["1"]


def test_a_row_opens_and_shows_its_pictures_and_its_command(shown: Shown) -> None:
    row = shown.page.locator("#t1r1")
    assert not row.locator("img").first.is_visible()
    row.locator("summary").click()
    widths = row.locator("img").evaluate_all("all => all.map(image => image.naturalWidth)")
    assert widths == [20, 30, 40, 50]
    assert row.locator("img").first.is_visible()
    assert row.locator("pre").inner_text() == "ganlab run exp.yaml"
    assert row.locator(".runs tbody tr").inner_text().split() == [
        "cbn/aaaaaa-s0",
        "0",
        "12,000",
        "2",
        "0.9",
    ]


def test_flags_explain_themselves_and_names_are_text(shown: Shown) -> None:
    unknown, known = shown.page.locator(".flag").all()
    assert known.inner_text() == "ignores labels"
    assert "no use of the label" in (known.get_attribute("title") or "")
    assert (unknown.inner_text(), unknown.get_attribute("title")) == ("a new flag", None)
    assert shown.page.get_by_role("rowheader", name="<script>alert(1)</script>").count() > 0


def test_the_protocol_opens_and_tells_every_field(shown: Shown) -> None:
    protocol = shown.page.locator("details.protocol").first
    protocol.locator("summary").click()
    told = protocol.inner_text()
    assert all(str(value) in told for value in table([]).protocol.values())


@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_is_wider_than_the_window_with_everything_open(shown: Shown, width: int) -> None:
    shown.page.set_viewport_size({"width": width, "height": 740})
    shown.page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
    assert shown.page.evaluate("document.documentElement.scrollWidth") == width
    assert shown.page.locator(".chart svg").first.bounding_box()["height"] > 100


def test_the_headings_of_a_long_table_stay_when_it_scrolls(browser: Any, tmp_path: Path) -> None:
    rows = [Row([entry(tmp_path, {"fid": {"fid": float(i)}})], variant=str(i)) for i in range(60)]
    page = browser.new_page(viewport={"width": 1280, "height": 740})
    page.set_content(to_html([table(rows)]))
    heading, row = page.locator("thead th").first, page.locator("tr.row").first
    before = heading.bounding_box(), row.bounding_box()["y"]
    page.locator(".box").first.evaluate("box => box.scrollTo(0, 500)")
    assert (heading.bounding_box(), row.bounding_box()["y"]) == (before[0], before[1] - 500)
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_in_both_schemes(shown: Shown, scheme: str) -> None:
    shown.page.emulate_media(color_scheme=scheme)
    ink, paper = (
        shown.page.evaluate(f"getComputedStyle(document.body).{name}")
        for name in ("color", "backgroundColor")
    )
    assert _contrast(ink, paper) > 7


def _contrast(a: str, b: str) -> float:
    """Return the contrast ratio of WCAG 2 of two CSS colours."""

    def luminance(colour: str) -> float:
        channels = [int(part) / 255 for part in colour.strip("rgb()").split(",")]
        linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)
