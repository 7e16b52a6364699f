"""Sources that cannot be right: each is an error that says what, where, and what to do; nothing is lost silently."""

import os
import re
import tarfile
from pathlib import Path

import drawing
import pytest

from ilsvrc_tfds.errors import IlsvrcError, ImageError, LabelError, SourceError
from ilsvrc_tfds.shards.plan import plan_split
from ilsvrc_tfds.sources import Index, Reader, find_layout, index_images
from ilsvrc_tfds.sources.reader import read_images
from ilsvrc_tfds.synsets import validation_labels, wnids

TRAIN, VAL = "ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar"
PICTURE = drawing.jpeg(20, 20)
VAL_1 = "ILSVRC2012_val_00000001.JPEG"


def indexed(source: Path) -> Index:
    return index_images(find_layout([source]))


def write(folder: Path, name: str, data: bytes = PICTURE) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def labels_of(index: Index, split: str) -> dict[str, int]:
    members = index.splits[split]
    return dict(zip((name.decode() for name in members.name.tolist()), members.label.tolist()))


def read_all(index: Index) -> None:
    with Reader() as reader:
        for members in index.splits.values():
            for row in range(len(members)):
                reader.read(members, row)


def write_train(folder: Path, entries) -> Path:
    return write(folder, TRAIN, drawing.tar(entries))


def write_val(folder: Path, *names: str) -> Path:
    return write(folder, VAL, drawing.tar([(name, PICTURE) for name in names]))


# Nothing is found.


def test_missing_and_empty_places_are_all_listed(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "gone").symlink_to("/no/such/disk")
    write(tmp_path, "holiday/beach.jpg")
    write(tmp_path, "file.bin")
    with pytest.raises(SourceError) as caught:
        find_layout([tmp_path / name for name in ("missing", "empty", "gone", "holiday", "file.bin")])
    message = str(caught.value)
    assert message.startswith("No ILSVRC2012 found. Get the archives from https://image-net.org")
    assert "\nLooked for ILSVRC2012_img_train.tar, ILSVRC2012_img_val.tar, " in message
    assert f"{tmp_path}/missing: does not exist" in message
    assert f"{tmp_path}/empty: found nothing" in message
    assert f"{tmp_path}/gone: a link to /no/such/disk, which is not there" in message
    assert f"{tmp_path}/holiday: found beach.jpg" in message
    assert f"{tmp_path}/file.bin: a file with an unknown name" in message


@pytest.mark.parametrize(
    "name, message",
    [
        ("ILSVRC2012_img_train_t3.tar", "120 dog breeds of task 3, not this data set. Get ILSVRC2012_img_train.tar"),
        ("n01443537/n01443537_1.JPEG", "looks like the folder of a single split"),
        ("n01443537.tar", "looks like the train split alone"),
        ("n01443537_1.JPEG", "looks like a single class"),
        ("ILSVRC2012_val_00000031.JPEG", "looks like the validation images themselves"),
    ],
)
def test_mistakes_that_many_make_are_recognised(tmp_path, name, message):
    write(tmp_path, name)
    with pytest.raises(SourceError, match=f"found .*; .*{message}"):
        find_layout([tmp_path])


def test_dog_archive_named_itself_is_recognised(tmp_path):
    with pytest.raises(SourceError, match="a file with an unknown name; .* dog breeds of task 3"):
        find_layout([write(tmp_path, "ILSVRC2012_img_train_t3.tar")])


@pytest.mark.parametrize("draw", [drawing.folders, drawing.class_archives])
@pytest.mark.parametrize("split", ["train", "val"])
def test_folder_of_a_split_is_no_source(tmp_path, images, draw, split):
    source = draw(tmp_path, images)
    with pytest.raises(SourceError, match="this looks like the .*: name the folder that holds"):
        find_layout([source / split])


def test_long_listing_is_cut_and_can_be_printed(tmp_path):
    for name in [b"a\nb", b"caf\xe9", *(b"%d" % k for k in range(20))]:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).touch()
    with pytest.raises(SourceError, match="and 16 more") as caught:
        find_layout([tmp_path])
    str(caught.value).encode("utf-8")


@pytest.mark.parametrize("name", ["x" * 300, "file.bin/train"])
def test_impossible_places_do_not_exist(tmp_path, name):
    write(tmp_path, "file.bin")
    with pytest.raises(SourceError, match="does not exist"):
        find_layout([f"{tmp_path}/{name}"])


# Links, permissions, special files.


@pytest.mark.parametrize("name", [TRAIN, VAL, "train", "val", "ilsvrc2012"])
def test_link_of_a_split_that_points_nowhere_is_an_error(tmp_path, images, name):
    # A disk that is not mounted: without the error the split would just be missing.
    source = drawing.folders(tmp_path, images, train="ILSVRC2012_img_train", val="validation")
    (source / name).symlink_to("/no/such/disk")
    with pytest.raises(
        SourceError, match=f"{name} is a link to /no/such/disk, which does not exist. Correct or remove"
    ):
        find_layout([source])


@pytest.mark.parametrize("name", ["train/n01440764.tar", "train/n01440764", "val/n01440764", "val/" + VAL_1])
def test_link_of_a_class_or_image_that_points_nowhere_is_an_error(tmp_path, images, name):
    source = drawing.folders(tmp_path, drawing.Images({"n01443537": images.train["n01443537"]}, images.val, {}))
    (source / name).unlink(missing_ok=True)
    (source / name).symlink_to("/no/such/disk")
    with pytest.raises(SourceError, match=f"{name} is a link to /no/such/disk, which does not exist"):
        indexed(source)


@pytest.mark.parametrize("name", ["train", "val", TRAIN])
def test_link_to_itself_is_an_error(tmp_path, name):
    write_val(tmp_path, VAL_1)
    (tmp_path / name).symlink_to(name)
    with pytest.raises(SourceError, match=f"{name}.* cannot be read: Too many levels of symbolic links"):
        find_layout([tmp_path])


def test_pipes_are_never_opened(tmp_path, images):
    source = drawing.folders(tmp_path, images)
    os.mkfifo(source / TRAIN)  # opening one waits for ever
    os.mkfifo(source / "val" / VAL_1)
    index = indexed(source)
    assert len(index.splits["train"]) == 12 and VAL_1 not in labels_of(index, "val")
    assert index.notes[-1] == f"skipped 1 entry that is not an image: val/{VAL_1}"


@pytest.mark.parametrize("name", ["", "train", "val", "train/n01440764", "train/n01440764/n01440764_9.JPEG"])
def test_missing_permission_is_an_error(tmp_path, images, permissions_count, name):
    source = drawing.folders(tmp_path, images)
    (source / name).chmod(0)
    try:
        with pytest.raises(SourceError, match=f"{source / name}.* cannot be read: Permission denied"):
            read_all(indexed(source))
    finally:
        (source / name).chmod(0o755)


@pytest.mark.parametrize("name", [TRAIN, VAL])
def test_missing_permission_of_an_archive_is_an_error(archives, permissions_count, name):
    (archives / name).chmod(0)
    with pytest.raises(
        SourceError,
        match=f"{name} cannot be read: Permission denied. Check the permissions of it and of each folder above it",
    ):
        indexed(archives)


# Archives.


@pytest.mark.parametrize("name", [TRAIN, VAL, "ILSVRC2012_img_test_v10102019.tar", "train/n01440764.tar"])
@pytest.mark.parametrize(
    "data, message",
    [
        (b"", r"is an empty file \(0 bytes\)"),
        (PICTURE, "not a tar archive"),
        (b"<html>" + b" " * 5000, "not a tar archive. It looks like a web page"),
        (b"\x1f\x8b\x08" + bytes(5000), "not a tar archive. It is compressed with gzip"),
        (drawing.tar([("README", b"text")]), "holds no images that are read, but README. Expected files"),
        (bytes(10240), "holds no images that are read, but nothing"),
        (bytes(4 << 20), "4,194,304 bytes follow. Either parts of it were never downloaded"),
    ],
    ids=["empty", "picture", "web page", "gzip", "text only", "tar of nothing", "zeros"],
)
def test_file_that_is_no_archive_of_images_is_an_error(tmp_path, name, data, message):
    write(tmp_path, name, data)
    with pytest.raises(SourceError, match=message) as caught:
        indexed(tmp_path)
    assert str(tmp_path / name.partition("/")[0]) in str(caught.value)


@pytest.mark.parametrize("name", [TRAIN, VAL])
@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
def test_archive_cut_short_is_an_error(archives, name, share):
    data = (archives / name).read_bytes()
    (archives / name).write_bytes(data[: int(len(data.rstrip(b"\0")) * share)])
    with pytest.raises(SourceError, match=f"{name} is cut short.* should go on to byte .* Get the archive again"):
        indexed(archives)


def test_class_archive_cut_short_is_an_error(tmp_path, images):
    path = drawing.class_archives(tmp_path, images) / "train/n01443537.tar"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(SourceError, match="n01443537.tar is cut short, in 'n01443537_.*JPEG'"):
        indexed(tmp_path)


def test_every_cut_of_the_official_archive_is_seen(tmp_path):
    images = drawing.Images({wnid: {f"{wnid}_{k}.JPEG": PICTURE for k in range(2)} for wnid in wnids()[:2]}, {}, {})
    path = drawing.official_archives(tmp_path, images) / TRAIN
    data = path.read_bytes()
    end_mark = len(data.rstrip(b"\0")) // 512 * 512 + 512
    for cut in range(512, end_mark, 512):
        path.write_bytes(data[:cut])
        with pytest.raises(SourceError, match="is cut short"):
            indexed(tmp_path)


def test_inner_archive_damaged_is_named(tmp_path, images):
    inner = {wnid: bytearray(drawing.tar(classes.items())) for wnid, classes in images.train.items()}
    inner["n01443537"][100] ^= 1
    write_train(tmp_path, [(f"{wnid}.tar", data) for wnid, data in inner.items()])
    with pytest.raises(SourceError, match=f"{TRAIN}: inner archive n01443537.tar is not a tar archive"):
        indexed(tmp_path)


@pytest.mark.parametrize("name", ["n99999999.tar", "tench.tar", "train/ILSVRC2012_img_train.tar", "n01440764 (1).tar"])
def test_inner_archive_of_no_class_is_an_error(tmp_path, name):
    write_train(tmp_path, [(name, drawing.tar([("a.JPEG", PICTURE)]))])
    with pytest.raises(SourceError, match=f"{TRAIN}: inner archive '.*': '.*' is not one of the 1000 classes"):
        indexed(tmp_path)


@pytest.mark.parametrize("name", ["n99999999.tar", "tench.tar", "images.tar"])
def test_class_archive_of_no_class_is_an_error(tmp_path, name):
    write(tmp_path, f"train/{name}", drawing.tar([("README", b"not even images")]))
    with pytest.raises(SourceError, match=f"{name}: '.*' is not one of the 1000 classes"):
        indexed(tmp_path)


def test_class_that_comes_twice_in_an_archive_is_an_error(tmp_path):
    inner = drawing.tar([("n01440764_1.JPEG", PICTURE)])
    write_train(tmp_path, [("n01440764.tar", inner), ("again/n01440764.tar", inner)])
    with pytest.raises(SourceError, match="inner archive n01440764.tar comes twice"):
        indexed(tmp_path)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
@pytest.mark.parametrize("name", [TRAIN, VAL])
def test_links_in_archives_are_refused(archives, name, kind):
    with tarfile.open(archives / name, "a") as archive:
        link = tarfile.TarInfo("n01440764.tar")
        link.type, link.linkname = kind, "/etc/passwd"
        archive.addfile(link)
    with pytest.raises(SourceError, match=f"{name}: member 'n01440764.tar' is a link, and links are not followed"):
        indexed(archives)


@pytest.mark.parametrize("prefix", ["../", "/", "/etc/", "../../../../tmp/", "a/../../b/", "//"])
def test_paths_in_archives_are_no_paths_on_disk(tmp_path, images, prefix):
    source = drawing.official_archives(tmp_path / "deep/source", images, prefix)
    before = sorted(tmp_path.rglob("*"))
    index = indexed(source)
    assert labels_of(index, "val") == images.labels("val")
    assert labels_of(index, "train") == images.labels("train")
    assert not any(b".." in path or path.startswith(b"/") for path in index.splits["train"].paths().tolist())
    assert sorted(tmp_path.rglob("*")) == before


# Classes.


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
