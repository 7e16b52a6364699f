"""The errors of a source: each of them stops a preparation, but `doctor` collects all and lists them.

Code that finds an error from which it can go on calls `report`, or finds it inside of `errors_reported`. Both raise the
error, unless errors are being collected. Of each kind the first ones are kept, and the others are only counted: a
source of another data set may have a million.
"""

import contextlib
import contextvars
import dataclasses
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TypeVar

from ilsvrc_tfds.errors import LabelError, SourceError, first_few

# So many errors of a kind are listed, and so many offenders in each.
_MOST_LINES, _MOST_NAMED = 10, 10
_Item = TypeVar("_Item")
UNUSABLE = "files and folders that cannot be used"


@dataclasses.dataclass(frozen=True, eq=False)
class Collected:
    """Errors by their kind.

    >>> found = Collected()
    >>> for number in range(1213):
    ...     found.add(f"{number}.JPEG comes twice.", "images that come twice")
    >>> len(found.lines()), found.lines()[0], found.lines()[-1]
    (11, '0.JPEG comes twice.', 'and 1,203 more images that come twice')

    Attributes:
      first: The first errors of each kind, with their numbers of offenders.
      more: For each kind, the number of offenders of all other errors.
    """

    first: dict[str, dict[str, int]] = dataclasses.field(default_factory=dict)
    more: Counter[str] = dataclasses.field(default_factory=Counter)

    def add(self, text: str, kind: str = UNUSABLE, count: int = 1) -> None:
        """Keeps an error, or only its number if there are enough of its kind. The same text is kept once.

        Args:
          text: Message of the error.
          kind: What the offenders are, in the plural.
          count: Number of offenders.
        """
        first = self.first.setdefault(kind, {})
        if text in first:  # an archive is scanned for each of its splits
            return
        if len(first) < _MOST_LINES:
            first[text] = count
        else:
            self.more[kind] += count

    def join(self, other: "Collected") -> None:
        """Adds the errors that a job has collected."""
        for kind, first in other.first.items():
            for text, count in first.items():
                self.add(text, kind, count)
        self.more.update(other.more)

    def lines(self) -> list[str]:
        """Returns the errors, kind by kind, each kind with the number of offenders that are not shown at its end."""
        return [
            line
            for kind, first in self.first.items()
            for line in (*first, *([f"and {self.more[kind]:,} more {kind}"] if self.more[kind] else ()))
        ]


_collected: contextvars.ContextVar[Collected | None] = contextvars.ContextVar("collected", default=None)


@contextlib.contextmanager
def collected() -> Iterator[Collected]:
    """Collects the errors that are reported in the block, instead of raising them. Yields what was found so far.

    >>> with collected() as found:
    ...     report(SourceError("b.tar is damaged."))
    >>> found.lines()
    ['b.tar is damaged.']
    """
    found = Collected()
    token = _collected.set(found)
    try:
        yield found
    finally:
        _collected.reset(token)


def report(error: SourceError | LabelError, kind: str = UNUSABLE, count: int = 1) -> None:
    """Raises an error, or keeps it if errors are being collected; then the caller goes on.

    Args:
      error: The error. Its message says where it is, and what to do.
      kind: What the offenders are, in the plural: `images that come twice`.
      count: Number of offenders.
    """
    if (found := _collected.get()) is None:
        raise error
    found.add(str(error), kind, count)


@contextlib.contextmanager
def errors_reported(kind: str = UNUSABLE) -> Iterator[None]:
    """Keeps an error that ends the block, if errors are being collected; otherwise it is raised. See `report`."""
    try:
        yield
    except (SourceError, LabelError) as error:
        if _collected.get() is None:
            raise
        report(error, kind)


def going_on(items: Iterable[_Item]) -> Iterator[_Item]:
    """Yields items. If errors are being collected, one that ends them is kept, and what came before it is used.

    >>> list(going_on([1, 2]))
    [1, 2]
    """
    with errors_reported():
        yield from items


def offenders(items: Iterable[object]) -> str:
    """Returns the first offenders as text, and the number of others. More of them if errors are being collected.

    >>> offenders(["a.JPEG", "b.JPEG", "c.JPEG", "d.JPEG"])
    'a.JPEG, b.JPEG, c.JPEG and 1 more'
    """
    return first_few(items) if _collected.get() is None else first_few(items, _MOST_NAMED)
