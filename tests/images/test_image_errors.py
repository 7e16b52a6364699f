"""Damaged images, and what is no image: ImageError and nothing else, without decoding a bomb."""

import struct
import time
import zlib

import drawing
import pytest
import simplejpeg
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ilsvrc_tfds.errors import ImageError
from ilsvrc_tfds.images import MAX_PIXELS, Original, Resized, look
from ilsvrc_tfds.images.head import scan_ends
from ilsvrc_tfds.images.pixels import require_decodable

EOI = b"\xff\xd9"


@pytest.mark.parametrize(
    "options", [{}, {"progressive": True}, {"restart_marker_rows": 1}, {"mode": "L"}, {"mode": "CMYK"}], ids=str
)
@pytest.mark.parametrize("part", [0.02, 0.3, 0.5, 0.7, 0.9, 0.98])
def test_truncated_jpeg_is_an_image_error(options, part):
    whole = drawing.jpeg(300, 200, **options)
    cut = whole[: int(len(whole) * part)]
    for op in (Original(), Resized(64)):
        with pytest.raises(ImageError, match="the JPEG ends early"):
            op(cut)
    with pytest.raises(ImageError, match="the JPEG (ends early|is damaged)"):
        Resized(64)(cut + EOI)


def test_truncated_jpeg_is_found_behind_a_thumbnail():
    data = drawing.jpeg_with_thumbnail()
    assert data.count(EOI) == 2
    with pytest.raises(ImageError, match="no end marker"):
        Original()(data[:-2])


@pytest.mark.parametrize("part", [0.02, 0.3, 0.7, 0.9])
def test_truncated_png_is_an_image_error(part):
    data = drawing.crafted_png(6, 8, 4)
    for op in (Original(), Resized(64)):
        with pytest.raises(ImageError, match="the PNG (is damaged|ends early)"):
            op(data[: int(len(data) * part)])


def test_extraneous_bytes_are_harmless():
    data = drawing.jpeg(300, 200)
    with pytest.raises(ValueError, match="extraneous bytes"):  # what libjpeg says
        simplejpeg.decode_jpeg(data[:-2] + b"abcd" + EOI)
    assert Resized(64)(data[:-2] + b"abcd" + EOI) == Resized(64)(data)


@pytest.mark.parametrize(
    "data, message",
    [
        (b"", "neither JPEG nor PNG: it begins with b''"),
        (b"\xff\xd8", "neither JPEG nor PNG"),
        (b"\xff\xd8\xff", "ends early: inside its header"),
        (b"Not found", "neither JPEG nor PNG: it begins with b'Not foun'"),
        (b"GIF89a" + bytes(100), "neither JPEG nor PNG: it begins with b'GIF89a"),
        (b"\xff\xd8" + EOI + bytes(10), "marker 0xd9 at byte 2 does not belong"),
        (b"\xff\xd8\xff\xda" + bytes(100), "marker 0xda at byte 2 does not belong"),
        (b"\xff\xd8\xff\xe0\x00\x01" + bytes(100), "marker 0xe0 at byte 2 does not belong"),  # a length counts itself
        (b"\x89PNG\r\n\x1a\n", "the PNG is damaged: it has no header"),
        (b"\x89PNG\r\n\x1a\n" + drawing.png_chunk(b"IDAT", bytes(30)), "the PNG is damaged: it has no header"),
        (b"\x89PNG\r\n\x1a\n" + drawing.png_chunk(b"IHDR", bytes(9) + b"\x05" + bytes(3)), "colour type 5"),
        (drawing.crafted_png(2, 8, 3, width=0), "the header of the PNG states a size of 0 x 35 pixels"),
    ],
)
def test_what_is_no_image_is_an_image_error(data, message):
    for function in (look, Original(), Resized(256)):
        with pytest.raises(ImageError, match=message):
            function(data)


@pytest.mark.parametrize(
    "marker, precision, components, message",
    [
        (0xC0, 12, 3, "12 bits and 3 components"),
        (0xC0, 8, 2, "8 bits and 2 components"),
        # Lossless, differential, with arithmetic coding.
        *((0xC0 + n, 8, 3, f"kind SOF{n}; expected a baseline") for n in (3, 5, 6, 7, 9, 10, 11, 13, 14, 15)),
    ],
)
def test_kinds_of_jpeg_that_no_pipeline_reads_are_image_errors(marker, precision, components, message):
    data = bytearray(drawing.jpeg())
    at = data.index(b"\xff\xc0")
    data[at + 1], data[at + 4], data[at + 9] = marker, precision, components
    with pytest.raises(ImageError, match=message):
        look(bytes(data))


def claiming(width: int, height: int) -> tuple[bytes, bytes]:
    """Returns a JPEG and a PNG whose heads claim another size than they have."""
    return claiming_jpeg(width, height), claiming_png(width, height)


def claiming_jpeg(width: int, height: int) -> bytes:
    jpeg = bytearray(drawing.jpeg())
    at = jpeg.index(b"\xff\xc0")
    jpeg[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(jpeg)


def claiming_png(width: int, height: int) -> bytes:
    png = bytearray(drawing.png())
    png[16:33] = (
        struct.pack(">II", width, height)
        + png[24:29]
        + struct.pack(">I", zlib.crc32(b"IHDR" + struct.pack(">II", width, height) + png[24:29]))
    )
    return bytes(png)


@pytest.mark.parametrize("data", claiming(30_000, 30_000), ids=["JPEG", "PNG"])
def test_bombs_are_refused_without_decoding(data):
    start = time.process_time()
    for function in (look, Original(), Resized(256)):
        with pytest.raises(ImageError, match="30,000 x 30,000 pixels are over the limit of 89,478,485"):
            function(data)
    assert time.process_time() - start < 0.1


def test_the_limit_is_the_one_where_pillow_warns():
    assert MAX_PIXELS == Image.MAX_IMAGE_PIXELS
    for data in claiming(9000, 9000):
        assert look(data)[1:3] == (9000, 9000)
    width, height = 14_335, 6241
    assert width * height < MAX_PIXELS < width * (height + 1)
    for data in claiming(width, height):
        assert look(data)[1:3] == (height, width)
    for data in claiming(width, height + 1):
        with pytest.raises(ImageError, match="14,335 x 6,242 pixels are over the limit"):
            look(data)
    for data in claiming(65_535, 1):
        assert look(data)[1:3] == (1, 65_535)
    for width, height in ((1, 1 << 26), (1 << 26, 1)):
        assert look(claiming_png(width, height))[1:3] == (height, width)


@pytest.mark.parametrize("size", [(48, 35), (47, 36)])
def test_image_of_another_size_than_its_header_states_is_refused(size):
    data = drawing.jpeg(48, 36)
    head = look(data)
    require_decodable(data, head)
    stated = head._replace(width=size[0], height=size[1])
    with pytest.raises(
        ImageError, match=rf"it is decoded to 48 x 36 pixels, but its header states {size[0]} x {size[1]}"
    ):
        require_decodable(data, stated)


@pytest.mark.parametrize("position", range(2, 34))
def test_jpeg_that_ends_in_its_header_is_an_image_error(position):
    data = drawing.jpeg()
    with pytest.raises(ImageError, match="(the JPEG ends early: inside its header. Get it again|neither JPEG nor PNG)"):
        look(data[:position])


def test_end_of_a_scan_is_found_behind_segments_with_bytes_like_markers():
    data = drawing.jpeg(300, 200, progressive=True)
    first, *others = scan_ends(data)
    comment = b"\xff\xfe\x01\x04" + b"\xff\xd9\xff\x6e" + bytes(254)
    assert len(others) > 3 and data[first] == 0xFF and data[others[-1] :] == EOI
    assert scan_ends(data[:first] + comment + data[first:]) == [first, *(end + len(comment) for end in others)]


def test_frame_without_components_is_an_image_error():
    data = drawing.jpeg()
    at = data.index(b"\xff\xc0")
    for length in range(2, 8):
        short = data[: at + 2] + bytes((0, length)) + data[at + 4 : at + 2 + length] + data[data.index(b"\xff\xc4") :]
        with pytest.raises(ImageError, match="the JPEG ends early: inside its header. Get it again"):
            look(short)


def test_1_pixel_wide_is_refused_only_where_the_result_is_no_jpeg():
    data = drawing.jpeg(1, 256)
    assert Original()(data) is data
    with pytest.raises(ImageError, match="it would become 256 x 65,536 pixels; a JPEG's side has at most 65,500"):
        Resized(256)(data)
    assert look(Resized(256)(drawing.jpeg(255, 1)))[1:3] == (256, 65_280)


def test_png_longer_than_a_jpeg_can_be_is_an_image_error():
    data = drawing.crafted_png(2, 8, 3, width=65_501, height=1)
    with pytest.raises(ImageError, match="it would become 65,501 x 1 pixels"):
        Original()(data)
    assert look(Resized(1)(drawing.crafted_png(2, 8, 3, width=65_501, height=2)))[1:3] == (1, 32_750)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"]),
    st.binary(max_size=200),
)
def test_look_at_random_bytes_raises_nothing_but_image_errors(start, rest):
    try:
        head = look(start + rest)
    except ImageError:
        return
    assert 0 < head.height * head.width <= MAX_PIXELS


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(
        [
            drawing.jpeg(),
            drawing.jpeg(progressive=True),
            drawing.jpeg(mode="CMYK"),
            drawing.ycck(),
            drawing.png(),
            drawing.png(mode="P"),
        ]
    ),
    st.lists(st.tuples(st.integers(0, 700), st.binary(min_size=1, max_size=3)), min_size=1, max_size=4),
    st.booleans(),
)
def test_ops_on_mutated_images_raise_nothing_but_image_errors(data, changes, insert):
    for position, new in changes:
        data = data[:position] + new + data[position + (0 if insert else len(new)) :]
    for op in (look, Original(), Resized(16)):
        try:
            op(data)
        except ImageError as error:
            assert str(error) and not str(error).endswith(".")
