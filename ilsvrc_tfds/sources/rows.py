"""Rows of tables of images, as Hugging Face's library writes them: names restored, labels compared, images taken out.

A table has the columns `image`, of structures with `bytes` and `path`, and `label`. The base name of `path` is the
official file name, mostly with the class appended: `n01440764_10026_n01440764.JPEG`. The order of the rows means
nothing.
"""

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import LabelError, SourceError, counted, first_few, shown
from ilsvrc_tfds.sources.collecting import offenders, report

if TYPE_CHECKING:
    import pyarrow as pa

APPENDED = "{split}: file names have the class appended; the official names are used"
_TEST_NAME = re.compile(rb"(ILSVRC2012_test_\d{8})_n\d{8}(\.[A-Za-z]+)", re.I)
_OTHER_NUMBERS = "files that number the classes otherwise"
_OTHERS = "Take a source with official names, such as n01440764_10026_n01440764.JPEG in `image.path`."


def require_schema(schema: "pa.Schema", where: str) -> None:
    """Raises SourceError if a table has not the columns of images, and LabelError if it numbers the classes otherwise.

    Args:
      schema: Schema of the table.
      where: File, for messages.
    """
    import pyarrow as pa

    names = set(schema.names)
    kind = schema.field("image").type if "image" in names else None
    if kind is None or not pa.types.is_struct(kind) or "label" not in names:
        found = first_few((shown(f"{field.name}: {field.type}"[:100]) for field in schema), 6) or "nothing"
        raise SourceError(
            f"{where} has the columns {found}; expected image: struct<bytes: binary, path: string> and label: "
            "int64, as in Hugging Face's copy. It belongs to something else, or has lost the file names: take another "
            "source."
        )
    fields = {field.name: str(field.type) for field in kind}
    if not {"bytes", "path"} <= fields.keys() or "binary" not in fields["bytes"] or "string" not in fields["path"]:
        raise SourceError(
            f"{where}: the column image is {shown(str(kind)[:200])}; expected struct<bytes: binary, path: string>."
        )
    if not pa.types.is_integer(schema.field("label").type):
        raise SourceError(
            f"{where}: the column label is {shown(str(schema.field('label').type)[:200])}; expected int64."
        )
    _check_class_names(schema.metadata or {}, where)


def _check_class_names(metadata: Mapping[bytes, bytes], where: str) -> None:
    """Raises LabelError if the class names that `datasets` puts beside a schema are in another order than ours.

    Words that no class of ours has are no contradiction: only their order is compared.
    """
    try:
        names = json.loads(metadata.get(b"huggingface", b"{}"))["info"]["features"]["label"]["names"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return
    if len(names) != synsets.NUM_CLASSES:
        error = LabelError(
            f"{where} numbers {counted(len(names), 'class', 'classes')}, not 1,000: its labels are not those of "
            f"ILSVRC2012. Take another source."
        )
        report(error, _OTHER_NUMBERS)
        return
    ours = [_terms(f"{synset.wnid}, {synset.words}") for synset in synsets.synsets()]
    known = frozenset().union(*ours)
    wrong = [
        f"{index} is {shown(name[:40])}, not {synsets.class_names()[index]}"
        for index, name in enumerate(names)
        if (terms := _terms(name)) & known and not terms & ours[index]
    ]
    if wrong:
        error = LabelError(
            f"{where} has {counted(len(wrong), 'class', 'classes')} under other numbers than ILSVRC2012: "
            f"{offenders(wrong)}. Take another source."
        )
        report(error, _OTHER_NUMBERS)


def _terms(words: str) -> frozenset[str]:
    """Returns the synonyms of a class; `crane (n02012849)` is one of `crane` and one of its wnid."""
    parts = re.split(r"[,()]", words.lower().replace("_", " "))
    return frozenset(part.strip() for part in parts if part.strip())


def official_names(
    split: str, paths: Sequence[str | None], labels: Sequence[int | None], where: Callable[[int], str]
) -> Iterator[tuple[int, bytes, bool]]:
    """Yields number and official name of each row, and whether it has the class appended.

    All that states a label must agree.

    >>> rows = official_names("train", ["n01440764_9_n01440764.JPEG"], [0], "row {}".format)
    >>> list(rows)
    [(0, b'n01440764_9.JPEG', True)]

    Args:
      split: Split of the images.
      paths: `image.path` of each row.
      labels: `label` of each row.
      where: Function that returns the place of a row, for messages.

    Raises:
      SourceError: A row has no official name, or that of another split.
      LabelError: The label of a row, or the appended class, is not that of the name.
    """
    for row, (path, label) in enumerate(zip(paths, labels)):
        try:
            found = _official_name(split, path, label, where, row)
        except SourceError as error:
            report(error, "rows without an official file name of their split")
        except LabelError as error:
            report(error, "rows with another label than that of their name")
        else:
            yield row, *found


def _official_name(
    split: str, path: str | None, label: int | None, where: Callable[[int], str], row: int
) -> tuple[bytes, bool]:
    """Returns the official name of a row, and whether it has the class appended. Raises SourceError or LabelError."""
    if path is None:
        raise SourceError(
            f"{where(row)} has no file name (`image.path` is null), so neither its label nor its place can be "
            f"checked. {_OTHERS}"
        )
    base = path.rpartition("/")[2].encode("utf-8", "surrogateescape")
    name, wnid = _split_name(base)
    if synsets.split_of_name(name) != split:
        of = synsets.split_of_name(name)
        what = f"is of split {of!r}, not {split!r}" if of else f"is no official file name of split {split!r}"
        raise SourceError(f"{where(row)}: {shown(os.fsdecode(base[:80]))} {what}. {_OTHERS}")
    told = -1 if split == "test" else synsets.label_of_name(name)
    appended = synsets.index_of(wnid) if wnid and synsets.is_class(wnid) else None
    if wnid and split != "test" and appended != told:
        raise LabelError(f"{where(row)}: {base.decode()} is of class {told} by its name, and has {wnid} appended.")
    if label != told:
        raise LabelError(f"{where(row)}: {base.decode()} has the label {label}, expected {told}. Take another source.")
    return name, bool(wnid)


def _split_name(base: bytes) -> tuple[bytes, str]:
    """Returns the official name and the class that is appended to it, which is empty if there is none."""
    if found := synsets.without_class(base):
        return found
    match = _TEST_NAME.fullmatch(base)
    return (match[1] + match[2], "test") if match else (base, "")


def images_of(batch: "pa.RecordBatch", where: Callable[[int], str]) -> Iterator[bytes]:
    """Yields the image of each row of a batch. Raises SourceError if one is null.

    >>> import pyarrow as pa
    >>> batch = pa.RecordBatch.from_pylist([{"image": {"bytes": b"jpeg", "path": "a.JPEG"}}])
    >>> list(images_of(batch, "row {}".format))
    [b'jpeg']

    Args:
      batch: Rows with the column `image`.
      where: Function that returns the place of a row, for messages.
    """
    column = batch.column(batch.schema.get_field_index("image"))
    fields = dict(zip((field.name for field in column.type), column.flatten()))
    for row, value in enumerate(fields["bytes"]):
        data = value.as_py()
        if data is None:
            path = fields["path"][row].as_py()
            there = f", and only names the file {shown(str(path)[:200])}" if path else ""
            raise SourceError(
                f"{where(row)} has no image (`image.bytes` is null){there}. Make the set again with the images inside, "
                "or take the files themselves."
            )
        yield data
