"""Names, sizes and checksums of the official archives."""

import csv
import dataclasses
import importlib.resources


@dataclasses.dataclass(frozen=True)
class Archive:
    """An official archive.

    Attributes:
      file: Name of the file.
      bytes: Size of the file, or None if it is not known.
      md5: Checksum in hexadecimal, or empty if it is not known.
      sha256: Checksum in hexadecimal, or empty if it is not known.
      note: Description of the contents.
    """

    file: str
    bytes: int | None
    md5: str
    sha256: str
    note: str


def official_archives() -> dict[str, Archive]:
    """Returns the official archives by file name, from `checksums/ilsvrc2012.tsv`.

    >>> official_archives()["ILSVRC2012_img_val.tar"].bytes
    6744924160
    """
    text = importlib.resources.files("ilsvrc_tfds.checksums").joinpath("ilsvrc2012.tsv").read_text()
    rows = csv.DictReader(text.splitlines(), delimiter="\t")
    return {row["file"]: _archive(row) for row in rows}


def _archive(row: dict[str, str]) -> Archive:
    size = int(row["bytes"]) if row["bytes"] else None
    return Archive(row["file"], size, row["md5"], row["sha256"], row["note"])
