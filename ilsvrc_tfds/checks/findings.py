"""The result of a check: what was found, and what is wrong."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Report:
    """The result of `examine` or `verify`.

    >>> report = Report(("train: 1,281,167 images",), ("val: missing",))
    >>> for problem in report.problems:
    ...     print("PROBLEM", problem)
    PROBLEM val: missing

    Attributes:
      facts: Lines that describe what was found, and what could not be compared.
      problems: Lines that each describe one problem; empty if nothing is wrong.
      left_out: Number of damaged images that the folder does not have, because they were skipped when it was made.
    """

    facts: tuple[str, ...]
    problems: tuple[str, ...]
    left_out: int = 0
