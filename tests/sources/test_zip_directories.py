"""Where a zip archive has its directory: what other programs write and zipfile reads, and what is damaged."""

import gzip
import io
import os
import struct
import zipfile
from pathlib import Path

import drawing
import pytest

from ilsvrc_tfds.errors import SourceError
from ilsvrc_tfds.sources import Reader, find_layout, index_images

NAME = "imagenet-object-localization-challenge.zip"
TRAIN = "ILSVRC/Data/CLS-LOC/train/n01440764/n01440764_9.JPEG"
PICTURE = drawing.jpeg()


def zipped(*, before: int = 0, others: int = 0, zip64: bool = False, comment: bytes = b"") -> bytes:
    """Returns an archive of one picture, and of empty files before and behind it."""
    body, limit = io.BytesIO(), zipfile.ZIP64_LIMIT
    try:
        zipfile.ZIP64_LIMIT = 10 if zip64 else limit
        with zipfile.ZipFile(body, "w") as archive:
            archive.comment = comment
            for number in range(before + others + 1):
                if number == before:
                    archive.writestr(TRAIN, PICTURE)
                else:
                    archive.writestr(zipfile.ZipInfo(f"ILSVRC/Annotations/CLS-LOC/{number}.xml"), b"")
    finally:
        zipfile.ZIP64_LIMIT = limit
    return body.getvalue()


def written(folder: Path, data: bytes, name: str = NAME) -> Path:
    (folder / name).write_bytes(data)
    return folder / name


def only_picture(path: Path) -> bytes:
    members = index_images(find_layout([path])).splits["train"]
    assert members.name.tolist() == [b"n01440764_9.JPEG"]
    with Reader() as reader:
        return reader.read(members, 0)


@pytest.mark.parametrize("front", [b"#!/bin/sh\nexit\n", b"MZ" + bytes(3 << 20), b"PK00", b"PK\3\4" + bytes(100)])
@pytest.mark.parametrize("zip64", [False, True])
@pytest.mark.parametrize("comment", [b"", b"made by hand"])
def test_bytes_in_front_are_left_out_as_zipfile_does(front, zip64, comment, tmp_path):
    path = written(tmp_path, front + zipped(zip64=zip64, comment=comment))
    with zipfile.ZipFile(path) as archive:
        assert archive.read(TRAIN) == PICTURE
    assert only_picture(path) == PICTURE
    with zipfile.ZipFile(path, "a") as archive:  # its writer counts the bytes in front
        archive.writestr("a", b"")
    assert only_picture(path) == PICTURE


def without_zip64(data: bytes, entries: int) -> bytes:
    """Returns an archive as macOS's Finder writes it: without zip64, and with the number of entries modulo 65,536."""
    record = data.rindex(b"PK\6\6")
    size, start = struct.unpack_from("<2Q", data, record + 40)
    count = entries % 65_536
    return data[:record] + struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, count, count, size, start, 0)


@pytest.mark.slow
@pytest.mark.parametrize("others", [65_535, 66_000])
def test_number_of_entries_may_be_modulo_65536(others, tmp_path):
    data = zipped(others=others)
    path = written(tmp_path, without_zip64(data, 1 + others))
    assert len(zipfile.ZipFile(path).namelist()) == 1 + others
    assert only_picture(path) == PICTURE
    for wrong in (data[: data.rindex(b"PK\5\6") - 20], without_zip64(data, 7)):
        with pytest.raises(
            SourceError, match=r"(is cut short|is damaged: its directory has 6[56],[0-9]+ entries, and)"
        ):
            find_layout([written(tmp_path, wrong)])


def test_more_than_4_gib_without_zip64_is_refused_with_a_way_on(tmp_path):
    data = zipped()
    start = data.rindex(b"PK\1\2")
    with open(written(tmp_path, data[:start]), "r+b") as file:
        file.seek(start + (1 << 32))  # a hole, which takes no room
        file.write(data[start:])
    with pytest.raises(SourceError, match="has more than 4 GiB, and was written without zip64.* `ditto -x -k`"):
        find_layout([tmp_path])


@pytest.mark.parametrize("value", [1 << 62, (1 << 63) - 1, 1 << 63, (1 << 64) - 1])
@pytest.mark.parametrize("at", ["locator", "size", "start", "count", "entry size", "entry compressed", "entry offset"])
def test_numbers_beyond_the_file_are_errors(value, at, tmp_path):
    data = bytearray(zipped(zip64=True, before=1))
    entry, record, locator = (data.rindex(b"PK" + mark) for mark in (b"\1\2", b"\6\6", b"\6\7"))
    extra = entry + 46 + len(TRAIN) + 4
    places = {"locator": locator + 8, "count": record + 32, "size": record + 40, "start": record + 48}
    places |= {"entry size": extra, "entry compressed": extra + 8, "entry offset": extra + 16}
    struct.pack_into("<Q", data, places[at], value)
    with pytest.raises(SourceError, match=f"^{tmp_path / NAME}"):
        find_layout([written(tmp_path, data)])


def tar() -> bytes:
    return drawing.tar([(TRAIN, PICTURE)])


@pytest.mark.parametrize(
    "data, message",
    [
        (b"", r"is an empty file \(0 bytes\), as a download leaves it"),
        (b"PK\5\6" + bytes(18), "is empty: it has no entries. Get the archive again"),
        (b"<!DOCTYPE html>", "is not a zip archive. It looks like a web page"),
        (tar(), "is not a zip archive. It is a tar archive: rename it to .tar"),
        (gzip.compress(tar()), "is not a zip archive. It is compressed with gzip: gunzip it"),
        (b"Rar!\x1a\7" + bytes(100), "is not a zip archive. It is a RAR archive: unpack it"),
        (os.urandom(100), "is not a zip archive. Get the archive again"),
        (zipped()[:-1], "is cut short: it has no central directory. Get the archive again"),
        (b"PK\5\6" + bytes(4) + b"\1\0\1\0" + bytes(10), "is damaged: its directory of 0 bytes at byte 0 does not"),
    ],
    ids=["no bytes", "empty", "page", "tar", "gzip", "rar", "noise", "cut", "no directory"],
)
@pytest.mark.parametrize("named", ["archive", "folder"])
def test_what_is_no_zip_is_told_with_what_to_do(data, message, named, tmp_path):
    path = written(tmp_path, data)
    with pytest.raises(SourceError, match=f"^{path} {message}"):
        find_layout([path if named == "archive" else tmp_path])
