"""The official archives, as published."""

import csv
import dataclasses
import importlib.resources


@dataclasses.dataclass(frozen=True)
class Archive:
    """An official archive as published; what is not known of it is empty.

    Attributes:
      file: its name.
      bytes: its size.
      md5: hexadecimal.
      sha256: hexadecimal.
      note: what it holds.
    """

    file: str
    bytes: int | None
    md5: str
    sha256: str
    note: str


def official_archives() -> dict[str, Archive]:
    """Returns the official archives by name, from `checksums/ilsvrc2012.tsv`."""
    text = importlib.resources.files("ilsvrc_tfds.checksums").joinpath("ilsvrc2012.tsv").read_text()
    rows = csv.DictReader(text.splitlines(), delimiter="\t")
    return {row["file"]: _archive(row) for row in rows}


def _archive(row: dict[str, str]) -> Archive:
    size = int(row["bytes"]) if row["bytes"] else None
    return Archive(row["file"], size, row["md5"], row["sha256"], row["note"])
