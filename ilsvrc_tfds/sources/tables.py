"""Tables of labels and boxes as people have them: saved again by a spreadsheet, in UTF-16, with other separators, without a header.

Text is UTF-8, with or without a byte order mark, or UTF-16 with one. Fields are separated by commas, semicolons or tabs, lines
by CR, LF or both; quotation marks around fields do not matter. No field of these tables has a separator or a quotation mark in it.
The names of images are without an extension; tables that were made anew have it, and it does not matter.
"""

import codecs
import io
import os
import re
from collections.abc import Iterator
from pathlib import Path

from ilsvrc_tfds.errors import SourceError
from ilsvrc_tfds.storage.regular import open_regular

# Kaggle's table of the train split has 40 MB, 80 MB in UTF-16, and 544,547 lines. A row of the most boxes has some KB.
_MAX_BYTES, _MAX_LINES = 256 << 20, 2_000_000
_LONGEST_LINE = 1 << 20
_SHOWN = 40

_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_SEPARATORS = re.compile(r"[,;\t]")
_EXTENSION = re.compile(r"\.(?:jpe?g|png)$", re.I)
# What a field of a row begins with: the name of an image, or the class of a box.
_FIELD_OF_A_ROW = re.compile(r"n\d{8}(?![^_ ])|ILSVRC2012_(?:val|test)_\d")


def decode(data: bytes) -> str:
    """Returns the text of a table; U+FFFD in place of what is no text."""
    return data.decode(_encoding(data), errors="replace")


def lines_of(path: str | os.PathLike) -> Iterator[tuple[int, str]]:
    """Yields the lines of a table that are not blank, with their numbers from 1; a line of over 1 MiB in pieces.

    Raises SourceError if the table has over 256 MiB or two million lines; OSError.
    """
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > _MAX_BYTES:
            raise SourceError(f"{path} has {size:,} bytes, and no such table has over {_MAX_BYTES:,}. Get it again.")
        encoding = _encoding(file.read(2))
        file.seek(0)
        text = io.TextIOWrapper(file, encoding=encoding, errors="replace")  # knows all three ends of lines
        for number, line in enumerate(iter(lambda: text.readline(_LONGEST_LINE), ""), 1):
            if number > _MAX_LINES:
                raise SourceError(f"{path} has over {_MAX_LINES:,} lines, and no such table has. Get it again.")
            if line.strip():
                yield number, line.rstrip("\n")  # a tab at its end is an empty field


def solutions_of(path: Path) -> Iterator[tuple[int, str, str | None]]:
    """Yields the line, the image's name without extension and the prediction (None if there is none) of the rows of Kaggle's `LOC_*_solution.csv`.

    Raises SourceError if it does not begin as a table; OSError.
    """
    lines = lines_of(path)
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
    """Returns the name of an image without the extension of an image file, if it has one."""
    return _EXTENSION.sub("", name)


def no_table(path: str | os.PathLike, begin: str) -> SourceError:
    """Returns the error for a file that is not a table; `begin` is what it begins with."""
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
