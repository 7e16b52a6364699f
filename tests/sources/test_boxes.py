"""Annotations are drawn in every layout that users have; then made hostile."""

import gzip
import os
import pickle
import tarfile

import drawing
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import SourceError
from ilsvrc_tfds.sources.boxes import Boxes, image_key, read_boxes, select

TENCH, GOLDFISH = drawing.WNIDS[:2]
NAME = f"{TENCH}_10"


def thing(name: str, *corners) -> str:
    """Returns an XML object with its box."""
    box = "".join(f"<{tag}>{value}</{tag}>" for tag, value in zip(("xmin", "ymin", "xmax", "ymax"), corners))
    return f"<object>\n<name>{name}</name><pose>Unspecified</pose><bndbox>{box}</bndbox></object>"


def annotation(*things: str, size=(500, 375), file_name: str = "%s") -> bytes:
    """Returns an annotation as the official ones are written."""
    sides = f"<size>\n\t\t<width>{size[0]}</width>\n\t\t<height>{size[1]}</height>\n\t\t<depth>3</depth></size>"
    source = f"<folder>{TENCH}</folder><filename>{file_name}</filename>"
    source += "<source><database>ImageNet database</database></source>"
    return f"<annotation>\n\t{source}{sides}<segmented>0</segmented>{''.join(things)}</annotation>\n".encode()


VAL = "ILSVRC2012_val_00000001"
VAL_WNID = synsets.wnids()[synsets.validation_labels()[0]]
TRAIN_XML = {
    f"{TENCH}/{TENCH}_10.xml": annotation(thing(TENCH, 50, 75, 250, 300), thing(TENCH, 0, 0, 500, 375)),
    f"{TENCH}/{TENCH}_9.xml": annotation(thing(TENCH, 1, 2, 3, 4), size=(100, 10), file_name=f"{GOLDFISH}_3"),
    f"{GOLDFISH}/{GOLDFISH}_7.xml": annotation(),
}
VAL_XML = {f"val/{VAL}.xml": annotation(thing(VAL_WNID, 111, 107, 441, 237), size=(500, 375), file_name=VAL)}
TRAIN = {
    f"{TENCH}_10".encode(): Boxes(500, 375, ((50, 75, 250, 300), (0, 0, 500, 375))),
    f"{TENCH}_9".encode(): Boxes(100, 10, ((1, 2, 3, 4),)),
    f"{GOLDFISH}_7".encode(): Boxes(500, 375, ()),
}
BOTH = {**TRAIN, VAL.encode(): Boxes(500, 375, ((111, 107, 441, 237),))}


def archive(path, files: dict[str, bytes]):
    """Writes files as `.tar.gz`, with an entry for each folder; returns the path."""
    folders = [(folder, None) for folder in sorted({name.rpartition("/")[0] for name in files})]
    path.write_bytes(gzip.compress(drawing.tar([*folders, *files.items()])))
    return path


def folder(path, files: dict[str, bytes]):
    """Writes files below a folder; returns the folder."""
    for name, data in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return path


def test_official_archives(tmp_path):
    train = archive(tmp_path / "ILSVRC2012_bbox_train_v2.tar.gz", TRAIN_XML)
    val = archive(tmp_path / "ILSVRC2012_bbox_val_v3.tgz", VAL_XML)
    assert read_boxes([train, str(val)]) == BOTH
    assert sorted(os.listdir(tmp_path)) == [train.name, val.name]  # nothing is unpacked


def test_archive_that_was_gunzipped_and_packed_anew(tmp_path):
    files = {f"./Annotation/{name}": data for name, data in TRAIN_XML.items()}
    others = {"./._n01440764_10.xml": b"\0\5\26\7 AppleDouble", "README.txt": b"boxes"}
    (tmp_path / "boxes.tar").write_bytes(drawing.tar([*others.items(), *files.items()], format=tarfile.PAX_FORMAT))
    assert read_boxes([tmp_path / "boxes.tar"]) == TRAIN


def test_annotations_may_have_the_extension_of_their_images(tmp_path):
    files = {name.replace(".xml", ".JPEG.xml"): data for name, data in TRAIN_XML.items()}
    assert read_boxes([folder(tmp_path / "boxes", files)]) == TRAIN


def test_folder_of_xml_files(tmp_path):
    assert read_boxes([folder(tmp_path / "boxes", TRAIN_XML)]) == TRAIN


def test_kaggles_annotations(tmp_path):
    place = tmp_path / "ILSVRC/Annotations/CLS-LOC"
    folder(place / "train", TRAIN_XML), folder(place, VAL_XML)
    (place / "README").write_text("boxes")
    assert read_boxes([place]) == BOTH


def test_kaggles_tables(tmp_path):
    train, val = tmp_path / "LOC_train_solution.csv", tmp_path / "LOC_val_solution.csv"
    train.write_text(
        "ImageId,PredictionString\n"
        f"{TENCH}_10,{TENCH} 50 75 250 300 {TENCH} 0 0 500 375 \n"
        f"{GOLDFISH}_7,{TENCH} 1 2 3 4 \n{GOLDFISH}_8,\n"
    )
    val.write_text(f"\ufeffImageId,PredictionString\r\n{VAL},{VAL_WNID} 111 107 441 237 \r\n", encoding="utf-8")
    boxes = read_boxes([train, val])
    assert {key.decode(): found.corners for key, found in boxes.items()} == {
        f"{TENCH}_10": ((50, 75, 250, 300), (0, 0, 500, 375)),
        f"{GOLDFISH}_7": (),  # the box names another class
        f"{GOLDFISH}_8": (),
        VAL: ((111, 107, 441, 237),),
    }
    assert not any(found.has_size for found in boxes.values())
    # Half the size of the picture that the annotations above were made in.
    assert boxes[f"{TENCH}_10".encode()].relative(1000, 750)[0] == (0.05, 0.1, 0.25, 0.4)


def test_later_path_counts_where_an_image_comes_twice(tmp_path):
    (tmp_path / "LOC_train_solution.csv").write_text(f"ImageId,PredictionString\n{NAME},{TENCH} 1 2 3 4\n")
    paths = [tmp_path / "LOC_train_solution.csv", folder(tmp_path / "boxes", TRAIN_XML)]
    assert read_boxes(paths)[NAME.encode()] == TRAIN[NAME.encode()]


@pytest.mark.parametrize(
    "key, named, is_kept",
    [
        (NAME, TENCH, True),
        (NAME, GOLDFISH, False),
        (NAME, f"\n\t{GOLDFISH} ", False),
        (NAME, "Scottish_deerhound", True),  # as many dogs are named
        (NAME, "n00007846", True),  # a wnid, but none of the 1000
        (NAME, "", True),
        (VAL, VAL_WNID, True),
        (VAL, TENCH, False),
        ("ILSVRC2012_val_00050001", TENCH, True),  # there is no such image
        ("holiday", TENCH, True),  # its class is not in its name
    ],
)
def test_box_that_names_another_class_of_the_challenge_is_left_out(tmp_path, key, named, is_kept):
    files = {f"{key}.xml": annotation(thing(named, 1, 2, 3, 4), thing("person", 5, 6, 7, 8))}
    (boxes,) = read_boxes([folder(tmp_path, files)]).values()
    assert boxes.corners == (((1, 2, 3, 4),) if is_kept else ()) + ((5, 6, 7, 8),)


RELATIVE = {
    "inside": ((50, 75, 250, 300), (0.1, 0.2, 0.5, 0.8)),
    "the whole": ((0, 0, 500, 375), (0.0, 0.0, 1.0, 1.0)),
    "reversed": ((250, 300, 50, 75), (0.1, 0.2, 0.5, 0.8)),
    "reversed in one direction": ((250, 75, 50, 300), (0.1, 0.2, 0.5, 0.8)),
    "beyond the sides": ((-10, -1e9, 250, 1e300), (0.0, 0.0, 0.5, 1.0)),
    "fractions": ((0.5, 0.375, 1, 0.75), (0.001, 0.001, 0.002, 0.002)),
    "a line": ((50, 75, 50, 300), None),
    "a point": ((50, 75, 50, 75), None),
    "outside": ((500, 75, 600, 300), None),
    "outside on the other side": ((-20, 75, -10, 300), None),
}


@pytest.mark.parametrize("corners, expected", RELATIVE.values(), ids=RELATIVE)
def test_relative_box(corners, expected):
    assert Boxes(500, 375, (corners,)).relative() == ([expected] if expected else [])


SIDES = st.floats(1e-300, 1e300)


@settings(deadline=None)
@given(SIDES, SIDES, st.lists(st.tuples(*[st.floats(-1e308, 1e308)] * 4), max_size=4))
def test_relative_boxes_have_an_area_inside_the_image(width, height, corners):
    with np.errstate(over="ignore"):
        points = np.clip(np.array(corners).reshape(-1, 2, 2) / [width, height], 0, 1)
    points.sort(axis=1)
    whole = points[(points[:, 0] < points[:, 1]).all(axis=1)]
    assert Boxes(width, height, tuple(corners)).relative(7, 7) == [tuple(box.ravel().tolist()) for box in whole]


def test_size_of_the_xml_counts_and_not_the_images():
    assert Boxes(100, 50, ((10, 10, 20, 20),)).relative(400, 400) == [(0.1, 0.2, 0.2, 0.4)]


def test_images_are_known_without_their_extension():
    assert (
        image_key(b"n01440764_10.JPEG") == image_key(b"n01440764_10.jpg") == image_key(b"n01440764_10") == NAME.encode()
    )
    assert image_key(b"a.b.png") == b"a.b" and image_key(b".JPEG") == b".JPEG"


def test_selected_boxes_are_those_of_the_images_alone():
    names = [b"n01440764_9.JPEG", b"n01440764_8.JPEG", f"{VAL}.png".encode()]
    assert select(BOTH, names) == {key: BOTH[key] for key in (b"n01440764_9", VAL.encode())}
    assert pickle.loads(pickle.dumps(select(BOTH, names))) == select(BOTH, names)


LAUGHS = "".join(f'<!ENTITY a{k + 1} "{f"&a{k};" * 10}">' for k in range(9))
XML = annotation(thing(TENCH, 1, 2, 3, 4)).decode()  # sound but for what is put in front of it


def with_dtd(declarations: str, text: str = "") -> str:
    """Returns a sound annotation behind a DTD; `text` stands in it."""
    return f'<?xml version="1.0"?><!DOCTYPE annotation {declarations}>' + XML.replace("Unspecified", text)


HOSTILE = {
    "a billion laughs": with_dtd(f'[<!ENTITY a0 "ha">{LAUGHS}]', "&a9;"),
    "an external entity": with_dtd('[<!ENTITY e SYSTEM "file:///etc/passwd">]', "&e;"),
    "a parameter entity": with_dtd('[<!ENTITY % e SYSTEM "http://localhost/e"> %e;]'),
    "an external DTD": with_dtd('SYSTEM "http://localhost/x.dtd"'),
    "a DTD that declares nothing": with_dtd("[]"),
    "a DTD in UTF-16": with_dtd("[]").replace("?>", ' encoding="UTF-16"?>', 1).encode("utf-16"),
    "an entity that is not declared": "<annotation>&e;</annotation>",
    "an unknown encoding": '<?xml version="1.0" encoding="klingon"?><annotation/>',
    "an encoding of many bytes": '<?xml version="1.0" encoding="utf-7"?><annotation/>',
    "no XML": b"\xff\xd8\xff JPEG",
    "nothing": "",
    "the first half": annotation(thing(TENCH, 1, 2, 3, 4))[:300],
    "two roots": "<annotation/><annotation/>",
    "a zero byte": "<annotation>\0</annotation>",
    "over a megabyte": annotation() + b" " * (1 << 20),
    "no size": "<annotation/>",
    "half a size": "<annotation><size><width>500</width></size></annotation>",
    "a size of 0": annotation(size=(0, 375)),
    "a negative size": annotation(size=(500, -375)),
    "NaN": annotation(size=("nan", 375)),
    "infinity": annotation(thing(TENCH, 1, 2, "inf", 4)),
    "too large a number": annotation(thing(TENCH, 1, 2, "1e999", 4)),
    "a number of a million digits": annotation(thing(TENCH, 1, 2, "9" * 1_000_000, 4)),
    "a word": annotation(thing(TENCH, 1, 2, "three", 4)),
    "three corners": annotation(thing(TENCH, 1, 2, 3)),
    "an element in a number": annotation(thing(TENCH, 1, 2, "<b/>3", 4)),
    "no box": annotation(f"<object><name>{TENCH}</name></object>"),
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)
def test_hostile_xml_is_a_source_error_that_names_it(tmp_path, data):
    files = {f"{TENCH}/{NAME}.xml": data if isinstance(data, bytes) else data.encode()}
    with pytest.raises(SourceError, match=f"boxes.tgz: {TENCH}/{NAME}.xml") as caught:
        read_boxes([archive(tmp_path / "boxes.tgz", files)])
    assert len(str(caught.value)) < 400 + len(str(tmp_path)) and "\n" not in str(caught.value)
    with pytest.raises(SourceError, match=f"boxes/{TENCH}/{NAME}.xml"):
        read_boxes([folder(tmp_path / "boxes", files)])


def test_name_of_many_lines_is_quoted(tmp_path):
    path = archive(tmp_path / "boxes.tgz", {"a\nb.xml": b""})
    with pytest.raises(
        SourceError, match=r"boxes.tgz: 'a\\nb.xml' is not an annotation: ParseError \(no element found"
    ):
        read_boxes([path])


def test_deeply_nested_xml_is_survived(tmp_path):
    deep = annotation("<a>" * 100_000 + "</a>" * 100_000)
    assert read_boxes([folder(tmp_path, {f"{NAME}.xml": deep})])[NAME.encode()].corners == ()


def test_entities_of_xml_itself_are_text(tmp_path):
    files = {f"{NAME}.xml": annotation(thing("black &amp; tan &#99;oonhound", 1, 2, 3, 4))}
    assert read_boxes([folder(tmp_path, files)])[NAME.encode()].corners == ((1, 2, 3, 4),)


@pytest.mark.parametrize("compress", [gzip.compress, bytes], ids=["gz", "tar"])
def test_archive_cut_anywhere_is_a_source_error(tmp_path, compress):
    data, path = compress(drawing.tar(TRAIN_XML.items())), tmp_path / "boxes.tgz"
    # tarfile pads with zeros up to 10 KiB: what is cut off there is not missed.
    end = len(data.rstrip(b"\0")) if compress is bytes else len(data)
    for size in range(0, end, max(1, end // 50)):
        path.write_bytes(data[:size])
        with pytest.raises(SourceError, match=r"boxes.tgz.* cannot be read \(.*Get it again, or check the path"):
            read_boxes([path])


def test_damaged_archive_is_a_source_error(tmp_path):
    data = bytearray(archive(tmp_path / "boxes.tgz", TRAIN_XML).read_bytes())
    for position in range(10, len(data), 7):
        changed = data.copy()
        changed[position] ^= 0x55
        (tmp_path / "boxes.tgz").write_bytes(changed)
        with pytest.raises(SourceError, match="boxes.tgz"):
            read_boxes([tmp_path / "boxes.tgz"])


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "solution.csv holds no bounding boxes; expected XML annotations or Kaggle's"),
        ("ImageId,PredictionString\n", "holds no bounding boxes"),
        (f"ImageId,Label\n{NAME},1\n", "line 2: expected an ImageId, and a PredictionString"),
        (f"ImageId,PredictionString\n{NAME}\n", "line 2: expected an ImageId"),
        (f"ImageId,PredictionString\n,{TENCH} 1 2 3 4\n", "line 2: expected an ImageId"),
        (f"ImageId,PredictionString\n{NAME},{TENCH} 1 2 3 4 {TENCH} 5\n", "line 2: expected an ImageId"),
        (f"ImageId,PredictionString\n{NAME},{TENCH} 1 2 3 nan\n", "line 2: expected a number of pixels, got 'nan'"),
        (f"ImageId,PredictionString\n{NAME},{TENCH} 1 2 3 x\n", "line 2: expected a number of pixels, got 'x'"),
        (f"ImageId,PredictionString\n{NAME},{'1' * 200_000}\n", "line 2: expected an ImageId"),
        (
            "ImageId|PredictionString\n",
            "is not a comma-separated UTF-8 table: it begins with 'ImageId.PredictionString'. Save it",
        ),
        ("PK\3\4,\n", "is not a comma-separated UTF-8 table: it begins with 'PK.x03.x04,'"),
    ],
)
def test_odd_table_is_a_source_error(tmp_path, text, message):
    (tmp_path / "solution.csv").write_text(text)
    with pytest.raises(SourceError, match=message):
        read_boxes([tmp_path / "solution.csv"])


@pytest.mark.parametrize("name", ["nothing.tgz", "nothing.csv", "nothing"])
def test_missing_file_is_a_source_error(tmp_path, name):
    with pytest.raises(SourceError, match=f"{name} cannot be read: No such file or directory. Check the path"):
        read_boxes([tmp_path / name])


def test_source_without_annotations_is_a_source_error(tmp_path):
    (tmp_path / "images").mkdir()
    images = archive(tmp_path / "images.tgz", {f"{NAME}.JPEG": drawing.jpeg()})
    for path in (tmp_path / "images", images):
        with pytest.raises(SourceError, match="holds no bounding boxes"):
            read_boxes([path])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_folder_that_may_not_be_read_is_a_source_error(tmp_path):
    folder(tmp_path, TRAIN_XML)
    (tmp_path / TENCH).chmod(0)
    with pytest.raises(SourceError, match="Permission denied"):
        read_boxes([tmp_path])
