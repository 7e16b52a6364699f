"""Names, sizes and checksums of the official archives."""

import csv
import dataclasses
import importlib.resources

# The CMYK JPEGs, and a PNG, in the archives. The config `classification` converts all of them. TFDS's `imagenet2012`
# and timm's WebDataset, which is made from it, have converted those of train.
CMYK_OR_PNG = (
    *("n01739381_1309", "n02077923_14822", "n02105855_2933", "n02447366_23489", "n02492035_15739", "n02747177_10752"),
    *("n03018349_4028", "n03062245_4620", "n03347037_9675", "n03467068_12171", "n03529860_11437", "n03544143_17228"),
    *("n03633091_5218", "n03710637_5125", "n03961711_5286", "n04033995_2932", "n04258138_17003", "n04264628_27969"),
    *("n04336792_7448", "n04371774_5854", "n04596742_4225", "n07583066_647", "n13037406_4650"),
    "ILSVRC2012_val_00019877",
)


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
