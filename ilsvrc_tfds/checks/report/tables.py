"""The tables of all parts of a data set, as one: columns by split, and single pictures by their row."""

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np

from ilsvrc_tfds.checks.report.looking import KINDS, Part, Table, printable, table_of
from ilsvrc_tfds.checks.report.values import Picture


@dataclasses.dataclass(frozen=True, eq=False)
class Tables:
    """The rows of all parts, numbered from 0 over all of them. Names stay in the tables of their parts.

    Attributes:
      parts: Parts of the data set, in order.
      tables: Table of each part.
      starts: Number of the first row of each part, and of all rows; int64 of shape (len(parts) + 1,).
    """

    parts: Sequence[Part]
    tables: Sequence[Table]
    starts: np.ndarray

    @classmethod
    def of(cls, parts: Sequence[Part], tables: Sequence[Table]) -> "Tables":
        """Returns the tables of these parts as one."""
        return cls(parts, tables, np.cumsum([0, *(len(table.label) for table in tables)]))

    def __len__(self) -> int:
        return int(self.starts[-1])

    def column(self, name: str, split: str | None = None) -> np.ndarray:
        """Returns a column of all rows, or of those of a split. Not of names: one long name would widen them all."""
        found = [getattr(table, name) for part, table in zip(self.parts, self.tables) if split in (None, part.split)]
        return np.concatenate(found) if found else getattr(_EMPTY, name)

    def split_numbers(self, splits: Sequence[str]) -> np.ndarray:
        """Returns the position of each row's split in `splits`; uint8 of shape (n,)."""
        of_parts = np.array([splits.index(part.split) for part in self.parts], np.uint8)
        return np.repeat(of_parts, np.diff(self.starts))

    def part_of(self, row: int) -> tuple[int, int]:
        """Returns the number of a row's part, and of the row in it."""
        part = int(np.searchsorted(self.starts, row, "right")) - 1
        return part, row - int(self.starts[part])

    def picture(self, row: int) -> Picture:
        """Returns a row as a picture, without boxes and thumbnail."""
        part, own = self.part_of(row)
        table = self.tables[part]
        return Picture(
            split=self.parts[part].split,
            name=printable(bytes(table.name[own])),
            label=int(table.label[own]),
            width=int(table.width[own]),
            height=int(table.height[own]),
            num_bytes=int(table.bytes[own]),
            kind=KINDS[table.kind[own]],
        )

    def names(self) -> Iterator[bytes]:
        """Yields the file name of each row."""
        for table in self.tables:
            yield from table.name.tolist()


_EMPTY = table_of([])
