"""Places, links and archives that cannot be read: each a clear error."""

import os
import tarfile
from pathlib import Path

import drawing
import pytest
from bad_sources import PICTURE, TRAIN, VAL, VAL_1, indexed, labels_of, read_all, write, write_train, write_val

from ilsvrc_tfds.errors import SourceError
from ilsvrc_tfds.sources import find_layout
from ilsvrc_tfds.synsets import wnids


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
