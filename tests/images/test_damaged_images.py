"""2,940 damaged JPEGs and 270 damaged PNGs: none is taken that TensorFlow refuses, and what TensorFlow takes is refused for known reasons alone."""

import re
import struct
import zlib
from collections.abc import Iterator

import damage
import drawing
import numpy as np
import pytest
import tensorflow as tf

from ilsvrc_tfds.errors import ImageError
from ilsvrc_tfds.images import Original, Resized, look, pixels

pytestmark = pytest.mark.slow

SEEDS = range(30)
EOI = b"\xff\xd9"

# What libjpeg says of damage that it only warns of, as TensorFlow does not: from there on pixels are made up.
ARGUED = (
    r"the JPEG ends early \((Corrupt JPEG data: )?premature end of data segment\)",
    r"the JPEG ends early \(Corrupt JPEG data: found marker 0xd9 instead of RST\d\)",
    r"the JPEG is damaged \(Corrupt JPEG data: bad Huffman code\)",
    r"the JPEG is damaged \(Corrupt JPEG data: found marker 0x\w\w instead of RST\d\)",
    r"the JPEG is damaged \(Inconsistent progression sequence for component \d+ coefficient \d+\)",  # a scan is lost
    # In front of a restart marker, a table or a further scan, but never of the end marker: see `pixels`.
    r"the JPEG is damaged \(Corrupt JPEG data: \d+ extraneous bytes before marker 0x(?!d9)\w\w\)",
)


def damaged(kind: str) -> Iterator[bytes]:
    """Yields JPEGs of a kind, damaged in each way."""
    whole = [damage.WHOLE[kind](seed) for seed in SEEDS]
    for change in damage.DAMAGES.values():
        yield from (change(data, np.random.default_rng([seed, 7])) for seed, data in zip(SEEDS, whole))


def ours(data: bytes) -> np.ndarray | str:
    """Returns the pixels, or what is said of the image."""
    try:
        return pixels.decode(data, look(data))
    except ImageError as error:
        return str(error)


def tensorflow_takes(data: bytes) -> bool:
    try:
        tf.io.decode_jpeg(data, channels=3)
    except tf.errors.InvalidArgumentError:
        return False
    return True


@pytest.mark.parametrize("kind", damage.WHOLE)
def test_damaged_image_is_refused_where_tensorflow_refuses_it_and_else_decoded_the_same_each_time(kind):
    kinds, unargued = [], []
    for data in damaged(kind):
        found, theirs = ours(data), tensorflow_takes(data)
        refused = isinstance(found, str)
        kinds.append((theirs, not refused))
        if refused and theirs and not any(re.match(pattern, found) for pattern in ARGUED):
            unargued.append(found)
        np.testing.assert_array_equal(ours(data), found)
        assert not refused or " object at 0x" not in found
    assert (False, True) not in kinds and not unargued
    assert kinds.count((False, False)) > 30 and kinds.count((True, True)) > 30  # of 420


@pytest.mark.parametrize("kind", damage.WHOLE)
def test_foreign_marker_in_a_scan_is_an_image_error(kind):
    for seed in SEEDS:
        data = damage.DAMAGES["2 bytes FF 44"](damage.WHOLE[kind](seed), np.random.default_rng(seed))
        with pytest.raises(ImageError, match="the JPEG (is damaged|ends early)"):
            Resized(64)(data)


def _replaced_scan_parameters(data: bytes) -> bytes:
    """Returns a baseline JPEG whose scan says that it has the first coefficients alone, as some programs write; others as they are."""
    stop = data.index(b"\xff\xda") + 2 + int.from_bytes(data[data.index(b"\xff\xda") + 2 :][:2], "big")
    return data[: stop - 3] + b"\0\0\0" + data[stop:] if b"\xff\xc0" in data else data[:-2] + b"x" + data[-2:]


HARMLESS = {
    "before the end marker": lambda data: data[:-2] + b"abcd" + EOI,
    "in the head": lambda data: data[:20] + b"stray\xff\0" + data[20:],
    "behind the end marker": lambda data: data + b"\0garbage\xff" * 100,
    "parameters of a scan": lambda data: _replaced_scan_parameters(data),
    "another revision of JFIF": lambda data: data.replace(b"JFIF\0\x01", b"JFIF\0\x09"),
}


@pytest.mark.parametrize("progressive", [False, True], ids=["baseline", "progressive"])
@pytest.mark.parametrize("change", HARMLESS.values(), ids=HARMLESS)
def test_harmless_oddities_change_no_pixel(change, progressive):
    data = drawing.jpeg(300, 200, progressive=progressive)
    odd = change(data)
    assert odd != data and tensorflow_takes(odd)
    np.testing.assert_array_equal(ours(odd), ours(data))
    assert Original()(odd) is odd and Resized(64)(odd) == Resized(64)(data)


def test_marker_of_jfif_counts_in_whatever_revision():
    """Without it, libjpeg would take the names of the components for RGB."""
    data = bytearray(drawing.jpeg(300, 200))
    frame, scan = data.index(b"\xff\xc0"), data.index(b"\xff\xda")
    for k, name in enumerate(b"RGB"):
        data[frame + 10 + 3 * k] = data[scan + 5 + 2 * k] = name
    odd = HARMLESS["another revision of JFIF"](bytes(data))
    np.testing.assert_array_equal(ours(odd), ours(drawing.jpeg(300, 200)))


def test_adobe_transform_that_nobody_knows_is_harmless():
    data = drawing.jpeg(300, 200, keep_rgb=True)
    at = data.index(b"Adobe") + 11
    odd = data[:at] + b"\x07" + data[at + 1 :]
    assert tensorflow_takes(odd)
    assert ours(odd).shape == (200, 300, 3)


def test_damage_behind_stray_bytes_of_the_head_is_found():
    data = HARMLESS["in the head"](drawing.jpeg(300, 200))
    assert "Unsupported marker type 0x44" in ours(data[:-40] + b"\xff\x44" + data[-38:])
    assert "premature end of data segment" in ours(data[:-300] + EOI)


@pytest.mark.parametrize("marker", [0x6E, 0xC8, 0xCC, 0xDC, 0xDE, 0xF4])
def test_marker_that_does_not_belong_into_a_head_is_refused(marker):
    data = drawing.jpeg(300, 200)
    at = data.index(b"\xff\xc4")  # libjpeg has Huffman tables of its own if there are none
    odd = data[: at + 1] + bytes([marker]) + data[at + 2 :]
    assert f"marker {marker:#04x} at byte" in ours(odd)
    assert tensorflow_takes(odd) == (marker == 0xDC)  # which libjpeg passes over, and the tables with it


def test_scan_that_is_no_scan_any_more_is_refused():
    data = damage.WHOLE["progressive"](1)
    at = data.index(b"\xff\xda")
    odd = data[: at + 1] + b"\xf4" + data[at + 2 :]
    assert not tensorflow_takes(odd) and "marker 0xf4" in ours(odd)


def test_damage_of_an_unusual_subsampling_is_found_up_to_the_end_marker():
    data = drawing.blocky_jpeg((4, 2))
    assert "marker 0x44 at byte" in ours(data[:-40] + b"\xff\x44" + data[-38:])
    comment = b"\xff\xfe\xff\xff"  # of 65,533 bytes, which would reach beyond the end
    assert "ends early: inside its scans" in ours(data[:-40] + comment + data[-36:])


@pytest.mark.parametrize("kind", damage.PNG_DAMAGES)
def test_damaged_png_is_refused_where_tensorflow_refuses_it(kind):
    verdicts = []
    for seed in SEEDS:
        data = drawing.png(320, 240, seed=seed)
        damaged = damage.PNG_DAMAGES[kind](data, np.random.default_rng([seed, 7]))
        try:
            theirs = tf.io.decode_png(damaged, channels=3).numpy()
        except tf.errors.InvalidArgumentError:
            theirs = None
        found = ours(damaged)
        verdicts.append((theirs is not None, not isinstance(found, str)))
        if verdicts[-1] == (True, True):
            np.testing.assert_array_equal(found, theirs)
    assert (False, True) not in verdicts and verdicts.count((False, False)) > 20, verdicts


@pytest.mark.parametrize("kind", ["4:1:0", "CMYK", "baseline", "progressive"])
def test_half_a_jpeg_with_an_end_marker_is_refused(kind):
    for seed in SEEDS:
        data = damage.WHOLE[kind](seed)
        assert isinstance(ours(data), np.ndarray)
        assert "ends early" in ours(data[: len(data) // 2] + EOI)


def test_progressive_jpeg_without_one_of_its_scans_is_refused():
    data = damage.WHOLE["progressive"](1)
    starts = [match.start() for match in re.finditer(rb"\xff\xda", data)]
    stops = [*starts[1:], len(data) - 2]
    found = [ours(data[:start] + data[stop:]) for start, stop in zip(starts, stops, strict=True)]
    assert [isinstance(what, str) for what in found] == [True] * 8 + [False] * 2
    # The last two say the last bit of some coefficients: nothing in the file tells that there was to be one.
    whole = ours(data).astype(int)
    assert all(np.abs(pixels - whole).mean() < 0.5 for pixels in found[8:])


def _png_of(rows: bytes, colour: int = 2, palette: bytes = b"", headers: int = 1, interlaced: int = 0) -> bytes:
    """Returns a PNG of 8 x 8 pixels with these rows."""
    header = drawing.png_chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, colour, 0, 0, interlaced))
    middle = drawing.png_chunk(b"PLTE", palette) if palette else b""
    body = drawing.png_chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + header * headers + middle + body + drawing.png_chunk(b"IEND", b"")


ROWS = bytes(8 * (1 + 8 * 3))
BAD_PNGS = {
    "half of the rows": (_png_of(ROWS[:100]), "holds 100 of 200 bytes"),
    "no palette": (_png_of(bytes(8 * 9), colour=3), "header or palette"),
    "two headers": (_png_of(ROWS, headers=2), "header or palette"),
    "no end": (_png_of(ROWS)[:-12], "ends early"),
}


@pytest.mark.parametrize("data, message", BAD_PNGS.values(), ids=BAD_PNGS)
def test_png_that_is_not_whole_is_refused(data, message):
    assert isinstance(ours(_png_of(ROWS)), np.ndarray)
    with pytest.raises(tf.errors.InvalidArgumentError):
        tf.io.decode_png(data, channels=3)
    assert message in ours(data)


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (8, 8), (33, 20)], ids=str)
def test_interlaced_png_is_whole_if_all_passes_are_there(size):
    width, height = size
    passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    grey = np.random.default_rng(3).integers(0, 256, (height, width), np.uint8)
    parts = [grey[y::dy, x::dx] for x, y, dx, dy in passes]
    rows = b"".join(b"\0" + row.tobytes() for part in parts if part.size for row in part)
    header = drawing.png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 1))
    chunks = header + drawing.png_chunk(b"IDAT", zlib.compress(rows)) + drawing.png_chunk(b"IEND", b"")
    np.testing.assert_array_equal(ours(b"\x89PNG\r\n\x1a\n" + chunks), np.repeat(grey[..., None], 3, axis=2))
    cut = header + drawing.png_chunk(b"IDAT", zlib.compress(rows[:-1])) + drawing.png_chunk(b"IEND", b"")
    assert "ends early" in ours(b"\x89PNG\r\n\x1a\n" + cut)
