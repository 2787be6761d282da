"""A list of records that becomes a data frame and displays itself in a notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, SupportsIndex, overload

from ganlab.errors import GanlabError
from ganlab.results import html

if TYPE_CHECKING:
    from pandas import DataFrame

DISPLAYED = 10
"""A notebook displays this many rows: the first half and the last half of them."""

NAMED = 8
"""`repr` names this many columns."""


class Records(list[dict[str, Any]]):
    """A list of flat records, each a dict from column names to values.

    Records may have different keys: `columns` are the keys of all of them. A slice is a `Records`
    too. In a notebook, it displays itself as a table.
    """

    @property
    def columns(self) -> list[str]:
        """The keys of all records, in order of first appearance."""
        return list(dict.fromkeys(name for record in self for name in record))

    def to_frame(self) -> DataFrame:
        """Return a `pandas.DataFrame` with a row for each record.

        A value that a record lacks is NaN. Raises `GanlabError` if pandas is not installed: ganlab
        does not depend on it.
        """
        try:
            import pandas
        except ModuleNotFoundError as error:
            raise GanlabError("to_frame() needs pandas: pip install pandas") from error
        return pandas.DataFrame(list(self), columns=self.columns)

    @overload
    def __getitem__(self, index: SupportsIndex) -> dict[str, Any]: ...

    @overload
    def __getitem__(self, index: slice) -> Records: ...

    def __getitem__(self, index: SupportsIndex | slice) -> dict[str, Any] | Records:
        found = super().__getitem__(index)
        return Records(found) if isinstance(found, list) else found

    def __repr__(self) -> str:
        names = self.columns
        named = [*names[:NAMED], *(["..."] if len(names) > NAMED else [])]
        count = f"{len(self):,} {'row' if len(self) == 1 else 'rows'}"
        return f"Records({': '.join(part for part in (count, ', '.join(named)) if part)})"

    def _repr_html_(self) -> str:
        names = self.columns
        rows = [[record.get(name) for name in names] for record in self]
        half = DISPLAYED // 2
        if len(rows) > DISPLAYED:
            rows = [*rows[:half], ["…"] * len(names), *rows[-half:]]
        return html.table(names, rows) + html.paragraph(f"{len(self):,} rows")
