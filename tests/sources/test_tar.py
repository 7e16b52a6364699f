"""The tar reader: standard `tarfile` is the oracle, damage must never lose a member without a word."""

import gzip
import io
import os
import tarfile
import tempfile
import time

import drawing
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ilsvrc_tfds.errors import SourceError
from ilsvrc_tfds.sources import boxes, find_layout, index_images
from ilsvrc_tfds.sources.label_tables import check_ground_truth
from ilsvrc_tfds.sources.tar import BLOCK, read_members

FORMATS = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}
SMALL = drawing.tar([("a.JPEG", b"A" * 700), ("b.JPEG", b"B" * 512), ("c.JPEG", b"C")])
END_MARK = 7 * BLOCK  # behind three headers and 2 + 1 + 1 blocks


def members_of(data: bytes, start: int = 0, end: int | None = None) -> list[tuple[bytes, int, int]]:
    with tempfile.TemporaryFile(buffering=0) as file:
        file.write(data)
        return [tuple(member) for member in read_members(file.fileno(), "some.tar", start, end)]


def members_by_tarfile(data: bytes) -> list[tuple[bytes, int, int]]:
    with tarfile.open(fileobj=io.BytesIO(data), errors="surrogateescape") as archive:
        return [(os.fsencode(info.name), info.offset_data, info.size) for info in archive if info.isreg()]


def header(name: bytes = b"x.JPEG", kind: bytes = b"0", size: bytes = b"00000000000\0") -> bytes:
    """A header with a true checksum, whatever it says."""
    fields = name.ljust(124, b"\0") + size + b"0" * 12 + b" " * 8 + kind
    block = fields.ljust(257, b"\0") + b"ustar\00000"
    block = block.ljust(BLOCK, b"\0")
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def with_checksum(block: bytearray) -> bytes:
    blank = bytes(block[:148]) + b" " * 8 + bytes(block[156:])
    return blank[:148] + b"%06o\0 " % sum(blank) + blank[156:]


def with_kind(kind: bytes, linkname: str = "") -> bytes:
    info = tarfile.TarInfo("n01440764_1.JPEG")
    info.type, info.linkname = kind, linkname
    return info.tobuf() + bytes(2 * BLOCK)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(
    "name",
    [
        "a.JPEG",
        "./a.JPEG",
        "val/a.JPEG",
        "/absolute/a.JPEG",
        "../../a.JPEG",
        "a" * 99,
        "a" * 100,  # fills the field: no zero behind it
        "folder/" * 10 + "a" * 90 + ".JPEG",  # 165: ustar's prefix, GNU's long name, pax's path
        "folder/" * 20 + "a" * 100,  # 240: the most that ustar can do
        "a b\nc'\"\\.JPEG",
    ],
)
def test_names_are_those_of_tarfile(format, name):
    data = drawing.tar([("first", b"1"), (name, b"2" * 600), ("last", b"3")], FORMATS[format])
    assert members_of(data) == members_by_tarfile(data)
    assert os.fsencode(name) in [member[0] for member in members_of(data)]


@pytest.mark.parametrize("format", ["gnu", "pax"])
@pytest.mark.parametrize("name", ["a" * 101, "a" * 257, "folder/" * 80 + "a", "ä" * 60, "a" * 5000])
def test_long_names_are_those_of_tarfile(format, name):
    data = drawing.tar([("first", b"1"), (name, b"2" * 600), ("last", b"3")], FORMATS[format])
    assert members_of(data) == members_by_tarfile(data)
    assert [member[0] for member in members_of(data)] == [b"first", os.fsencode(name), b"last"]


@pytest.mark.parametrize("format", FORMATS)
def test_offsets_and_sizes_at_the_edges_of_blocks(format):
    sizes = (0, 1, 511, 512, 513, 1024, 100_000)
    entries = [(f"{size}.JPEG", np.random.default_rng(size).bytes(size)) for size in sizes]
    data = drawing.tar([("folder", None), *entries], FORMATS[format])
    found = members_of(data)
    assert [data[offset : offset + size] for _, offset, size in found] == [content for _, content in entries]
    assert found == members_by_tarfile(data)


@pytest.mark.parametrize("magic", [bytes(6), b"\0" * 5 + b"x", b"ustar ", b"ustas\0"])
def test_prefix_of_a_name_is_read_in_headers_of_posix_alone(magic):
    block = bytearray(header())
    block[345:350] = b"older"
    as_posix = members_of(with_checksum(block) + bytes(2 * BLOCK))
    block[257:263] = magic
    data = with_checksum(block) + bytes(2 * BLOCK)
    assert as_posix == [(b"older/x.JPEG", BLOCK, 0)] and members_of(data) == [(b"x.JPEG", BLOCK, 0)]


def test_directories_are_no_members():
    data = drawing.tar([("val", None), ("val/", None), ("val/a.JPEG", b"A"), ("val/" + 120 * "b", None)])
    assert [name for name, _, _ in members_of(data)] == [b"val/a.JPEG"]


def test_archive_without_members_has_none():
    assert members_of(drawing.tar([])) == []


def test_part_of_a_file_is_read_with_offsets_in_the_file():
    found = members_of(b"#" * 1536 + SMALL + b"#" * 512, 1536, 1536 + len(SMALL))
    assert found == [(name, offset + 1536, size) for name, offset, size in members_by_tarfile(SMALL)]


# A regular file whose name ends with a slash is a folder, of a tar from before there were types.
_TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=300)
_NAMES = _TEXT.filter(lambda name: name[-1] != "/")
_ENTRIES = st.lists(st.tuples(_NAMES, st.none() | st.binary(max_size=1100)), max_size=8)


@settings(max_examples=300, deadline=None)
@given(entries=_ENTRIES, format=st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]))
def test_any_tar_is_read_as_tarfile_does(entries, format):
    data = drawing.tar(entries, format)
    assert members_of(data) == members_by_tarfile(data)
    assert len(members_of(data)) == sum(content is not None for _, content in entries)


@settings(max_examples=500, deadline=None)
@given(data=st.binary(max_size=3000))
def test_any_bytes_are_read_or_refused(data):
    _read_or_refuse(data)


@settings(max_examples=1000, deadline=None)
@given(
    position=st.integers(0, len(SMALL) - 1),
    value=st.binary(min_size=1, max_size=40),
    mends_checksum=st.booleans(),
    format=st.sampled_from(list(FORMATS.values())),
)
def test_any_damage_is_read_or_refused(position, value, mends_checksum, format):
    data = bytearray(drawing.tar([("a" * 100, b"A" * 700), ("b.JPEG", b"B" * 512)], format))
    position %= len(data)
    data[position : position + len(value)] = value
    if mends_checksum:
        for start in range(0, len(data) - BLOCK, BLOCK):
            block = data[start : start + BLOCK]
            if block[257:262] == b"ustar":
                block[148:156] = b" " * 8
                data[start + 148 : start + 156] = b"%06o\0 " % sum(block)
    _read_or_refuse(bytes(data))


def _read_or_refuse(data: bytes) -> None:
    try:
        found = members_of(data)
    except SourceError:
        return
    assert all(0 < offset <= offset + size <= len(data) for _, offset, size in found)


@pytest.mark.parametrize("format", FORMATS)
def test_every_flipped_bit_of_a_header_is_seen(format):
    data = drawing.tar([("a.JPEG", b"A" * 700), ("b.JPEG", b"B")], FORMATS[format])
    second = members_of(data)[1][1] - BLOCK
    for position in [*range(0, BLOCK, 7), *range(second, second + BLOCK, 7), second + 156]:
        damaged = bytearray(data)
        damaged[position] ^= 1 << position % 8
        with pytest.raises(SourceError, match="some.tar is (damaged|not a tar archive)"):
            members_of(bytes(damaged))


@pytest.mark.parametrize("cut", range(0, END_MARK + BLOCK, 64))
def test_every_cut_is_seen(cut):
    with pytest.raises(SourceError, match="some.tar is (cut short|not a tar archive)"):
        members_of(SMALL[:cut])


def test_cut_in_an_image_names_it():
    with pytest.raises(SourceError, match="cut short, in 'a.JPEG'. It should go on to byte 1,212 .* ends at 1,000"):
        members_of(SMALL[:1000])


def test_cut_behind_the_end_mark_does_no_harm():
    assert members_of(SMALL[: END_MARK + BLOCK]) == members_by_tarfile(SMALL)
    assert members_of(SMALL[: END_MARK + BLOCK + 100]) == members_by_tarfile(SMALL)


@pytest.mark.parametrize("follows", [SMALL, bytes(BLOCK) + SMALL, bytes(2 << 20), b"\0" * 600 + b"x"])
def test_gap_of_zeros_is_no_end(follows):
    # Downloads that reserve the file beforehand leave zeros; tarfile stops there without a word.
    with pytest.raises(SourceError, match=r"end mark at byte 3,584, but [\d,]+ bytes follow. .* never downloaded"):
        members_of(SMALL[:END_MARK] + bytes(BLOCK) + follows)


@pytest.mark.parametrize(
    "data, what",
    [
        (b"", "some.tar is cut short"),
        (b"hello", "some.tar is not a tar archive. Get"),
        (b"x" * 2000, "some.tar is not a tar archive. Get"),
        (b"\x1f\x8b\x08" + bytes(600), "not a tar archive. .* gunzip"),
        (b"PK\3\4" + bytes(600), "not a tar archive. .* unzip"),
        (b"<!DOCTYPE html>" + 600 * b" ", "not a tar archive. .* login has failed"),
        (drawing.jpeg(), "not a tar archive"),
    ],
    ids=["empty", "short", "long", "gzip", "zip", "web page", "jpeg"],
)
def test_no_tar_is_an_error_that_says_what_it_is(data, what):
    with pytest.raises(SourceError, match=what):
        members_of(data)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
def test_links_are_refused(kind):
    with pytest.raises(SourceError, match="'n01440764_1.JPEG' is a link, .* --dereference"):
        members_of(with_kind(kind, "../../etc/passwd"))


@pytest.mark.parametrize("kind", [tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, b"V"])
def test_devices_and_labels_are_passed_over(kind):
    assert members_of(with_kind(kind)) == []


def test_unknown_type_is_refused():
    with pytest.raises(SourceError, match="has the unknown type 'Q'"):
        members_of(with_kind(b"Q"))


@pytest.mark.parametrize("data", [with_kind(b"S"), None], ids=["GNU", "pax"])
def test_sparse_members_are_refused(data):
    if data is None:
        info = tarfile.TarInfo("a.JPEG")
        info.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0"}
        data = info.tobuf(tarfile.PAX_FORMAT) + bytes(2 * BLOCK)
    with pytest.raises(SourceError, match="stored as a sparse file .* without --sparse"):
        members_of(data)


def test_size_of_9_gib_is_understood():
    info = tarfile.TarInfo("huge.JPEG")
    info.size = 9 << 30
    gnu = info.tobuf(tarfile.GNU_FORMAT)
    assert gnu[124] == 0x80  # base-256
    for data in (gnu, info.tobuf(tarfile.PAX_FORMAT)):
        with pytest.raises(SourceError, match=r"cut short, in 'huge.JPEG'. It should go on to byte 9,663,67\d,\d{3}"):
            members_of(data + bytes(5 * BLOCK))


@pytest.mark.parametrize(
    "size",
    [
        b"-0000001000\0",  # int(..., 8) would take it, and go back for ever
        b"0000_0001000",
        b"0o0000001000",
        b"00000000009\0",
        b"\xff" * 12,  # -1 in base-256
        b"            ",  # blank is 0
        b"\x80" + b"\xff" * 11,  # beyond what a file can be
    ],
)
@pytest.mark.parametrize("kind", [b"0", b"5", b"x", b"L", b"g"])
def test_odd_sizes_neither_hang_nor_pass(size, kind):
    data = header(b"folder/", kind, size) + header(b"x.JPEG") + bytes(2 * BLOCK)
    if kind == b"5" and size[:1] == b"\x80" or not size.strip():
        assert [name for name, _, _ in members_of(data)] == [b"x.JPEG"]
        return
    with pytest.raises(SourceError, match="not a tar archive|damaged|cut short"):
        members_of(data)


@pytest.mark.parametrize(
    "records",
    [
        b"hello",
        b"99 path=a.JPEG\n",  # longer than there is
        b"3 path=a.JPEG\n",
        b"0 path=a.JPEG\n",
        b"15 path=a.JPEG ",  # no line end
        b"-5 path=a.JPEG\n",
        5000 * b"1" + b" path=a.JPEG\n",  # Python refuses to make an int of so many digits
        b"11 size=-1\n",
        b"5010 size=" + 4999 * b"1" + b"\n",
    ],
)
def test_damaged_pax_records_are_an_error(records):
    data = header(b"pax", b"x", b"%011o\0" % len(records)) + records.ljust(-(-len(records) // BLOCK) * BLOCK, b"\0")
    with pytest.raises(SourceError, match="some.tar is damaged: the pax header at byte 0 "):
        members_of(data + header() + bytes(2 * BLOCK))


def test_megabyte_of_pax_records_takes_little_time():
    records = (b"6 a=b\n" * ((1 << 20) // 6)).ljust(1 << 20, b"\0")
    start = time.process_time()
    assert len(members_of(header(b"pax", b"x", b"00004000000\0") + records + header() + bytes(2 * BLOCK))) == 1
    assert time.process_time() - start < 3  # 9 s where each record copies those behind it


def test_name_of_a_megabyte_is_refused():
    with pytest.raises(SourceError, match="claims 1,048,577 bytes for a name"):
        members_of(header(b"long", b"L", b"00004000001\0") + bytes(2 << 20))


@pytest.mark.parametrize("kind", [b"x", b"g", b"L"])
def test_compressed_archive_with_a_name_of_a_gigabyte_is_refused(tmp_path, kind):
    data = gzip.compress(header(b"bomb", kind, b"10000000000\0") + bytes(2 << 20))  # tarfile would read it all at once
    (tmp_path / "boxes.tgz").write_bytes(data)
    (tmp_path / "devkit.tar.gz").write_bytes(data)
    with pytest.raises(SourceError, match="boxes.tgz .* claims 1,073,741,824 bytes for a name"):
        boxes.read_boxes([tmp_path / "boxes.tgz"])
    with pytest.raises(SourceError, match="devkit.tar.gz .* claims 1,073,741,824 bytes for a name"):
        check_ground_truth(tmp_path / "devkit.tar.gz")


def test_pax_size_counts_more_than_the_headers():
    records = b"12 size=700\n"
    data = header(b"pax", b"x", b"%011o\0" % len(records)) + records.ljust(BLOCK, b"\0")
    data += header() + bytes([7]) * 700 + bytes(1024 - 700) + bytes(2 * BLOCK)
    assert members_of(data) == members_by_tarfile(data) == [(b"x.JPEG", 3 * BLOCK, 700)]


@pytest.mark.parametrize("cut", [300, 512, 900, 1024])
def test_inner_archive_cut_short_in_a_whole_outer_one_is_named(tmp_path, images, cut):
    inner = {wnid: drawing.tar(classes.items()) for wnid, classes in images.train.items()}
    inner["n01443537"] = inner["n01443537"][:cut]
    outer = drawing.tar([(f"{wnid}.tar", data) for wnid, data in inner.items()])
    (tmp_path / "ILSVRC2012_img_train.tar").write_bytes(outer)
    with pytest.raises(SourceError, match="ILSVRC2012_img_train.tar: inner archive n01443537.tar is (cut|not a tar)"):
        index_images(find_layout([tmp_path]))
