"""Images that are streamed out of parquet files: what pyarrow reads, from pages of any kind and size, and nothing else."""

import itertools
import os
import random
from pathlib import Path

import drawing
import forms
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ilsvrc_tfds.errors import SourceError
from ilsvrc_tfds.sources import parquet, parquet_pages, parquet_values, snappy
from ilsvrc_tfds.sources.byte_stream import ByteStream
from ilsvrc_tfds.sources.parquet_values import NotStreamableError, _numbered, values

KIND = pa.struct({"bytes": pa.binary(), "path": pa.string()})


@pytest.fixture(autouse=True)
def _all_are_streamed(monkeypatch):
    monkeypatch.setattr(parquet, "_LARGE", 0)
    for module in (parquet_values, snappy):
        monkeypatch.setattr(module, "_PIECE", 5000)


def images(count: int = 60) -> list[bytes]:
    """Returns byte strings of many sizes, of noise and of repeated bytes, no two of which are equal."""
    draw = random.Random(1)
    sizes = [draw.choice([0, 1, 3, 200, 5000, 9000]) for _ in range(count)]
    content = [draw.randbytes(size) if k % 5 else b"ab" * size for k, size in enumerate(sizes)]
    return [data + k.to_bytes(4, "big") for k, data in enumerate(content)]


def table(content: list[bytes | None]) -> pa.Table:
    rows = [{"bytes": data, "path": f"n01440764_{k}.JPEG"} for k, data in enumerate(content)]
    return pa.table({"image": pa.array(rows, KIND), "label": pa.array([0] * len(rows), pa.int64())})


def streamed(path: Path, definition: int = 2) -> list[bytes]:
    file = pq.ParquetFile(path)
    with open(path, "rb") as raw:
        groups = [file.metadata.row_group(k).column(0) for k in range(file.num_row_groups)]
        return [data for column in groups for data in values(raw.fileno(), column, definition)]


def read(path: Path, count: int) -> list[bytes]:
    places = [(row, 1) for row in range(count)]
    return list(parquet.images(str(path), parquet.archive_stamp(str(path)), places))


@pytest.mark.parametrize("compression", ["none", "snappy", "gzip", "zstd", "brotli"])
@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_every_kind_of_page_gives_the_images(tmp_path, compression, version):
    content = images()
    for dictionary, size, checksum, rows in itertools.product(
        [True, False], [1 << 12, 1 << 27], [True, False], [60, 17]
    ):
        options = {"use_dictionary": dictionary, "data_page_size": size, "dictionary_pagesize_limit": size}
        options |= {"compression": compression, "data_page_version": version, "row_group_size": rows}
        pq.write_table(table(content), tmp_path / "a", write_page_checksum=checksum, write_batch_size=7, **options)
        assert streamed(tmp_path / "a") == content, options


def test_dictionary_that_became_too_large_is_followed_by_plain_pages(tmp_path):
    content = images()
    options = {"dictionary_pagesize_limit": 20_000, "data_page_size": 1, "write_batch_size": 7}
    pq.write_table(table(content), tmp_path / "a", **options)
    column = pq.ParquetFile(tmp_path / "a").metadata.row_group(0).column(0)
    with open(tmp_path / "a", "rb") as file:
        pages = parquet_pages.pages_of(file.fileno(), column)
    kinds = [(page.kind == parquet_pages.DICTIONARY, page.encoding == parquet_pages.PLAIN) for page in pages]
    assert [kind for kind, _ in itertools.groupby(kinds)] == [(True, True), (False, False), (False, True)]
    assert streamed(tmp_path / "a") == content


def test_images_that_cannot_be_null_have_no_levels(tmp_path):
    content = images()
    field = pa.field("image", pa.struct([pa.field("bytes", pa.binary(), False), pa.field("path", pa.string())]), False)
    own = table(content).cast(pa.schema([field, pa.field("label", pa.int64())]))
    pq.write_table(own, tmp_path / "a")
    assert pq.ParquetFile(tmp_path / "a").schema.column(0).max_definition_level == 0
    assert streamed(tmp_path / "a", definition=0) == content == read(tmp_path / "a", 60)


def test_page_header_with_long_statistics_is_read(tmp_path):
    content = [data + os.urandom(3000) for data in images(9)]
    pq.write_table(table(content), tmp_path / "a", data_page_size=1, write_batch_size=2, use_dictionary=False)
    assert streamed(tmp_path / "a") == content


def test_images_that_repeat_are_in_the_dictionary_once(tmp_path):
    first, draw = images(30), random.Random(3)
    content = [*first, *draw.choices(first, k=70), b"new", *draw.choices(first, k=30), b"new"]
    pq.write_table(table(content), tmp_path / "a")
    assert streamed(tmp_path / "a") == content
    numbers = np.array([0, 1, 0, 2, 2, 0])
    assert list(_numbered(iter([b"a", b"b", b"c", b"unused"]), numbers)) == [b"a", b"b", b"a", b"c", b"c", b"a"]
    with pytest.raises(ValueError, match="more values than its dictionary"):
        list(_numbered(iter([b"a", b"b"]), numbers))
    with pytest.raises(NotStreamableError):
        next(_numbered(iter([b"a", b"b"]), np.array([1, 0])))


@pytest.mark.parametrize(
    "content, options",
    [
        (images(), {"compression": "lz4"}),
        (images(), {"use_dictionary": False, "column_encoding": {"image.bytes": "DELTA_LENGTH_BYTE_ARRAY"}}),
        (images(), {"use_dictionary": False, "column_encoding": {"image.bytes": "DELTA_BYTE_ARRAY"}}),
    ],
)
def test_what_cannot_be_streamed_is_read_by_pyarrow(tmp_path, content, options):
    pq.write_table(table(content), tmp_path / "a", **options)
    with pytest.raises(NotStreamableError):
        streamed(tmp_path / "a")
    assert read(tmp_path / "a", len(content)) == content


def test_pyarrow_goes_on_where_the_stream_ends(tmp_path):
    content = images()
    content[41] = content[40]
    options = {"use_dictionary": False, "data_page_size": 1, "write_batch_size": 10, "row_group_size": 60}
    pq.write_table(table([*content[:50], None, *content[51:]]), tmp_path / "a", **options)
    found = parquet.images(str(tmp_path / "a"), "", [(row, 1) for row in range(60)])
    assert list(itertools.islice(found, 50)) == content[:50]
    with pytest.raises(
        SourceError, match=r"row group 0, row 50 has no image \(`image.bytes` is null\), and only names"
    ):
        next(found)


def test_column_that_is_there_twice_is_read_by_pyarrow(tmp_path):
    content = images(20)
    pq.write_table(table(content).add_column(0, "image.bytes", pa.array(content[::-1])), tmp_path / "a")
    assert read(tmp_path / "a", 20) == content


def test_page_with_bytes_after_its_last_value_is_read_by_pyarrow(tmp_path, monkeypatch):
    content = images(20)
    pq.write_table(table(content), tmp_path / "a", compression="none")
    stored = parquet_values._stored
    monkeypatch.setattr(parquet_values, "_stored", lambda file, page: itertools.chain(stored(file, page), [bytes(8)]))
    with pytest.raises(NotStreamableError):
        streamed(tmp_path / "a")
    assert read(tmp_path / "a", 20) == content


def test_footer_that_states_fewer_rows_than_the_column_has_moves_no_image(tmp_path, monkeypatch):
    pq.write_table(table(images(12)), tmp_path / "a", row_group_size=6)
    whole, compared = (tmp_path / "a").read_bytes(), 0
    for at in range(len(whole) - int.from_bytes(whole[-8:-4], "little") - 8, len(whole) - 8):
        (tmp_path / "b").write_bytes(whole[:at] + b"\x0a" + whole[at + 1 :])
        if whole[at] != 12 or rows_of_groups(tmp_path / "b") != [5, 6]:  # 12 is 6, as Thrift stores it
            continue
        found = read(tmp_path / "b", 11)
        monkeypatch.setattr(parquet, "_LARGE", 1 << 40)  # pyarrow reads all
        assert found == read(tmp_path / "b", 11)
        compared += 1
    assert compared == 1


def rows_of_groups(path: Path) -> list[int]:
    try:
        described = pq.ParquetFile(path).metadata
        return [described.row_group(k).num_rows for k in range(described.num_row_groups)]
    except (OSError, pa.ArrowException):
        return []


def test_file_that_is_removed_meanwhile_is_read_to_its_end(tmp_path):
    content = images(12)
    pq.write_table(table(content), tmp_path / "a", row_group_size=6)
    found = parquet.images(str(tmp_path / "a"), "", [(row, 1) for row in range(12)])
    first = next(found)
    (tmp_path / "a").unlink()
    assert [first, *itertools.islice(found, 11)] == content


@pytest.mark.parametrize("options", [{}, {"use_dictionary": False}, {"compression": "zstd"}, {"compression": "gzip"}])
def test_damaged_page_is_an_error(tmp_path, options):
    content = images(12)
    pq.write_table(table(content), tmp_path / "a", write_page_checksum=True, **options)
    whole, column = (tmp_path / "a").read_bytes(), pq.ParquetFile(tmp_path / "a").metadata.row_group(0).column(0)
    with open(tmp_path / "a", "rb") as file:
        pages = parquet_pages.pages_of(file.fileno(), column)
    inside = {at for page in pages for at in range(page.offset, page.offset + page.size)}
    start = column.dictionary_page_offset or column.data_page_offset
    for at in [*range(start, start + 40), *sorted(inside)[40::61]]:
        (tmp_path / "b").write_bytes(whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :])
        try:
            found = read(tmp_path / "b", 12)
        except SourceError as error:
            assert " is damaged or cut short" in str(error) and f"{tmp_path / 'b'}: row group 0" in str(error)
        else:  # in a header, of which not all is used
            assert found == content and at not in inside


@pytest.mark.slow
def test_streamed_source_gives_what_the_archives_give(tmp_path, monkeypatch):
    pictures = drawing.miniature(test=2)
    drawing.official_archives(tmp_path / "archives", pictures)
    expected = forms.results(tmp_path / "archives", tmp_path / "expected")
    for name, options in {"a": {}, "b": {"row_group_size": 2, "use_dictionary": False, "compression": "zstd"}}.items():
        forms.hugging_face(tmp_path / name, pictures, how="pyarrow", **options)
        monkeypatch.setattr(parquet, "images_of", None)  # of pyarrow's batches
        assert forms.results(tmp_path / name, tmp_path / f"{name}-out") == expected


def uncompressed(data: bytes) -> bytes:
    return b"".join(snappy.decompressed(ByteStream(iter([data]))))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"a",
        b"a" * 100_000,
        b"abc" * 5_000 + bytes(70_000),
        random.Random(1).randbytes(300_000),
        random.Random(2).randbytes(9_000) * 20,
        *(bytes(random.Random(seed).choices(b"abcd", k=50_000)) for seed in range(5)),
    ],
)
def test_snappy_gives_what_pyarrow_gives(data):
    assert uncompressed(pa.Codec("snappy").compress(data, asbytes=True)) == data


@pytest.mark.parametrize(
    "data, message",
    [
        (b"\x05\x04ab", "early"),
        (b"\x05\x04abc", "early"),
        (b"\x04\x00a\x01\x02", "from before its beginning"),
        (b"\x04\x00a\x01\x00", "from before its beginning"),
        (b"\x03\x00a\x0d\x01", "longer than stated"),
        (b"\xff" * 10 + b"\x01", "more than 64 bits"),
    ],
)
def test_damaged_snappy_is_an_error(data, message):
    with pytest.raises(ValueError, match=message):
        uncompressed(data)


def test_copy_from_farther_back_than_any_compressor_makes_it_is_left_to_pyarrow():
    noise, size = random.Random(1).randbytes(150_000), 150_004
    data = bytes([size & 127 | 128, size >> 7 & 127 | 128, size >> 14]) + b"\xf8" + (149_999).to_bytes(3, "little")
    data += noise + bytes([3 << 2 | 3]) + (150_000).to_bytes(4, "little")
    assert pa.Codec("snappy").decompress(data, size, asbytes=True) == noise + noise[:4]
    pieces = snappy.decompressed(ByteStream(iter([data])))
    with pytest.raises(snappy.FarCopyError):
        list(pieces)
