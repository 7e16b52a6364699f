"""Archives of trees that are broken, of other things, or hold archives: each says what it is and what to do."""

import gzip
import io
import re
import struct
import zipfile
from pathlib import Path

import drawing
import pytest

from ilsvrc_tfds.errors import IncompleteError, LabelError, NotFoundError, SourceError
from ilsvrc_tfds.sources import Reader, find_layout, index_images

TAR, ZIP = "ILSVRC2017_CLS-LOC.tar", "imagenet-object-localization-challenge.zip"
ROOT = "ILSVRC/Data/CLS-LOC"
TENCH = (f"{ROOT}/train/n01440764/n01440764_9.JPEG", drawing.jpeg())
VAL = (f"{ROOT}/val/ILSVRC2012_val_00000293.JPEG", drawing.jpeg())


def packed(name: str, *members: tuple[str, bytes]) -> bytes:
    if name.endswith(".tar"):
        return drawing.tar(list(members))
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        for path, data in members:
            archive.writestr(path, data)
    return body.getvalue()


def written(folder: Path, name: str, data: bytes) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(data)
    return folder / name


def both(path: Path) -> list[Path]:
    """Returns the archive and its folder: either may be named as the source."""
    return [path, path.parent]


@pytest.mark.parametrize(
    "data, message",
    [
        (gzip.compress(drawing.tar([TENCH])), "is not a tar archive. It is compressed with gzip: gunzip it first."),
        (packed(ZIP, TENCH), "is not a tar archive. It is a zip archive: unzip it first."),
        (b"<html>", "is not a tar archive. It looks like a web page"),
        (drawing.tar([TENCH])[:300], "is not a tar archive. Get the archive again"),
        (drawing.tar([TENCH])[:1000], "is cut short, in .*n01440764_9.JPEG"),
        (b"", r"is an empty file \(0 bytes\), as a download leaves it"),
    ],
    ids=["gzip", "zip", "page", "half a header", "half an image", "no bytes"],
)
def test_what_is_no_tar_is_told_with_what_to_do(data, message, tmp_path):
    path = written(tmp_path / "source", TAR, data)
    for source in both(path):
        with pytest.raises(SourceError, match=f"^{path} {message}"):
            find_layout([source])
    drawing.folders(tmp_path / "source", drawing.Images({}, drawing.miniature().val, {}))
    found = find_layout([tmp_path / "source"])  # what else is there is read
    assert [place.split for place in found.places] == ["val"]
    assert re.search(f"{TAR} .an archive that cannot be read: .*{message}", found.missing()["train"])


OLDER = "imagenet_object_localization_patched2019.tar.gz"


@pytest.mark.parametrize(
    "inner, message",
    [
        ([OLDER], f"{OLDER}. Unpack it and what is inside, and name the folder."),
        (
            [f"{ROOT}/train/n01440764.tar", f"{ROOT}/train/n01443537.tar"],
            "n01443537.tar. Unpack it, and name the folder",
        ),
        ([f"{ROOT}/train/n01440764.tar.gz"], "train/n01440764.tar.gz. Unpack it and what is inside"),
        (["ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar"], "ILSVRC2012_img_val.tar. Unpack it, and name"),
    ],
    ids=["older Kaggle", "classes", "packed classes", "official"],
)
@pytest.mark.parametrize("name", [TAR, ZIP])
def test_archives_inside_an_archive_are_told(inner, message, name, tmp_path):
    tables = [("LOC_sample_submission.csv", b"ImageId,PredictionString\n")]
    path = written(tmp_path, name, packed(name, *((path, b"x") for path in inner), *tables))
    for source in both(path):
        with pytest.raises(SourceError, match=f"^{path} holds archives, which are not read .*{re.escape(message)}"):
            find_layout([source])


@pytest.mark.parametrize("name", [TAR, ZIP])
def test_class_archives_beside_images_are_warned_of(name, tmp_path):
    inner = [(f"{ROOT}/train/n01440764.tar", b"x"), ("ILSVRC2012_devkit_t12.tar.gz", b"x")]
    path = written(tmp_path, name, packed(name, VAL, *inner))
    found = index_images(find_layout([path]))
    assert found.warnings == (
        f"1 class archive is not read: {ROOT}/train/n01440764.tar. Unpack it into folders <wnid>/",
    )
    with pytest.raises(IncompleteError, match="does not have the split train"):
        find_layout([path]).only(["train"])
    written(tmp_path, name, packed(name, VAL, TENCH, (f"{ROOT}/{OLDER}", b"x")))
    assert index_images(find_layout([path])).warnings == (f"1 archive is not read: {ROOT}/{OLDER}. Unpack it",)


@pytest.mark.parametrize(
    "members, message",
    [
        ([("imagenet-a/n01440764/1.jpg", b"x")], r"but imagenet-a/n01440764 \(1 images\)"),
        ([("models/resnet.h5", b"x")], "but models/resnet.h5"),
    ],
    ids=["images of another set", "models"],
)
@pytest.mark.parametrize("name", [TAR, ZIP])
def test_archive_of_other_things_says_what_it_holds(members, message, name, tmp_path):
    path = written(tmp_path, name, packed(name, *members))
    with pytest.raises(
        NotFoundError, match=f"{name}: an archive that holds no images in folders train/, val/ or test/, {message}"
    ):
        find_layout([path])
    with pytest.raises(NotFoundError, match=name):
        find_layout([tmp_path])
    drawing.folders(tmp_path / "other", drawing.miniature())
    assert find_layout([tmp_path, tmp_path / "other"]).source == str(tmp_path / "other")


def test_tar_without_members_says_so(tmp_path):
    path = written(tmp_path, TAR, drawing.tar([]))
    for source in both(path):
        with pytest.raises(NotFoundError, match="an archive that holds no images .* but nothing that is read"):
            find_layout([source])


@pytest.mark.parametrize("name", [TAR, ZIP])
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_table_that_is_there_twice_is_compared_twice(name, tmp_path):
    drawing.kaggle(tmp_path / "tree", drawing.miniature())
    table = (tmp_path / "tree/LOC_val_solution.csv").read_bytes()
    wrong = table.replace(b"val_00000001,n01751748", b"val_00000001,n01440764")
    assert wrong != table
    for tables in ([wrong, table], [table, wrong]):  # by the same path, as `tar --append` leaves them
        path = written(tmp_path, name, packed(name, TENCH, *(("LOC_val_solution.csv", own) for own in tables)))
        with pytest.raises(LabelError, match="LOC_val_solution.csv contradicts the official labels: 1 of 50,000"):
            index_images(find_layout([path]))


def test_file_that_is_no_image_may_have_any_size(tmp_path):
    data = bytearray(packed(ZIP, TENCH, VAL, (OLDER, b"x")))
    start, entry, end, more = data.index(b"PK\1\2"), data.rindex(b"PK\1\2"), data.rindex(b"PK\5\6"), 1 << 30
    for place, value in ((entry + 20, more + 1), (entry + 24, more + 1), (end + 16, start + more)):
        struct.pack_into("<I", data, place, value)
    with open(tmp_path / ZIP, "wb") as file:
        file.write(data[:start])
        file.seek(more, 1)  # a hole, which takes no room
        file.write(data[start:])
    found = index_images(find_layout([tmp_path]))
    assert {split: len(members) for split, members in found.splits.items()} == {"train": 1, "val": 1}
    assert found.warnings == (f"1 archive is not read: {OLDER}. Unpack it",)


@pytest.mark.parametrize("name", [TAR, ZIP, "ILSVRC2017_CLS-LOC.tar.gz"])
def test_archive_that_is_replaced_after_it_was_listed_is_not_read_by_the_old_list(name, tmp_path):
    other = (
        TENCH[0].replace("n01440764", "n01443537"),
        drawing.jpeg(seed=1).ljust(len(TENCH[1]), b"\0")[: len(TENCH[1])],
    )
    pack = (lambda *members: gzip.compress(drawing.tar(list(members)))) if name.endswith("gz") else None
    pack = pack or (lambda *members: packed(name, *members))
    path = written(tmp_path, name, pack(TENCH, other))
    layout = find_layout([path])
    written(tmp_path, "new", pack(other, TENCH)).replace(path)
    train = index_images(layout).splits["train"]
    with pytest.raises(SourceError, match="has changed since it was indexed"), Reader() as reader:
        for row in range(len(train)):
            reader.read(train, row)


@pytest.mark.parametrize("name", ["train.tar.gz", "train.tgz"])
@pytest.mark.parametrize("root", ["", "train/"])
def test_compressed_archive_that_is_named_for_a_split_may_have_classes_at_its_root(name, root, tmp_path):
    members = [(f"{root}n01440764/n01440764_9.JPEG", drawing.jpeg())]
    written(tmp_path, name, gzip.compress(drawing.tar(members)))
    assert index_images(find_layout([tmp_path])).splits["train"].name.tolist() == [b"n01440764_9.JPEG"]
