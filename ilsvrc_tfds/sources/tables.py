"""Reads tables of labels and boxes, also if a spreadsheet saved them in UTF-16, with other separators or no header.

The text is UTF-8, with or without a byte order mark, or UTF-16 with one. Commas, semicolons or tabs separate fields;
CR, LF or both end lines. Quotation marks around fields are ignored; no field of these tables contains a separator or a
quotation mark. Image names have no extension in the official tables; if a table has them, they are removed.
"""

import codecs
import io
import os
import re
from collections.abc import Iterator
from pathlib import Path

from ilsvrc_tfds.errors import SourceError
from ilsvrc_tfds.storage.regular import open_regular

# Kaggle's table of the train split has 544,547 lines and 40 MB, or 80 MB in UTF-16. Its longest row has some KB.
_MAX_BYTES, _MAX_LINES = 256 << 20, 2_000_000
_LONGEST_LINE = 1 << 20
_SHOWN = 40

_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_SEPARATORS = re.compile(r"[,;\t]")
_EXTENSION = re.compile(r"\.(?:jpe?g|png)$", re.I)
# How a field of a row begins, and a header does not: with the name of an image, or the class of a box.
_FIELD_OF_A_ROW = re.compile(r"n\d{8}(?![^_ ])|ILSVRC2012_(?:val|test)_\d")


def decode(data: bytes) -> str:
    """Returns the text of a table, with U+FFFD for bytes that are not text.

    >>> decode("ImageId,PredictionString".encode("utf-16"))
    'ImageId,PredictionString'
    """
    return data.decode(_encoding(data), errors="replace")


def lines_of(path: str | os.PathLike, data: bytes | None = None) -> Iterator[tuple[int, str]]:
    """Yields the number, from 1, and the text of each line of a table that is not blank. Splits lines of over 1 MiB.

    Args:
      path: Path of the file.
      data: Contents of the file if it is inside an archive; the path is then only for messages.

    Raises OSError if the file cannot be read, and SourceError if it has over 256 MiB or two million lines.

    >>> list(lines_of("/data/LOC_train_solution.csv"))
    [(1, 'ImageId,PredictionString'), (2, 'n01440764_10026,n01440764 10 20 50 60')]
    """
    with open_regular(path) if data is None else io.BytesIO(data) as file:
        size = os.fstat(file.fileno()).st_size if data is None else len(data)
        if size > _MAX_BYTES:
            raise SourceError(f"{path} has {size:,} bytes, but such a table has at most {_MAX_BYTES:,}. Get it again.")
        encoding = _encoding(file.read(2))
        file.seek(0)
        text = io.TextIOWrapper(file, encoding=encoding, errors="replace")  # accepts all three line ends
        for number, line in enumerate(iter(lambda: text.readline(_LONGEST_LINE), ""), 1):
            if number > _MAX_LINES:
                raise SourceError(f"{path} has over {_MAX_LINES:,} lines, more than any such table. Get it again.")
            if line.strip():
                yield number, line.rstrip("\n")  # a tab at its end is an empty field


def solutions_of(path: Path, data: bytes | None = None) -> Iterator[tuple[int, str, str | None]]:
    """Yields (line number, image name, prediction) of each row of Kaggle's `LOC_*_solution.csv`.

    The image name has no extension. The prediction is None if the row has too few fields. For `data` see `lines_of`.

    Raises OSError if the file cannot be read, and SourceError if it does not begin like a table.

    >>> list(solutions_of(Path("/data/LOC_train_solution.csv")))
    [(2, 'n01440764_10026', 'n01440764 10 20 50 60')]
    """
    lines = lines_of(path, data)
    number, line = next(lines, (0, ""))
    separator = _SEPARATORS.search(line)
    if not line:
        return
    if separator is None or not line.replace("\t", " ").isprintable() or "\ufffd" in line:
        raise no_table(path, line)
    header, columns = [name.casefold() for name in _fields(line, separator[0])], (0, 1)
    if "imageid" in header and "predictionstring" in header:
        columns = header.index("imageid"), header.index("predictionstring")
    elif any(map(_FIELD_OF_A_ROW.match, _fields(line, separator[0]))):
        yield number, *_picked(line, separator[0], columns)
    for number, line in lines:
        yield number, *_picked(line, separator[0], columns)


def without_extension(name: str) -> str:
    """Returns the name of an image without its extension. Only extensions of images are removed."""
    return _EXTENSION.sub("", name)


def no_table(path: str | os.PathLike, begin: str) -> SourceError:
    """Returns the error for a file that is not a table.

    Args:
      path: Path of the file.
      begin: First characters of the file, for the message.
    """
    return SourceError(
        f"{path} is not a comma-separated UTF-8 table: it begins with {ascii(begin[:_SHOWN])}. "
        "Save it again as CSV in UTF-8, get it again, or move it away to go without it."
    )


def _encoding(begin: bytes) -> str:
    return "utf-16" if begin.startswith(_UTF_16) else "utf-8-sig"


def _fields(line: str, separator: str) -> list[str]:
    return [field.strip() for field in line.replace('"', "").split(separator)]


def _picked(line: str, separator: str, columns: tuple[int, int]) -> tuple[str, str | None]:
    """Returns the name and the prediction in a line."""
    fields = _fields(line, separator)
    name, prediction = (fields[column] if column < len(fields) else None for column in columns)
    return without_extension(name or ""), prediction
