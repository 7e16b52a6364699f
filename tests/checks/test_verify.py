"""What `verify` reports of whole sets, and of sets with a fault."""

import dataclasses
import json
import os
import re
import shutil
from pathlib import Path

import drawing
import pytest
import tensorflow_datasets as tfds
from set_faults import COUNTS, KEYS, MANIFEST, flip, put, removed, report_of, stranger
from tensorflow_datasets.proto import tf_example_pb2

import ilsvrc_tfds
from ilsvrc_tfds import Ilsvrc2012
from ilsvrc_tfds.checks.verify import verify
from ilsvrc_tfds.errors import SourceError
from ilsvrc_tfds.formats.tfrecord import read_spans
from ilsvrc_tfds.sources import find_layout, index_images


def test_damage_inside_of_an_image_is_found_by_decoding(copy_of):
    shards = copy_of("exported", with_manifest=False)
    put("image", lambda data: data[:-40] + data[-2:])(shards)
    assert report_of(shards.folder).problems == ()
    (problem,) = report_of(shards.folder, decode=True).problems
    assert re.match(shards.place() + "its image: the JPEG ends early", problem)


@pytest.mark.parametrize("with_manifest", [True, False], ids=["manifest", "no manifest"])
def test_image_of_another_size_is_found_in_raw256(with_manifest, copy_of):
    shards = copy_of("raw256", with_manifest)
    place = shards.place()
    put("image", drawing.jpeg(300, 255))(shards)
    problems = report_of(shards.folder).problems
    assert any(
        re.match(place + "its image has 300 x 255 pixels; expected a shorter side of 256$", line) for line in problems
    )


def test_all_of_the_damage_is_listed(copy_of):
    shards = copy_of("prepared", with_manifest=False)
    data = bytearray(shards.shard().read_bytes())
    spans = read_spans(shards.shard())
    for offset, size in spans:
        data[offset + size // 2] ^= 1
    shards.shard().write_bytes(data)
    problems = [line for line in report_of(shards.folder, workers=2).problems if line.startswith(shards.shard().name)]
    places = [f"{shards.shard().name}: record {k}, byte {offset:,}" for k, (offset, _) in enumerate(spans)]
    assert problems == [f"{place}: its data does not match the checksum" for place in places]


@pytest.mark.parametrize("with_manifest", [True, False], ids=["manifest", "no manifest"])
@pytest.mark.parametrize("decode", [True, False], ids=["decode", "no decode"])
@pytest.mark.parametrize("name", ["prepared", "raw256", "exported"])
def test_whole_set_has_no_problems(name, with_manifest, decode, copy_of):
    report = report_of(copy_of(name, with_manifest).folder, decode=decode)
    assert report.problems == ()
    assert (
        any("sizes and digests are not compared: manifest.json is missing" in fact for fact in report.facts)
        != with_manifest
    )


def test_images_that_were_skipped_are_told(tmp_path):
    images = drawing.miniature()
    names = [f"n01443537_{k}.JPEG" for k in (9, 10, 11, 12)]
    images.train["n01443537"].update(dict.fromkeys(names, b"\xff\xd8\xff"))
    source = drawing.official_archives(tmp_path / "source", images)
    out = ilsvrc_tfds.export(source, tmp_path / "out", workers=1, allow_incomplete=True, on_error="skip")
    report = report_of(out)
    shown = ", ".join(f"n01443537_{k}.JPEG" for k in (12, 11, 10))  # in the order of records
    assert f"train: 4 damaged images were skipped when it was made: {shown} and 1 more" in report.facts
    assert report.problems == ()


def test_facts_tell_what_there_is(whole):
    folder = whole["raw256"].folder
    assert (
        report_of(folder).facts[0] == f"{folder}: a prepared data set, tfrecord (images: shorter side 256, quality 95)"
    )
    facts = "\n".join(report_of(whole["exported"].folder).facts)
    pattern = (
        "train: 48 records of 3 classes .16 each., [0-9,]+ bytes in 4 shards .12 records each.; official: 1,281,167"
    )
    assert re.search(pattern, facts)
    assert "labels are the class index + 1" in facts and "test: not there" in facts


def test_split_that_is_not_there_hides_no_other(archives, tmp_path):
    options = {"splits": ["val"], "num_shards": {"val": 1}, "workers": 1, "allow_incomplete": True}
    train, val, test, _ = report_of(ilsvrc_tfds.export(archives, tmp_path / "out", **options)).facts[-4:]
    assert (train, test) == ("train: not there", "test: not there")
    assert re.fullmatch(
        r"val: 6 records of 3 classes \(2 each\), [0-9,]+ bytes in 1 shard \(6 records each\); official: 50,000", val
    )


@pytest.mark.parametrize("offset", [0, 1])
def test_label_offset_is_told_where_no_manifest_says_it(offset, archives, tmp_path):
    out = ilsvrc_tfds.export(archives, tmp_path / "out", label_offset=offset, workers=1, allow_incomplete=True)
    assert report_of(out).problems == ()
    (out / "manifest.json").unlink()
    report = report_of(out)
    assert report.problems == ()
    assert (
        f"labels are the class index + {offset}, according to the file names and synsets: there is no manifest"
        in report.facts
    )


@pytest.fixture
def own_layout(tmp_path) -> Path:
    """Returns a source with a test split, and with images under names of the user's own."""
    folder = drawing.folders(tmp_path / "own", drawing.miniature(test=3), val_in_classes=True)
    for wnid in drawing.WNIDS:
        (folder / f"val/{wnid}/{wnid}_mine.JPEG").write_bytes(drawing.jpeg())
        (folder / f"train/{wnid}/mine {wnid}.jpg").write_bytes(drawing.jpeg())
    return folder


@pytest.mark.parametrize("with_manifest", [True, False], ids=["manifest", "no manifest"])
@pytest.mark.parametrize("exports", [True, False], ids=["exported", "prepared"])
def test_own_layout_has_no_problems(own_layout, exports, with_manifest, prepare, tmp_path):
    if exports:
        folder = ilsvrc_tfds.export(own_layout, tmp_path / "out", workers=1, allow_incomplete=True)
    else:
        folder = prepare(source=own_layout).data_path
    if not with_manifest:
        os.unlink(folder / "manifest.json")
    assert report_of(folder).problems == ()


def test_names_of_another_split_are_a_problem_where_this_package_made_the_set(archives, prepare, tmp_path):
    index = index_images(find_layout([archives]))
    train = index.splits["train"]  # as version 1.0 took a validation split of train images
    swapped = dataclasses.replace(index, splits={"train": train, "val": dataclasses.replace(train, split="val")})
    prepared = prepare(source=swapped).data_path
    expected = "val: 12 names have the form of another split's: n01"
    assert [line for line in report_of(prepared).problems if line.startswith(expected)] == list(
        report_of(prepared).problems
    )
    options = {"workers": 1, "allow_incomplete": True, "num_shards": {"train": 1, "val": 1}}
    with pytest.raises(SourceError, match="12 of 12 records are not of the split val"):
        ilsvrc_tfds.export(prepared, tmp_path / "out", **options)
    exported = ilsvrc_tfds.export(archives, tmp_path / "out", **options)
    shutil.copy(exported / "train-00000-of-00001", exported / "validation-00000-of-00001")
    os.unlink(exported / "manifest.json")  # of others it is not known whether they want it so
    report = report_of(exported)
    assert report.problems == () and any(fact.startswith(expected) for fact in report.facts)


def restated(folder: Path, boxes) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "boxes": boxes}))


def test_share_of_records_with_boxes_is_compared_with_the_manifest(copy_of):
    folder = copy_of("exported").folder
    lines = ["train: 16 of 48 images have bounding boxes, 33.3%", "val: 0 of 12 images have bounding boxes, 0.0%"]
    assert [fact for fact in report_of(folder).facts if "bounding boxes" in fact] == lines
    restated(folder, {"train": 17, "val": 0})
    assert report_of(folder).problems == (f"{lines[0]}, {MANIFEST} 17",)
    restated(folder, None)  # as version 1.0 wrote it
    report = report_of(folder)
    assert report.problems == () and [fact for fact in report.facts if "bounding boxes" in fact] == lines[:1]


def test_share_of_boxes_is_not_compared_where_records_are_damaged(copy_of):
    shards = copy_of("exported")
    flip(lambda offset, size: offset + size // 2)(shards)
    assert not any("bounding boxes" in problem for problem in report_of(shards.folder).problems)


def test_records_of_the_base_class_writer_have_no_problems(archives, tmp_path):
    base = Ilsvrc2012(source=archives, data_dir=tmp_path / "base")
    base.data_path.mkdir(parents=True)
    config = tfds.download.DownloadConfig()
    tfds.core.GeneratorBasedBuilder._download_and_prepare(base, base._make_download_manager(None, config), config)
    base.info.write_to_directory(base.data_path)
    report = report_of(base.data_path)
    assert report.problems == ()
    assert "names and classes are not compared with metadata.h5: it is missing" in report.facts


def test_other_formats_are_compared_as_whole_files(prepare):
    folder = Path(prepare(file_format="array_record", num_shards={"train": 2}).data_dir)
    report = report_of(folder)
    assert report.problems == ()
    assert (
        "records are not read: the format is array_record, of which only whole files are compared; `doctor --decode` "
        "reads them"
    ) in report.facts
    shard = folder / "ilsvrc2012-train.array_record-00001-of-00002"
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 1
    shard.write_bytes(data)
    (problem,) = report_of(folder).problems
    assert re.match(f"{shard.name}: its xxh3_64 is [0-9a-f]{{16}}, {MANIFEST} [0-9a-f]{{16}}", problem)
    (folder / "manifest.json").unlink()
    (problem,) = report_of(folder).problems
    assert problem.startswith("nothing could be compared: records in array_record are not read")


def test_foreign_records_are_judged_by_less(copy_of):
    shards = copy_of("exported", with_manifest=False)
    for index in range(4):  # no boxes, keys of their own, and in another order
        examples = [tf_example_pb2.Example.FromString(payload) for payload in reversed(shards.payloads(index))]
        for example in examples:
            for key in [key for key in example.features.feature if "bbox" in key]:
                del example.features.feature[key]
            stranger(example.features.feature, KEYS["classic"])
        shards.write([example.SerializeToString() for example in examples], index)
    report = report_of(shards.folder)
    assert report.problems == ()
    fact = "train: the records are in another order than TFDS's, so the order is not checked"
    assert fact in report.facts


@pytest.mark.parametrize("name", ["prepared", "exported"])
def test_key_that_is_not_expected_is_a_problem_where_the_keys_are_known(name, copy_of):
    shards = copy_of(name)
    place = shards.place()
    shards.change(stranger)
    assert any(
        re.match(place + "it has the key 'caption', which is not", line) for line in report_of(shards.folder).problems
    )


def test_two_workers_say_the_same(copy_of):
    shards = copy_of("prepared")
    removed(shards)
    flip(lambda offset, size: offset + size // 2)(shards)
    assert report_of(shards.folder, workers=2) == report_of(shards.folder)


def test_shard_that_cannot_be_read_is_a_problem(copy_of, permissions_count):
    shards = copy_of("exported")
    shards.shard().chmod(0)
    (problem,) = report_of(shards.folder).problems
    assert re.match(f"{shards.shard().name}: .* cannot be read: Permission denied", problem)


def test_image_is_found_among_features_in_any_order_and_form(copy_of):
    shards = copy_of("exported", with_manifest=False)
    features = tf_example_pb2.Example.FromString(shards.payloads()[3]).features.feature
    entries = [tf_example_pb2.Example() for _ in features]
    for example, key in zip(entries, sorted(features, reverse=True)):
        example.features.feature[key].CopyFrom(features[key])
    # An example is the concatenation of examples of its entries: the image's is not where one writer puts it.
    payloads = shards.payloads()
    payloads[3] = b"".join(example.SerializeToString() for example in entries)
    shards.write(payloads)
    assert report_of(shards.folder).problems == ()


@pytest.mark.parametrize(
    "names, message",
    [
        ([], "holds no shards. Expected ilsvrc2012-train"),
        (["train-00000-of-00003", "train-00000-of-00002"], "holds the shards of several sets .*train in 2, 3 shards"),
    ],
)
def test_folders_that_hold_no_set_are_errors(names, message, tmp_path):
    for name in names:
        (tmp_path / name).touch()
    with pytest.raises(SourceError, match=message):
        verify(tmp_path)


def test_split_without_any_shard_is_a_problem(copy_of):
    shards = copy_of("prepared")
    for index in range(COUNTS["val"]):
        shards.shard(index, "val").unlink()
    report = report_of(shards.folder)
    names = [f"{shards.shard(index, 'val').name} is missing" for index in range(COUNTS["val"])]
    assert list(report.problems) == [
        *names,
        "metadata.h5: none of its images of val (12) is in a whole record",
    ]


def test_folder_in_place_of_a_shard_is_a_problem(copy_of):
    shards = copy_of("exported")
    shards.shard().unlink()
    shards.shard().mkdir()
    assert report_of(shards.folder).problems == (f"{shards.shard().name} is missing",)
