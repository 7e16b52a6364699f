"""The pages of a parquet file's column that nobody vouches for, as a function of their bytes: see hostile.py."""

import contextlib
import io
import tempfile
import types

import pyarrow as pa
import pyarrow.parquet as pq

from ilsvrc_tfds.sources.parquet import errors_of
from ilsvrc_tfds.sources.parquet_values import NotStreamableError, values

_COMPRESSIONS = ("UNCOMPRESSED", "SNAPPY", "GZIP", "ZSTD", "BROTLI")


def read_pages(data: bytes) -> None:
    """Reads a column of two values. The first byte of the data tells its compression, and the second its levels."""
    column = types.SimpleNamespace(
        physical_type="BYTE_ARRAY",
        compression=_COMPRESSIONS[(data[:1] or b"\0")[0] % len(_COMPRESSIONS)],
        dictionary_page_offset=None,
        data_page_offset=2,
        total_compressed_size=len(data) - 2,
        num_values=2,
    )
    with tempfile.TemporaryFile() as file, contextlib.suppress(NotStreamableError), errors_of("column"):
        file.write(data)
        file.flush()
        assert len(list(values(file.fileno(), column, (data[1:2] or b"\0")[0] % 4))) == 2


def seeds(content: list[bytes]) -> list[bytes]:
    """Returns data for `read_pages` of two values."""
    table = pa.table({"image": pa.array([{"bytes": value} for value in content])})
    found = []
    for number, compression in enumerate(_COMPRESSIONS):
        for options in ({}, {"use_dictionary": False, "data_page_version": "2.0"}):
            buffer = io.BytesIO()
            pq.write_table(table, buffer, compression=compression.replace("UNCOMPRESSED", "none"), **options)
            column = pq.ParquetFile(buffer).metadata.row_group(0).column(0)
            start = column.dictionary_page_offset or column.data_page_offset
            pages = buffer.getvalue()[start : start + column.total_compressed_size]
            found.append(bytes([number, 2]) + pages)
    return found
