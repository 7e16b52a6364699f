"""The framing is compared with what TensorFlow writes and reads; damage of every kind with where it was done."""

import os
import struct
from pathlib import Path

import google_crc32c
import numpy as np
import pytest
import tensorflow as tf
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st

from ilsvrc_tfds.errors import SourceError
from ilsvrc_tfds.formats.tfrecord import FRAME_BYTES, Record, frame, read_record, read_records, read_spans

PAYLOADS = [bytes([k]) * (100 + k) for k in range(8)]
# Of record 3, in the file of these payloads.
START = sum(FRAME_BYTES + len(payload) for payload in PAYLOADS[:3])
SIZE = FRAME_BYTES + len(PAYLOADS[3])


def framed(payloads: list[bytes]) -> bytes:
    """Returns the file with these payloads."""
    return b"".join(piece for payload in payloads for piece in frame([payload]))


def read(path: Path, data: bytes) -> list[Record]:
    """Returns the records of a file with these bytes, after checking that they are the whole of it."""
    path.write_bytes(data)
    digest = xxhash.xxh3_64()
    records = list(read_records(path, digest))
    assert digest.digest() == xxhash.xxh3_64_digest(data)
    assert [record.number for record in records] == list(range(len(records)))
    ends = [record.offset + record.size for record in records]
    assert [record.offset for record in records] == [0, *ends][: len(records)] and ends[-1:] == [len(data)][: len(ends)]
    return records


def flipped(data: bytes, position: int, bits: int = 1) -> bytes:
    """Returns the data with bits of one byte flipped."""
    return data[:position] + bytes([data[position] ^ bits]) + data[position + 1 :]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.binary(max_size=5000), max_size=5))
def test_frames_are_the_file_that_tensorflow_writes_and_are_read_again(tmp_path_factory, payloads):
    folder = tmp_path_factory.mktemp("framing")
    with tf.io.TFRecordWriter(str(folder / "theirs")) as writer:
        for payload in payloads:
            writer.write(payload)
    theirs = (folder / "theirs").read_bytes()
    assert framed(payloads) == theirs
    assert [record.payload for record in read(folder / "ours", theirs)] == payloads
    assert read_spans(folder / "ours") == [(record.offset, record.size) for record in read_records(folder / "theirs")]


def test_frames_are_read_by_tensorflow(tmp_path):
    payloads = [b"", bytes(range(256)) * 700, bytes(3_000_000)]
    (tmp_path / "ours").write_bytes(framed(payloads))
    assert [record.numpy() for record in tf.data.TFRecordDataset(str(tmp_path / "ours"))] == payloads


def test_frame_does_not_copy_the_payload():
    pieces = (b"a" * 100, b"b" * 1000, b"")
    assert all(ours is given for ours, given in zip(frame(pieces)[1:4], pieces))
    assert b"".join(frame(pieces)) == b"".join(frame([b"".join(pieces)]))


def test_frame_has_the_checksum_of_rfc_3720():
    # B.4: CRC32C of 32 zeros is 0x8a9136aa; so the library under the framing is the right one.
    assert google_crc32c.value(bytes(32)) == 0x8A9136AA
    header, _, footer = frame([bytes(32)])
    assert struct.unpack("<Q", header[:8]) == (32,) and len(header) == 12
    assert struct.unpack("<I", footer) == (((0x8A9136AA >> 15 | 0x8A9136AA << 17) + 0xA282EAD8) & 0xFFFFFFFF,)


def test_empty_file_has_no_records(tmp_path):
    assert read(tmp_path / "shard", b"") == [] and read_spans(tmp_path / "shard") == []


WHOLE = framed(PAYLOADS)
WRONG_DATA = "its data does not match the checksum"
# Damage done to record 3: the bytes of the file, offset and size of what is reported, its text, the records behind it.
DAMAGE = {
    "data": (flipped(WHOLE, START + 50), START, SIZE, WRONG_DATA, 4),
    "first byte of the data": (flipped(WHOLE, START + 12, 0x80), START, SIZE, WRONG_DATA, 4),
    "checksum of the data": (
        flipped(WHOLE, START + SIZE - 3),
        START, SIZE, "the checksum of its data is damaged: a single byte of it", 4,
    ),
    "length": (
        flipped(WHOLE, START),
        START, SIZE, "its length is damaged: it states 102 bytes of data instead of 103", 4,
    ),
    "upper half of the length": (
        flipped(WHOLE, START + 6),
        START, SIZE, "its length is damaged: it states 281,474,976,710,759 bytes of data instead of 103", 4,
    ),
    "checksum of the length": (
        flipped(WHOLE, START + 9),
        START, SIZE, "the checksum of its length is damaged", 4,
    ),
    "length and data": (
        flipped(flipped(WHOLE, START), START + 50),
        START, SIZE, f"its length is damaged: it states 102 bytes of data instead of 103; {WRONG_DATA}", 4,
    ),
    "length and its checksum": (
        flipped(flipped(WHOLE, START), START + 9),
        START, SIZE, f"{SIZE} bytes are not a record, up to the next record", 4,
    ),
    "two headers": (
        flipped(flipped(WHOLE, START), START + SIZE),
        START, 2 * SIZE + 1, f"{2 * SIZE + 1} bytes are not a record, up to the next record", 3,
    ),
    "bytes lost from the data": (
        WHOLE[: START + 30] + WHOLE[START + 50 :],
        START, SIZE - 20, f"20 of its {SIZE} bytes are missing: the next record begins", 4,
    ),
    "bytes lost from the data and the next header": (
        WHOLE[: START + 30] + WHOLE[START + SIZE + 5 :],
        START, SIZE, WRONG_DATA, None,
    ),
    "bytes put into the data": (
        WHOLE[: START + 30] + b"new" + WHOLE[START + 30 :],
        START, SIZE, WRONG_DATA, None,
    ),
    "a stretch of zeros over the header": (
        WHOLE[:START] + bytes(60) + WHOLE[START + 60 :],
        START, SIZE, f"{SIZE} bytes are not a record, the first 60 of them zeros, up to the next record", 4,
    ),
    "cut inside the header": (
        WHOLE[: START + 7],
        START, 7, "the file ends inside a header, or 7 bytes were appended to it", 0,
    ),
    "cut behind the header": (WHOLE[: START + 12], START, 12, "the file ends inside its data, 107 bytes early", 0),
    "cut inside the data": (WHOLE[: START + 50], START, 50, "the file ends inside its data, 69 bytes early", 0),
    "cut inside the checksum": (
        WHOLE[: START + SIZE - 1],
        START, SIZE - 1, "the file ends inside the checksum of its data, 1 byte early", 0,
    ),
    "cut behind the data": (
        WHOLE[: START + SIZE - 4],
        START, SIZE - 4, "the file ends inside the checksum of its data, 4 bytes early", 0,
    ),
    "bytes appended": (WHOLE[:START] + b"x" * 50, START, 50, "50 bytes are not a record, up to the file's end", 0),
    "zeros appended": (
        WHOLE[:START] + bytes(5_000_000),
        START, 5_000_000, "5,000,000 bytes are not a record, the first 5,000,000 of them zeros, up to the file's end", 0,
    ),
    "one byte appended": (
        WHOLE[:START] + b"\n",
        START, 1, "the file ends inside a header, or 1 byte was appended to it", 0,
    ),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_damage_is_named_with_its_place_and_the_rest_is_read(tmp_path, damage):
    data, offset, size, text, behind = damage
    records = read(tmp_path / "shard", data)
    assert [record.payload for record in records[:3]] == PAYLOADS[:3]
    assert records[3][:3] == (3, offset, size) and records[3].damage == text
    whole = [record.payload for record in records[4:] if not record.damage]
    if behind is None:  # the damage reaches into what follows, but not to the end
        assert whole and PAYLOADS[-len(whole) :] == whole
    else:
        assert len(records) == 4 + behind and PAYLOADS[len(PAYLOADS) - behind :] == whole


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_what_tensorflow_stumbles_over(tmp_path, name):
    (tmp_path / "shard").write_bytes(DAMAGE[name][0])
    rows = iter(tf.data.TFRecordDataset(str(tmp_path / "shard")))
    assert [next(rows).numpy() for _ in range(3)] == PAYLOADS[:3]
    # It takes less than a header for the end of the file, and says nothing.
    silent = name in ("cut inside the header", "one byte appended")
    with pytest.raises(StopIteration if silent else tf.errors.DataLossError):
        next(rows)


@pytest.mark.parametrize("name", ["length", "checksum of the length"])
def test_payload_is_had_where_only_the_header_is_damaged(tmp_path, name):
    assert read(tmp_path / "shard", DAMAGE[name][0])[3].payload == PAYLOADS[3]


def test_damaged_last_record_is_told_from_appended_bytes(tmp_path):
    last = len(WHOLE) - FRAME_BYTES - len(PAYLOADS[-1])
    record = read(tmp_path / "shard", flipped(WHOLE, last + 1))[-1]
    assert record.offset == last
    assert record.damage == "its length is damaged: it states 363 bytes of data instead of 107"


@pytest.mark.parametrize(
    "position, damage",
    [
        (0, "its length is damaged: it states 1 bytes of data instead of 0"),
        (8, "the checksum of its length is damaged"),
    ],
)
def test_damaged_header_of_a_record_without_data_is_named(tmp_path, position, damage):
    records = read(tmp_path / "shard", flipped(framed([b"", *PAYLOADS]), position))
    assert records[0][:3] == (0, 0, FRAME_BYTES) and records[0].damage == damage
    assert [record.payload for record in records[1:]] == PAYLOADS


def test_records_inside_a_damaged_payload_are_its_own(tmp_path):
    outer = [WHOLE, PAYLOADS[0]]
    records = read(tmp_path / "shard", flipped(framed(outer), 50))
    assert [(record.offset, bool(record.damage)) for record in records] == [
        (0, True),
        (FRAME_BYTES + len(WHOLE), False),
    ]


def test_removed_record_cannot_be_seen(tmp_path):
    records = read(tmp_path / "shard", framed(PAYLOADS[:3] + PAYLOADS[4:]))
    assert len(records) == 7 and not any(record.damage for record in records)


@st.composite
def damaged(draw) -> tuple[list[bytes], bytes]:
    """Returns payloads, and their file after some changes."""
    payloads = draw(st.lists(st.binary(min_size=1, max_size=60), min_size=1, max_size=8))
    data = bytearray(framed(payloads))
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(data)))
        stop = min(len(data), start + draw(st.integers(0, 90)))
        data[start:stop] = draw(st.one_of(st.binary(max_size=30), st.just(bytes(stop - start))))
    return payloads, bytes(data)


@settings(max_examples=300, deadline=None)
@given(damaged())
def test_any_damage_is_survived_and_no_payload_is_invented(tmp_path_factory, case):
    payloads, data = case
    records = read(tmp_path_factory.mktemp("framing") / "shard", data)
    whole = [record.payload for record in records if not record.damage]
    assert set(whole) <= set(payloads)
    assert whole == payloads if data == framed(payloads) else len(whole) <= len(payloads)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(WHOLE) - 1), st.integers(1, 255))
def test_one_changed_byte_damages_one_record(tmp_path_factory, position, bits):
    records = read(tmp_path_factory.mktemp("framing") / "shard", flipped(WHOLE, position, bits))
    damaged = [record for record in records if record.damage]
    assert len(damaged) == 1 and damaged[0].offset <= position < damaged[0].offset + damaged[0].size
    assert [r.payload for r in records if not r.damage] == [p for k, p in enumerate(PAYLOADS) if k != damaged[0].number]


def test_next_record_is_found_among_what_only_looks_like_one(tmp_path):
    # True headers of records that would go beyond the file's end, half headers, zeros: over more than one buffer.
    too_long = frame([bytes(70_000_000)])[0]
    noise = np.random.default_rng(0).bytes(1_500_000)
    data = framed(PAYLOADS[:1]) + b"x" + (too_long + bytes(9) + b"\1\0\0\0\0\0\0\0abcd") * 50_000 + noise
    records = read(tmp_path / "shard", data + framed(PAYLOADS[1:]))
    assert [record.payload for record in records if not record.damage] == PAYLOADS
    assert [(r.number, r.offset, r.size) for r in records if r.damage] == [(1, 116, len(data) - 116)]


def test_next_record_is_found_where_two_buffers_meet(tmp_path):
    for size in range((1 << 20) - 14, (1 << 20) + 2):
        records = read(tmp_path / "shard", b"x" * size + framed(PAYLOADS[:1]))
        assert [(r.offset, r.payload) for r in records if not r.damage] == [(size, PAYLOADS[0])]


def test_headers_within_headers_do_not_make_the_reading_quadratic(tmp_path, monkeypatch):
    data = frame([bytes(500_000)])[0] * 200_000
    pread, num_bytes = os.pread, []
    monkeypatch.setattr(os, "pread", lambda *args: num_bytes.append(len(result := pread(*args))) or result)
    assert all(record.damage for record in read(tmp_path / "shard", data))
    assert sum(num_bytes) < 8 * len(data)


def test_header_of_more_than_a_gibibyte_is_none(tmp_path):
    path = tmp_path / "shard"
    path.write_bytes(framed(PAYLOADS[:1]) + frame_header(1 << 31))
    os.truncate(path, (1 << 31) + 200)
    first = next(read_records(path))
    assert first.payload == PAYLOADS[0]
    with pytest.raises(SourceError, match="record 1, byte 116: no whole record begins here"):
        read_spans(path)


def frame_header(length: int) -> bytes:
    """Returns the header of a record of that length, which need not be made for it."""
    data = struct.pack("<Q", length)
    checksum = google_crc32c.value(data)
    return data + struct.pack("<I", ((checksum >> 15 | checksum << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def test_spans_are_offset_and_size_of_each_record(tmp_path):
    (tmp_path / "shard").write_bytes(WHOLE)
    spans = read_spans(tmp_path / "shard")
    assert [WHOLE[offset : offset + size] for offset, size in spans] == [framed([payload]) for payload in PAYLOADS]


@pytest.mark.parametrize("name", ["length", "checksum of the length", "cut inside the data", "bytes appended"])
def test_spans_of_a_damaged_file_are_a_source_error(tmp_path, name):
    (tmp_path / "shard").write_bytes(DAMAGE[name][0])
    with pytest.raises(
        SourceError, match=rf"shard: record 3, byte {START}: no whole record begins here.*make the file again"
    ):
        read_spans(tmp_path / "shard")


@pytest.mark.parametrize("read_file", [lambda path: list(read_records(path)), read_spans])
def test_file_that_cannot_be_read_is_a_source_error(tmp_path, read_file):
    with pytest.raises(SourceError, match="nothing cannot be read: No such file or directory. Check the path"):
        read_file(tmp_path / "nothing")
    with pytest.raises(SourceError, match="cannot be read: Is a directory"):
        read_file(tmp_path)


def test_one_record_is_read_by_its_span(tmp_path):
    (tmp_path / "shard").write_bytes(WHOLE)
    assert [read_record(tmp_path / "shard", *span) for span in read_spans(tmp_path / "shard")] == PAYLOADS


@pytest.mark.parametrize("position", [0, 9, 50, SIZE - 1])
def test_one_record_that_is_damaged_is_a_source_error(tmp_path, position):
    (tmp_path / "shard").write_bytes(flipped(WHOLE, START + position))
    with pytest.raises(SourceError, match=f"shard: byte {START}: the record is damaged. Run `ilsvrc-tfds verify`"):
        read_record(tmp_path / "shard", START, SIZE)
    assert read_record(tmp_path / "shard", START + SIZE, SIZE + 1) == PAYLOADS[4]
    with pytest.raises(SourceError, match="nothing cannot be read: No such file or directory"):
        read_record(tmp_path / "nothing", 0, SIZE)
