"""Classes, names and images of a source that make no sense: each a clear error."""

import os
import re
import tarfile

import drawing
import pytest
from bad_sources import PICTURE, TRAIN, VAL, VAL_1, indexed, labels_of, write, write_train, write_val

from ilsvrc_tfds.errors import IlsvrcError, ImageError, LabelError, SourceError
from ilsvrc_tfds.shards.plan import plan_split
from ilsvrc_tfds.sources import Index
from ilsvrc_tfds.sources.reader import read_images
from ilsvrc_tfds.synsets import validation_labels, wnids


@pytest.mark.parametrize("folder", ["n99999999", "tench", "n1440764", "N01440764", "n01440764 (1)"])
def test_class_folder_of_no_class_is_an_error(tmp_path, images, folder):
    source = drawing.folders(tmp_path, images)
    write(source, f"train/{folder}/cat.JPEG")
    with pytest.raises(
        SourceError, match="not one of the 1000 classes .* move it away if it belongs to something else"
    ):
        indexed(source)


def test_class_folder_of_no_class_in_an_archive_is_an_error(tmp_path):
    write_train(tmp_path, [("train/n99999999/cat.JPEG", PICTURE)])
    with pytest.raises(SourceError, match=f"{TRAIN}.*'n99999999' is not one of the 1000 classes"):
        indexed(tmp_path)


def test_class_folder_of_no_class_for_validation_is_an_error(tmp_path):
    write(tmp_path, f"val/n99999999/{VAL_1}")
    with pytest.raises(SourceError, match="val/n99999999.*not one of the 1000 classes"):
        indexed(tmp_path)


@pytest.mark.parametrize("name", [f"val/cats/{VAL_1}", f"val/n0144076/{VAL_1}", "test/images/1.JPEG"])
@pytest.mark.parametrize("with_others", [True, False])
def test_folder_of_images_that_is_no_class_is_an_error(tmp_path, images, name, with_others):
    path = write(drawing.folders(tmp_path, images) if with_others else tmp_path, name)
    split = path.parent.parent
    expected = f"Images of split {split.name!r} are expected in {split} itself or in class folders such as n0"
    with pytest.raises(SourceError, match=f"{path.parent} holds images but its name is not one of .* {expected}"):
        indexed(tmp_path)


def test_folder_of_images_beside_an_inner_one_of_the_same_sense_is_an_error(tmp_path, images):
    source = drawing.folders(tmp_path, images, val="val/val")
    path = write(source, f"val/cats/{VAL_1}")
    with pytest.raises(SourceError, match=f"{path.parent} holds images but its name is not one of the 1000 classes"):
        indexed(source)


@pytest.mark.parametrize("split", ["val", "test"])
@pytest.mark.parametrize("name", ["cats/", "cats/notes.txt", ".thumbnails/1.JPEG", "@eaDir/1.JPEG/thumbnail.jpg"])
def test_folders_without_images_are_passed_over(tmp_path, split, name):
    source = drawing.folders(tmp_path, drawing.miniature(test=2))
    count = len(indexed(source).splits[split])
    (source / split / name).mkdir(parents=True) if name[-1] == "/" else write(source, f"{split}/{name}")
    index = indexed(source)
    assert len(index.splits[split]) == count
    assert index.notes == (f"skipped 1 entry that is not an image: {split}/{name.partition('/')[0]}",)


@pytest.mark.parametrize("name", ["train/n01443537/n01440764_1.JPEG", f"val/n01443537/{VAL_1}"])
def test_file_in_the_wrong_class_folder_is_an_error(tmp_path, images, name):
    source = drawing.folders(tmp_path, images, val_in_classes=True)
    path = write(source, name)
    with pytest.raises(LabelError, match=f"{path.parent} .* 1 image lies in class n01443537 .*: {path.name} of n01"):
        indexed(source)


@pytest.mark.parametrize("name", ["n01440764_1.JPEG", "n01440764/cat.JPEG", "train/n01440764/n01443537_1.JPEG"])
def test_file_in_the_wrong_inner_archive_is_an_error(tmp_path, name):
    write_train(tmp_path, [("n01443537.tar", drawing.tar([(name, PICTURE)]))])
    with pytest.raises(LabelError, match=f"{TRAIN}.* class n01443537 .*n01440764"):
        indexed(tmp_path)


@pytest.mark.parametrize("name", ["n01440764_1.JPEG", "n01440764/cat.JPEG"])
def test_file_in_the_wrong_class_archive_is_an_error(tmp_path, name):
    write(tmp_path, "train/n01443537.tar", drawing.tar([(name, PICTURE)]))
    with pytest.raises(LabelError, match="train/n01443537.tar.* class n01443537 .*n01440764"):
        indexed(tmp_path)


@pytest.mark.parametrize("name", ["cat.JPEG", "ILSVRC2012_val_mine.JPEG", "train/dog.jpg"])
def test_train_image_without_a_class_is_an_error(tmp_path, name):
    write_train(tmp_path, [(name, PICTURE)])
    with pytest.raises(
        SourceError, match="split 'train' is not in a class folder, and its name does not state a class"
    ):
        indexed(tmp_path)


def test_images_deeper_than_the_class_folder_are_an_error(tmp_path):
    write(tmp_path, "train/n01440764/images/n01440764_1.JPEG")  # as in Tiny ImageNet
    with pytest.raises(SourceError, match="train holds no images that are read, but train/n01440764/images. Expected"):
        indexed(tmp_path)


# Names.


@pytest.mark.parametrize("number", ["00000000", "00050001", "99999999999999999999"])
def test_validation_number_out_of_range_is_an_error(tmp_path, number):
    write_val(tmp_path, VAL_1, f"ILSVRC2012_val_{number}.JPEG")
    with pytest.raises(SourceError, match=f"{VAL} .*_val_{number}.JPEG has the number .* have 1 to 50000"):
        indexed(tmp_path)


@pytest.mark.parametrize("twin", [VAL_1, "again/" + VAL_1, "ILSVRC2012_val_00000001.jpg", "ILSVRC2012_val_1.JPEG"])
def test_validation_number_twice_is_an_error(tmp_path, twin):
    write_val(tmp_path, VAL_1, "ILSVRC2012_val_00000002.JPEG", twin)
    with pytest.raises(SourceError, match=f"1 image of split 'val' comes twice: .*{VAL_1} and .*val_0*1.* Remove one"):
        indexed(tmp_path)


def test_each_validation_number_that_comes_twice_is_named_with_both_images(tmp_path):
    names = [
        f"ILSVRC2012_val_{k:08d}.{suffix}"
        for k, suffix in ((1, "JPEG"), (1, "jpg"), (2, "JPEG"), (3, "JPEG"), (3, "jpg"))
    ]
    write_val(tmp_path, *names)
    with pytest.raises(SourceError, match="2 images of split 'val' come twice: ") as caught:
        indexed(tmp_path)
    place = f"{tmp_path / VAL}: val/"
    pairs = [f"{place}{names[k]} and {place}{names[k + 1]}" for k in (0, 3)]
    assert f"come twice: {', '.join(pairs)}. Remove one of each." in str(caught.value)


def test_validation_image_flat_and_in_its_class_folder_is_an_error(tmp_path):
    write(tmp_path, f"val/{VAL_1}")
    write(tmp_path, f"val/{wnids()[validation_labels()[0]]}/{VAL_1}")
    with pytest.raises(SourceError, match=f"comes twice: {tmp_path}/val/n01751748/{VAL_1} and {tmp_path}/val/{VAL_1}"):
        indexed(tmp_path)


def test_train_name_twice_is_an_error(tmp_path):
    twice = [("n01440764_1.JPEG", PICTURE), ("n01440764_2.JPEG", PICTURE), ("n01440764_1.JPEG", PICTURE + b"x")]
    write_train(tmp_path, [("n01440764.tar", drawing.tar(twice))])
    with pytest.raises(SourceError, match="1 image of split 'train' comes twice: .*train/n01440764/n01440764_1.JPEG"):
        indexed(tmp_path)


@pytest.mark.parametrize("split", ["train", "val"])
def test_same_name_in_two_classes_is_an_error(tmp_path, split):
    for wnid in wnids()[:2]:
        write(tmp_path, f"{split}/{wnid}/1.JPEG")
        write(tmp_path, f"{split}/{wnid}/2.JPEG")
    offenders = "2 images .* have the same name as an image of another class: "
    offenders += ".*n01440764/1.JPEG and .*n01443537/1.JPEG, .*2.JPEG"
    with pytest.raises(SourceError, match=f"{offenders}. A file name identifies an image: rename your own"):
        indexed(tmp_path)


def test_images_with_one_name_are_not_removed_where_only_some_come_twice(tmp_path):
    same = drawing.tar([(name, PICTURE) for name in ("1.JPEG", "again/1.JPEG", "2.JPEG")])
    other = drawing.tar([("2.JPEG", PICTURE)])
    write_train(tmp_path, [("n01440764.tar", same), ("n01443537.tar", other)])
    with pytest.raises(SourceError, match="1 image .* has the same name .*n01440764/2.JPEG and .*2.JPEG. A file name"):
        indexed(tmp_path)


@pytest.mark.parametrize("end", ["é", "\n", "\x1b[2J", "\x7f"])
def test_names_beyond_printable_ascii_are_an_error(tmp_path, end):
    name = f"n01440764_{end}.JPEG"
    write(tmp_path, f"folders/train/n01440764/{name}")
    write_train(tmp_path / "archive", [("n01440764.tar", drawing.tar([(name, PICTURE)]))])
    for source in ("folders", "archive"):
        with pytest.raises(SourceError, match="n01440764.*1 file name is not printable ASCII .* Rename") as caught:
            indexed(tmp_path / source)
        assert str(caught.value).isascii() and str(caught.value).isprintable()


def test_name_with_a_zero_is_an_error(tmp_path):
    member = tarfile.TarInfo("x")
    member.size, member.pax_headers = (
        4,
        {"path": "n01440764_1.JPEG\0.JPEG"},
    )  # a tar's own field for the name cannot hold it
    inner = member.tobuf(tarfile.PAX_FORMAT) + b"data".ljust(512, b"\0") + bytes(1024)
    write_train(tmp_path, [("n01440764.tar", inner)])
    with pytest.raises(SourceError, match="1 file name is not printable ASCII .*1.JPEG.x00.JPEG"):
        indexed(tmp_path)


def test_name_that_no_disk_would_take_is_an_error(tmp_path):
    write_train(tmp_path, [("n01440764.tar", drawing.tar([("n01440764_" + 300 * "1" + ".JPEG", PICTURE)]))])
    with pytest.raises(SourceError, match="not printable ASCII of up to 255 characters: 'n01440764_1+'. Rename"):
        indexed(tmp_path)


# Images.


def require_unusable(index: Index, split: str, place: str, fault: str) -> None:
    """The image is in the index, its damage is a warning, and reading it is an ImageError."""
    assert index.warnings == (f"1 image of {split} cannot be used: {place}: {fault}. Get them again",)
    with pytest.raises(ImageError, match=f"{re.escape(place)}: {re.escape(fault)}. Get it again. .*--on-error skip"):
        list(read_images(index.splits[split], lambda *image: image))


EMPTY = "it is an empty file (0 bytes)"
HUGE = "it has 1,073,741,825 bytes, over the limit of 1,073,741,824"


def test_empty_image_in_a_folder_is_indexed_and_cannot_be_read(tmp_path, images):
    source = drawing.folders(tmp_path, images)
    path = write(source, "train/n01440764/n01440764_1.JPEG", b"")
    index = indexed(source)
    assert len(index.splits["train"]) == 13
    require_unusable(index, "train", str(path), EMPTY)


def test_empty_image_in_an_archive_is_indexed_and_cannot_be_read(tmp_path):
    path = write(tmp_path, VAL, drawing.tar([(VAL_1, b""), ("ILSVRC2012_val_00000002.JPEG", PICTURE)]))
    require_unusable(indexed(tmp_path), "val", f"{path}: val/{VAL_1}", EMPTY)


def test_huge_image_in_a_folder_is_indexed_and_cannot_be_read(tmp_path, images):
    source = drawing.folders(tmp_path, images)
    path = write(source, "train/n01440764/n01440764_1.JPEG")
    os.truncate(path, 1 << 30)  # sparse: no room is taken
    index = indexed(source)
    assert len(index.splits["train"]) == 13 and index.warnings == ()
    os.truncate(path, (1 << 30) + 1)
    index = indexed(source)
    require_unusable(index, "train", str(path), HUGE)
    assert plan_split(index.splits["train"]).num_bytes < 100_000  # no room is asked for it


def test_huge_image_in_an_archive_is_indexed_and_cannot_be_read(tmp_path):
    member = tarfile.TarInfo(VAL_1)
    member.size = (1 << 30) + 1
    path = write(tmp_path, VAL, member.tobuf())
    os.truncate(path, 512 + (1 << 30) + 512 + 1024)
    require_unusable(indexed(tmp_path), "val", f"{path}: val/{VAL_1}", HUGE)


def test_folder_with_the_name_of_an_image_is_passed_over(tmp_path, images):
    source = drawing.folders(tmp_path, images)
    (source / "val/folder.JPEG").mkdir()
    assert indexed(source).notes == ("skipped 1 entry that is not an image: val/folder.JPEG",)


@pytest.mark.parametrize("name", [TRAIN, VAL])
def test_any_damaged_byte_ends_well(archives, images, name):
    """Whatever byte is damaged, the index has every image under its label, or there is an error for the user."""
    data = (archives / name).read_bytes()
    split = "train" if name == TRAIN else "val"
    for position in range(0, len(data), len(data) // 200):
        (archives / name).write_bytes(data[:position] + bytes([data[position] ^ 0x41]) + data[position + 1 :])
        try:
            index = indexed(archives)
        except IlsvrcError as error:
            assert str(archives) in str(error)
            continue
        assert labels_of(index, split) == images.labels(split)
