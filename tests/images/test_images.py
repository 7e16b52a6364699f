"""One image, bytes to bytes; the colours are compared with TensorFlow's decoders, the resizing with Pillow's."""

import io
import struct

import cykooz_resizer
import drawing
import numpy as np
import pytest
import simplejpeg
import tensorflow as tf
from PIL import Image, JpegImagePlugin

from ilsvrc_tfds import Ilsvrc2012
from ilsvrc_tfds.errors import ImageError, OptionError
from ilsvrc_tfds.images import CONFIGS, Head, Original, Resized, Untouched, codec_versions, look, pixels


def pixels_of(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)))


def difference(a, b) -> tuple[float, int]:
    """Returns the mean and the largest difference of two pictures, in grey levels."""
    a, b = np.asarray(a).astype(int), np.asarray(b).astype(int)
    assert a.shape == b.shape
    return np.abs(a - b).mean(), np.abs(a - b).max()


CMYK = {
    "as Pillow writes it": drawing.jpeg(120, 80, "CMYK"),
    "progressive": drawing.jpeg(120, 80, "CMYK", progressive=True),
    "without Adobe's marker": drawing.cmyk_without_adobe(),
    "YCCK": drawing.ycck(),
}
PNGS = {
    **{mode: drawing.png(45, 35, mode) for mode in ("RGBA", "RGB", "P", "L", "LA", "1", "I;16")},
    "RGB, 16 bits": drawing.crafted_png(2, 16, 3),
    "RGBA, 16 bits": drawing.crafted_png(6, 16, 4),
    "LA, 16 bits": drawing.crafted_png(4, 16, 2),
    "I;16 of noise": drawing.crafted_png(0, 16, 1),
    "grey, 4 bits": drawing.crafted_png(0, 4, 1, width=44),
    "RGB with a transparent colour": drawing.crafted_png(
        2, 8, 3, drawing.png_chunk(b"tRNS", bytes((0, 1, 0, 2, 0, 3)))
    ),
    "RGB with a gamma": drawing.crafted_png(2, 8, 3, drawing.png_chunk(b"gAMA", struct.pack(">I", 45_455))),
}


KEPT = {
    "RGB": drawing.jpeg(),
    "grey": drawing.jpeg(mode="L"),
    "progressive": drawing.jpeg(progressive=True),
    "restart markers": drawing.jpeg(restart_marker_rows=1),
    "1 pixel wide": drawing.jpeg(1, 40),
    "1 pixel": drawing.jpeg(1, 1),
    "EXIF": drawing.jpeg_with_thumbnail(),
    "trailing garbage": drawing.jpeg() + b"\0garbage\xff" * 100,
    "bytes between markers": drawing.jpeg()[:20] + b"stray\xff\0" + drawing.jpeg()[20:],
    "4:1:0": drawing.blocky_jpeg((4, 2)),
}


@pytest.mark.parametrize("data", CMYK.values(), ids=CMYK)
def test_original_cmyk_has_the_colours_of_tf_decode_jpeg(data):
    result = Original()(data)
    assert look(data).components == 4
    assert look(result) == Head("JPEG", 80, 120, 3)
    mean, most = difference(pixels_of(result), tf.io.decode_jpeg(data, channels=3))
    assert pixels_of(result).std() > 20  # not all black
    assert mean < 1 and most <= 12


@pytest.mark.parametrize("data", CMYK.values(), ids=CMYK)
def test_pillow_decodes_cmyk_as_simplejpeg_does(data):
    np.testing.assert_array_equal(pixels._decode_jpeg_with_pillow(data, "CMYK"), simplejpeg.decode_jpeg(data, "CMYK"))


@pytest.mark.parametrize("data", PNGS.values(), ids=PNGS)
def test_original_png_has_the_colours_of_tf_decode_png(data):
    expected = tf.io.decode_png(data, channels=3)
    np.testing.assert_array_equal(pixels.decode(data, look(data)), expected)
    result = Original()(data)
    assert look(result).format == "JPEG" and look(result).components == 3
    mean, most = difference(pixels_of(result), expected)
    assert mean < 1 and most <= 5


def test_original_fixes_without_chroma_subsampling_at_quality_100():
    image = Image.open(io.BytesIO(Original()(drawing.png())))
    assert JpegImagePlugin.get_sampling(image) == 0  # 4:4:4
    assert set(sum(image.quantization.values(), [])) == {1}


@pytest.mark.parametrize("data", KEPT.values(), ids=KEPT)
def test_original_keeps_every_other_jpeg_byte_for_byte(data):
    assert Original()(data) is data
    assert tf.io.decode_jpeg(data, channels=3).shape[:2] == look(data)[1:3]


@pytest.mark.parametrize("data", KEPT.values(), ids=KEPT)
def test_resized_takes_what_original_keeps(data):
    head = look(data)
    result = look(Resized(32)(data))
    assert (result.height, result.width) == Resized(32).size(head.height, head.width)
    assert result.components == head.components


@pytest.mark.parametrize(
    "height, width, side, expected",
    [
        (375, 500, 256, (256, 341)),  # 341.33
        (500, 375, 256, (341, 256)),
        (100, 100, 256, (256, 256)),
        (300, 500, 256, (256, 426)),  # 426.67: cut, not rounded
        (500, 300, 256, (426, 256)),
        (30, 40, 256, (256, 341)),  # small: enlarged
        (257, 1023, 256, (256, 1019)),  # 1019.02
        (375, 500, 160, (160, 213)),  # the config raw160
        (1, 255, 256, (256, 65_280)),
    ],
)
def test_resized_size_is_dbcollections_formula(height, width, side, expected):
    assert Resized(side).size(height, width) == expected


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("width, height", [(500, 375), (375, 500), (60, 45), (1, 3)])
def test_resized_is_close_to_pillows_lanczos(width, height, mode):
    data = drawing.jpeg(width, height, mode, quality=95)
    decoded = pixels.decode(data, look(data))
    size = Resized(256).size(height, width)
    ours = pixels.resize(decoded, *size)
    mean, most = difference(
        ours.squeeze(),
        Image.fromarray(decoded.squeeze(2) if mode == "L" else decoded).resize(size[::-1], Image.LANCZOS),
    )
    assert mean < 0.3 and most <= 28  # facts.md, section 8
    mean, _ = difference(pixels_of(Resized(256)(data)), ours.squeeze())
    assert mean < 2  # JPEG, quality 95


def test_resized_cmyk_and_png_become_rgb():
    for data in (*CMYK.values(), *PNGS.values()):
        assert look(Resized(40)(data)).components == 3


def test_resized_grey_stays_grey():
    assert look(Resized(40)(drawing.jpeg(mode="L"))) == Head("JPEG", 40, 53, 1)


@pytest.mark.parametrize("quality", [95, 75])
def test_resized_has_pillows_tables_of_that_quality_and_420(quality):
    image = Image.open(io.BytesIO(Resized(40, quality)(drawing.jpeg())))
    reference = Image.open(io.BytesIO(drawing.jpeg(quality=quality)))
    assert image.quantization == reference.quantization
    assert JpegImagePlugin.get_sampling(image) == 2  # 4:2:0


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_resized_passes_a_sound_jpeg_of_that_size_through(mode):
    data = drawing.jpeg(48, 36, mode)
    assert Resized(36)(data) is data
    assert Resized(36)(drawing.jpeg(48, 36, "CMYK")) != drawing.jpeg(48, 36, "CMYK")
    assert look(Resized(35)(data)).height == 35


def test_resized_refuses_a_damaged_jpeg_of_that_size():
    data = drawing.jpeg(480, 360)
    with pytest.raises(ImageError, match="ends early"):
        Resized(360)(data[: len(data) // 2] + b"\xff\xd9")


def test_resized_gives_the_same_bytes_with_every_cpu_extension():
    decoded = pixels.decode(drawing.jpeg(500, 375), Head("JPEG", 375, 500, 3))
    results = set()
    for extension in cykooz_resizer.CpuExtensions:
        resizer = cykooz_resizer.Resizer()
        resizer.cpu_extensions = extension  # one that the processor lacks is passed over
        source = cykooz_resizer.ImageData(500, 375, cykooz_resizer.PixelType.U8x3, decoded.tobytes())
        target = cykooz_resizer.ImageData(341, 256, cykooz_resizer.PixelType.U8x3)
        resizer.resize(source, target, pixels._LANCZOS)
        results.add(bytes(target.get_buffer()))
    assert results == {pixels.resize(decoded, 256, 341).tobytes()}


def test_resized_gives_the_same_bytes_twice():
    assert Resized(256)(drawing.jpeg(500, 375)) == Resized(256)(drawing.jpeg(500, 375))


ODD_SAMPLINGS = [(4, 1), (3, 1), (1, 3), (1, 4), (4, 2), (2, 4)]


# Four components with 4x2 would make 11 blocks in an MCU; a JPEG has at most 10.
@pytest.mark.parametrize(
    "components, sampling", [(n, s) for n in (1, 3, 4) for s in ODD_SAMPLINGS if n < 4 or s[0] * s[1] < 8]
)
def test_odd_chroma_subsampling_decodes_as_tf_does(components, sampling):
    data = drawing.blocky_jpeg(sampling, components=components)
    expected = tf.io.decode_jpeg(data, channels=1 if components == 1 else 3)
    mean, most = difference(pixels.decode(data, look(data)), expected)
    assert np.std(expected) > 10
    assert mean < 1 and most <= 3


def test_pillow_refuses_what_it_cannot_decode():
    with pytest.raises(ImageError, match="cannot be decoded"):  # 18 blocks in an MCU
        Resized(32)(drawing.blocky_jpeg((4, 4)))


@pytest.mark.parametrize("arguments", [(0,), (65_501,), (-1,), (256, 0), (256, 101)])
def test_resized_checks_its_options(arguments):
    with pytest.raises(OptionError, match=r"must be in \[1, (65500|100)\], got"):
        Resized(*arguments)


def test_ops_are_values_that_print_what_they_do():
    assert Resized(256) == Resized(256) != Resized(160)
    assert repr((Original(), Resized(160))) == "(Original(), Resized(shorter_side=160, quality=95))"
    assert Original().image_bytes is None
    assert Resized(256).image_bytes == 44_000 == 4 * Resized(128).image_bytes
    assert set(codec_versions()) == {"simplejpeg", "cykooz-resizer", "pillow"}


def test_untouched_is_the_identity_for_whatever_comes():
    assert Untouched()(b"no image") == b"no image"


def test_configs_are_the_operations_of_the_builder():
    assert {config.name: config.op for config in Ilsvrc2012.BUILDER_CONFIGS} == CONFIGS
