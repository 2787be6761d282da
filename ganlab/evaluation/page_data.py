"""The data of a leaderboard page, formatted for its template."""

from __future__ import annotations

import math
import re
import shlex
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ganlab.evaluation import formatting, score_log
from ganlab.evaluation.board import COSTS, Entry, Row, Table
from ganlab.evaluation.page_chart import Chart, draw
from ganlab.evaluation.page_pictures import Album, Picture

EXPLAINED = {
    "ignores labels": "Its images fit the wanted classes hardly more often than by chance: the "
    "generator makes no use of the label, which FID does not see.",
    "memorizes": "Its images are closer to training images than real images that were held out: "
    "it repeats what it has seen.",
}
ARROWS = {True: ("↑", "higher is better"), False: ("↓", "lower is better"), None: ("", "")}
CHEAPER: dict[str, bool | None] = {
    "images_per_second": True,
    "seconds": False,
    "peak_memory_bytes": False,
    "parameters": None,
}
COST_TITLES = (
    "real images shown to the discriminator, per second of training",
    "minutes of training, over all sessions",
    "largest memory use while training, in 10^9 bytes",
    "parameters of all networks, in millions",
)


@dataclass(frozen=True)
class Heading:
    name: str
    title: str = ""
    arrow: str = ""
    direction: str = ""
    first: str = "ascending"
    """The sort order of the first click, which puts the best value on top."""

    numeric: bool = True


@dataclass(frozen=True)
class Cell:
    text: str
    value: str = ""
    """The number to sort by; empty for a cell without a number."""

    title: str = ""
    best: bool = False


@dataclass(frozen=True)
class RunView:
    """One run of a row."""

    name: str
    folder: str
    seed: int
    steps: str
    values: list[str]
    command: str
    pictures: list[Picture]
    pictures_at: str
    """The id of the row that shows the pictures of this run, if it is another row."""


@dataclass(frozen=True)
class RowView:
    id: str
    rank: int
    tied: str
    """The explanation of the mark ~; empty without a mark."""

    variant: str
    experiment: str
    flags: list[tuple[str, str]]
    cells: list[Cell]
    """Scores, number of training seeds, and costs."""

    value_names: list[str]
    runs: list[RunView]


@dataclass(frozen=True)
class TableView:
    id: str
    title: str
    measured: list[str]
    protocol: list[tuple[str, str]]
    headings: list[Heading]
    rows: list[RowView]
    real_baselines: list[tuple[str, list[str]]]
    notes: list[str]
    chart: Chart | None


@dataclass(frozen=True)
class PageView:
    tables: list[TableView]
    notes: list[str] = field(default_factory=list)


def page_of(tables: Sequence[Table], album: Album | None = None) -> PageView:
    """Return the content of the page: pictures of the best-ranked runs, and all numbers."""
    album = album or Album()
    pictures = _fill(album, tables)
    views = [_table(f"t{n}", table, album, pictures) for n, table in enumerate(tables, start=1)]
    notes = []
    if album.left_out:
        runs = len(album.taken) + len(album.left_out)
        notes.append(
            f"Pictures are those of the {len(album.taken):,} best-ranked of {runs:,} runs, to keep "
            "this page small; the others are in the runs' folders."
        )
    return PageView(views, notes)


def _fill(album: Album, tables: Sequence[Table]) -> dict[tuple[str, Path], list[Picture]]:
    """Return the pictures to show, by row id and run folder."""
    places = [
        (row.rank, f"t{n}r{row.rank}", entry.folder)
        for n, table in enumerate(tables, start=1)
        for row in table.rows
        for entry in row.entries
    ]
    places.sort(key=lambda place: place[0])  # stable: tables and seeds stay in order
    return {(at, folder): album.take(folder, place=at) for _, at, folder in places}


def _table(
    name: str, table: Table, album: Album, pictures: Mapping[tuple[str, Path], list[Picture]]
) -> TableView:
    p = table.protocol
    measured = [
        f"{p['samples']:,} generated images against {p['reference_images']:,} real ones",
        f"extractor {p['extractor']}",
        f"protocol {table.protocol_id}",
        *formatting.unusual(table),
    ]
    best = _best(table)
    names = [(metric, v) for metric in table.metrics for v in formatting.value_names(table, metric)]
    return TableView(
        id=name,
        title=f"{p['dataset']} {p['split']}, {p['image_size']} × {p['image_size']}",
        measured=measured,
        protocol=[(key.replace("_", " "), str(value)) for key, value in p.items()],
        headings=list(_headings(table)),
        rows=[_row(name, table, row, names, best, album, pictures) for row in table.rows],
        real_baselines=[
            (
                f"real images, {what} ({formatting.baseline_counts(metrics)})",
                [f"{metrics[m][m]:.4g}" if m in metrics else "" for m in table.metrics],
            )
            for what, metrics in table.real_baselines.items()
        ],
        notes=[f"warning: {warning}" for warning in table.warnings],
        chart=_chart(table),
    )


def _headings(table: Table) -> Iterator[Heading]:
    yield Heading("rank")
    yield Heading(table.heading, numeric=False)
    for name, higher in table.metrics.items():
        arrow, direction = ARROWS[higher]
        first = "descending" if higher else "ascending"
        yield Heading(name, title=direction, arrow=arrow, direction=direction, first=first)
    yield Heading("seeds", title="how many training seeds the means are over", first="descending")
    for name, key, title in zip(formatting.COSTS, COSTS, COST_TITLES, strict=True):
        yield Heading(name, title=title, first="descending" if CHEAPER[key] else "ascending")


def _row(
    table_id: str,
    table: Table,
    row: Row,
    names: Sequence[tuple[str, str]],
    best: Mapping[str, float],
    album: Album,
    pictures: Mapping[tuple[str, Path], list[Picture]],
) -> RowView:
    at = f"{table_id}r{row.rank}"
    return RowView(
        id=at,
        rank=row.rank,
        tied=formatting.TIED if row.tied else "",
        variant=row.variant,
        experiment=row.experiment,
        flags=[(flag, _explained(flag)) for flag in row.flags],
        cells=[
            *(_score(row, metric, best) for metric in table.metrics),
            Cell(str(len(row.seeds)), str(len(row.seeds))),
            *(
                _number(text, row.costs[name], best.get(name))
                for name, text in formatting.costs(row).items()
            ),
        ],
        value_names=[value for _, value in names],
        runs=[
            RunView(
                name=entry.name,
                folder=str(entry.folder),
                seed=entry.info["seed"],
                steps=_steps(entry),
                values=[_value(entry, metric, value) for metric, value in names],
                command=_command(entry),
                pictures=pictures[at, entry.folder],
                pictures_at=place if (place := album.taken.get(entry.folder, at)) != at else "",
            )
            for entry in row.entries
        ],
    )


def _score(row: Row, metric: str, best: Mapping[str, float]) -> Cell:
    told = [
        f"seed {entry.info['seed']}: {said}"
        for entry in row.entries
        if (said := _value(entry, metric, metric))
    ]
    return _number(
        formatting.cell(row, metric),
        _mean(row, metric),
        best.get(metric),
        title="\n".join(told),
    )


def _number(text: str, value: float | None, best: float | None, *, title: str = "") -> Cell:
    known = value is not None and math.isfinite(value)
    return Cell(text, repr(value) if known else "", title, best=known and value == best)


def _mean(row: Row, metric: str) -> float | None:
    values = row.values(metric)
    return statistics.fmean(values) if values else None


def _best(table: Table) -> dict[str, float]:
    """Return the best value of each column that has a direction and different values."""
    columns = {metric: [_mean(row, metric) for row in table.rows] for metric in table.metrics}
    columns |= {name: [row.costs[name] for row in table.rows] for name in COSTS}
    directions = table.metrics | CHEAPER
    found = {}
    for name, values in columns.items():
        known = [value for value in values if value is not None and math.isfinite(value)]
        higher = directions[name]
        if higher is not None and len(set(known)) > 1:
            found[name] = max(known) if higher else min(known)
    return found


def _value(entry: Entry, metric: str, value: str) -> str:
    values = entry.answer.get(metric, {}).get("values", {}).get(value, [])
    return f"{statistics.fmean(values):.4g}" if values else ""


def _explained(flag: str) -> str:
    """Return the explanation of a flag, with or without a number of seeds in its text."""
    return EXPLAINED.get(re.sub(r" \(\d+ of \d+\)$", "", flag), "")


def _steps(entry: Entry) -> str:
    steps = entry.checkpoint.get("steps")
    return f"{steps:,}" if steps is not None else ""


def _command(entry: Entry) -> str:
    """Return the shell command that trained a run; empty if it was not ``ganlab run``."""
    for session in entry.info.get("sessions", [])[:1]:
        words = session.get("argv", [])
        if "run" in words:
            return shlex.join(["ganlab", *map(str, words)])
    return ""


def _chart(table: Table) -> Chart | None:
    """Return a chart of the recorded scores of the first metric, best rank first."""
    first = next(iter(table.metrics))
    curves = []
    for row in table.rows:
        histories = (
            score_log.history(score_log.read(entry.folder), table.protocol_id)
            for entry in row.entries
        )
        curves.append((row.variant, [history.get(first, []) for history in histories]))
    return draw(first, curves)
