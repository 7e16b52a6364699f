"""The errors that a user can act on.

    IlsvrcError
    ├── OptionError        an option's value makes no sense
    ├── SourceError        the source: nothing there, not readable, cut short, changed meanwhile
    │   ├── NotFoundError      no split of the data set is there
    │   └── IncompleteError    a split is missing, or has not the official number of images
    ├── LabelError         two sources of a label contradict each other
    ├── ImageError         an image is damaged, or is none
    ├── DestinationError   the destination: full, not writable, in use
    └── InterruptedRun     the work stopped half way; the next run continues it

The command line prints one line of these and exits with 1. Every other exception is a bug and keeps its traceback.
"""


class IlsvrcError(Exception):
    """Something a user can mend; the message says what, where, what was expected and what to do."""


class OptionError(IlsvrcError, ValueError):
    """An option's value makes no sense."""


class SourceError(IlsvrcError):
    """The source is missing, unreadable, cut short or has changed."""


class NotFoundError(SourceError):
    """No split of the data set is in the places that were looked at."""


class IncompleteError(SourceError):
    """A split is missing or has not the official number of images, and that was not allowed."""


class LabelError(IlsvrcError):
    """Two sources of a label contradict each other."""


class ImageError(IlsvrcError):
    """An image is damaged, too large, or no image."""


class DestinationError(IlsvrcError):
    """The destination is full, not writable, or in use by another run."""


class InterruptedRun(IlsvrcError):
    """A worker died or the run was stopped; what is finished is kept for the next run."""


def first_few(items, limit: int = 3) -> str:
    """Returns the first `limit` items as text, and how many more there are."""
    items = list(items)
    shown = ", ".join(str(item) for item in items[:limit])
    return shown if len(items) <= limit else f"{shown} and {len(items) - limit:,} more"
