"""Every kind of fault of a single record, put into a copy of a whole set: what `verify` reports of it, and where."""

import re

import drawing
import pytest
from set_faults import as_text, boxes, cut, doubled_value, flip, put, report_of, without

# The faults of single records and what is said of them where `{here}` is their place, whatever the set.
RECORD_FAULTS = {
    "bit of the image": (flip(lambda offset, size: offset + size // 2), "{here}its data does not match the checksum"),
    "bit of the data's checksum": (
        flip(lambda offset, size: offset + size - 2),
        "{here}the checksum of its data is damaged",
    ),
    "bit of the length": (flip(lambda offset, size: offset), "{here}its length is damaged: it states"),
    "bit of the length's checksum": (
        flip(lambda offset, size: offset + 9),
        "{here}the checksum of its length is damaged",
    ),
    "cut in a header": (
        cut(lambda offset, size: offset + 7),
        "{here}the file ends inside a header, or 7 bytes were app",
    ),
    "cut in the data": (cut(lambda offset, size: offset + 200), "{here}the file ends inside its data, .* bytes early"),
    "cut in a footer": (
        cut(lambda offset, size: offset + size - 1),
        "{here}the file ends inside the checksum of its data",
    ),
    "foreign record": (
        lambda shards: shards.write([*shards.payloads()[:3], b"\xff no example", *shards.payloads()[4:]]),
        "{here}its payload is not a tf.train.Example",
    ),
    "empty record": (
        lambda shards: shards.write([*shards.payloads()[:3], b"", *shards.payloads()[4:]]),
        "{here}it has no (file_name; it has no image; it has no label|image/channels; it has no image/class/label; .*)$",
    ),
    "wrong label": (put("label", 7), "{here}n01.* has the label 7, expected [0-4] .n01"),
    "label out of range": (put("label", 1001), "{here}n01.* has the label 1001, expected"),
    "wrong file name": (
        put("name", b"n02123045_1.JPEG"),
        "{here}(n02123045_1.JPEG has the label|its image/class/synset is)",
    ),
    "path for a file name": (
        put("name", b"train/n01440764_9.JPEG"),
        "{here}its .*name is b'train/n0.*', which is not a file name",
    ),
    "key missing": (without("label"), "{here}it has no (image/class/)?label"),
    "key of the image missing": (without("image"), "{here}it has no image"),
    "key of another type": (
        lambda shards: shards.change(as_text),
        "{here}its (image/class/)?label is bytes, expected int64",
    ),
    "two values": (lambda shards: shards.change(doubled_value), "{here}its .*name has 2 values, expected 1"),
    "image cut short": (
        put("image", lambda data: data[:-100]),
        "{here}its image: the JPEG ends early: it has no end marker",
    ),
    "text for an image": (
        put("image", b"Not found"),
        "{here}its image: neither JPEG nor PNG: it begins with b'Not foun'",
    ),
    "PNG": (put("image", drawing.png()), "{here}its image is a PNG of 4 components"),
    "CMYK": (put("image", drawing.jpeg(mode="CMYK")), "{here}its image is a JPEG of 4 components"),
}
CLASSIC_FAULTS = {
    "synset of another class": (
        put("image/class/synset", b"n02123045"),
        "{here}its image/class/synset is n02123045, its fil",
    ),
    "unknown synset": (
        put("image/class/synset", b"n99999999"),
        "{here}its image/class/synset b'n99999999' is not one of",
    ),
    "words of another class": (
        put("image/class/text", b"tabby"),
        "{here}its image/class/text is b'tabby'; the words of n01",
    ),
    "height": (
        put("image/height", 7),
        "{here}its image has .* pixels, its image/width and image/height say [0-9]+ x 7",
    ),
    "channels": (put("image/channels", 1), "{here}its image/channels is 1, expected 3"),
    "format": (put("image/format", b"PNG"), "{here}its image/format is b'PNG', expected b'JPEG'"),
    "box outside": (
        boxes(xmax=[1.5]),
        r"{here}it has the box \(xmin, ymin, xmax, ymax\) = \(0.25, 0.25, 1.5, 0.5\); expected 0",
    ),
    "box the wrong way round": (boxes(xmin=[0.75]), r"{here}it has the box .*\(0.75, 0.25, 0.5, 0.5\)"),
    "box of no numbers": (boxes(ymin=[float("nan")]), r"{here}it has the box .*nan"),
    "boxes of unequal number": (boxes(xmin=[0.1, 0.2]), "{here}its boxes have 2, 1, 1, 1, 1 values of xmin"),
    "box of another class": (boxes(label=[7]), r"{here}its boxes have the labels \[7\], the image has"),
}


@pytest.mark.parametrize("with_manifest", [True, False], ids=["manifest", "no manifest"])
@pytest.mark.parametrize(
    "name, fault",
    [(name, fault) for name in ("prepared", "exported") for fault in RECORD_FAULTS]
    + [("exported", fault) for fault in CLASSIC_FAULTS],
)
def test_fault_of_a_record_is_named_with_its_place(name, fault, with_manifest, copy_of):
    shards = copy_of(name, with_manifest)
    damage, message = (RECORD_FAULTS | CLASSIC_FAULTS)[fault]
    pattern, shard = message.format(here=shards.place()), shards.shard().name
    damage(shards)
    problems = report_of(shards.folder).problems
    assert any(re.match(pattern, problem) for problem in problems), problems
    assert any("manifest.json says" in problem for problem in problems) == with_manifest
    assert all(
        problem.startswith((shard, "metadata.h5: n01", "dataset_info.json: train", "train: ")) for problem in problems
    )
