"""Tars that are compressed with gzip as sources: Hugging Face's archives, trees as Kaggle's, class archives."""

import gzip
import io
import re
import shutil
import tarfile
from pathlib import Path

import drawing
import forms
import pytest

import ilsvrc_tfds
from ilsvrc_tfds.checks.doctor import examine
from ilsvrc_tfds.errors import ImageError, LabelError, NotFoundError, SourceError
from ilsvrc_tfds.sources import Reader, find_layout, index_images

KAGGLE = "imagenet_object_localization_patched2019.tar.gz"
NAME = "n01440764_9.JPEG"


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A folder with one miniature as archives, and as each of the compressed forms."""
    folder, images = tmp_path_factory.mktemp("made"), drawing.miniature(test=2)
    drawing.official_archives(folder / "archives", images)
    forms.hugging_face_archives(folder / "hf", images)
    tree = forms.kaggle_tree(folder / "tree", images)
    for name, how in (("kaggle", "tar"), ("cls-loc", "tarfile")):
        (folder / name).mkdir()
        forms.compressed(tree, folder / name / (KAGGLE if how == "tar" else "ILSVRC2017_CLS-LOC.tar.gz"), how)
    shutil.copytree(folder / "archives", folder / "official")
    for path in (folder / "official").iterdir():
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    drawing.class_archives(folder / "classes", images)
    for path in (folder / "classes/train").iterdir():
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    shutil.copy(folder / "archives/ILSVRC2012_img_test_v10102019.tar", folder / "classes")
    return folder


@pytest.fixture(scope="module")
def expected(made) -> dict[str, str]:
    return forms.results(made / "archives", made / "expected")


@pytest.fixture
def classes(made, tmp_path) -> Path:
    return Path(shutil.copytree(made / "classes", tmp_path / "classes"))


def index(source: Path):
    return index_images(find_layout([source]))


@pytest.mark.slow
@pytest.mark.parametrize(
    "name, layout",
    [
        ("hf", "Hugging Face archives"),
        ("kaggle", "compressed archive of all splits"),
        ("cls-loc", "compressed archive of all splits"),
        ("classes", "archives and class archives"),
        ("official", "compressed archive of all splits"),
    ],
)
def test_compressed_archives_give_what_the_archives_give(name, layout, made, expected, tmp_path):
    assert index(made / name).layout == layout
    assert forms.results(made / name, tmp_path / "out") == expected


def test_archive_itself_may_be_named(made):
    for path in (made / "kaggle" / KAGGLE, made / "cls-loc/ILSVRC2017_CLS-LOC.tar.gz"):
        assert {split: len(own) for split, own in index(path).splits.items()} == {"train": 12, "val": 6, "test": 2}


@pytest.mark.parametrize("name", ["hf", "kaggle", "classes", "official"])
def test_doctor_looks_at_each_image(name, made, tmp_path):
    report = examine(made / name, tmp_path, deep=True, workers=1)
    [train] = [fact for fact in report.facts if fact.startswith("train: 9 RGB JPEG, ")]
    assert sorted(train[7:].split(", ")) == ["1 CMYK JPEG", "1 PNG", "1 grey JPEG", "9 RGB JPEG"]
    assert any("room needed for classification while it is made: about 0.0 MB" in fact for fact in report.facts)


def test_single_images_are_read_in_any_order(made):
    own, archives = (index(made / name).splits["val"] for name in ("hf", "archives"))
    with Reader() as reader:
        wanted = {archives.name[row]: reader.read(archives, row) for row in range(6)}
        assert all(reader.read(own, row) == wanted[own.name[row]] for row in (5, 0, 3, 3, 4))


@pytest.mark.parametrize("unpacked", [0, 1])
def test_folder_that_may_be_half_unpacked_is_not_used(unpacked, classes):
    folder, wanted = classes / "train/n01440764", index(classes).splits["train"].digest()
    with tarfile.open(f"{folder}.tar.gz") as archive:
        archive.extractall(folder, archive.getmembers()[:unpacked], filter="data")
    folder.mkdir(exist_ok=True)
    own = index(classes)
    assert own.splits["train"].digest() == wanted and len(own.splits["train"]) == 12
    assert f"1 folder is not used, because its archive is beside it: {folder}" in own.notes
    Path(f"{folder}.tar.gz").write_bytes(Path(f"{folder}.tar.gz").read_bytes()[:-100])
    with pytest.raises(SourceError, match="n01440764.tar.gz is damaged"):
        index(classes)


# What is refused.


def test_missing_archive_is_named(made, tmp_path):
    source = Path(shutil.copytree(made / "hf", tmp_path / "hf"))
    (source / "data/train_images_4.tar.gz").unlink()
    with pytest.raises(SourceError, match="1 archive of split 'train' is missing: train_images_4.tar.gz"):
        index(source)


@pytest.mark.parametrize("damage", ["cut", "flipped", "checksum", "garbage", "no gzip"])
def test_damaged_archive_is_named(damage, classes):
    path = classes / "train/n01443537.tar.gz"
    data = path.read_bytes()
    middle = len(data) // 2
    flipped = data[:middle] + bytes(byte ^ 255 for byte in data[middle : middle + 50]) + data[middle + 50 :]
    changed = {"cut": data[:middle], "flipped": flipped, "checksum": data[:-8] + bytes(4) + data[-4:]}
    path.write_bytes({**changed, "garbage": data + b"x" * 100, "no gzip": b"<html>"}[damage])
    with pytest.raises(SourceError, match=f"^{path} is damaged"):
        index(classes)


def test_tar_that_is_cut_short_inside_is_named(classes):
    path = classes / "train/n01443537.tar.gz"
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes())[:3000]))
    with pytest.raises(SourceError, match=f"^{path} is cut short: the tar inside ends at byte 3,000, in the middle"):
        index(classes)


def test_data_behind_the_end_mark_are_noticed(classes):
    path = classes / "train/n01443537.tar.gz"
    path.write_bytes(gzip.compress(2 * gzip.decompress(path.read_bytes())))
    with pytest.raises(SourceError, match=f"^{path} has its end mark at byte .* bytes follow"):
        index(classes)


@pytest.mark.slow
def test_too_large_an_image_is_never_read(classes, tmp_path):
    """1.1 GiB of zeros take 1.1 MB: a bomb."""
    info = tarfile.TarInfo("n01443537_1.JPEG")
    info.size = (1 << 30) + (1 << 27)
    with gzip.open(classes / "train/n01443537.tar.gz", "wb", compresslevel=1) as file:
        file.write(info.tobuf(tarfile.GNU_FORMAT))
        for _ in range(info.size >> 20):
            file.write(bytes(1 << 20))
        file.write(bytes(1024))
    with pytest.raises(ImageError, match=f"n01443537_1.JPEG: it has {info.size:,} bytes, over the limit"):
        ilsvrc_tfds.prepare(classes, tmp_path / "out", **forms.PLAIN)
    builder = ilsvrc_tfds.prepare(classes, tmp_path / "out", on_error="skip", **forms.PLAIN)
    assert builder.info.splits["train"].num_examples == 8


@pytest.mark.parametrize(
    "changed, message",
    [
        ({"n01443537.tar": drawing.tar([("n01440764_77.JPEG", b"a")])}, "lies in class n01443537 but its name says"),
        ({"n01443537.tar": bytes(512)}, "inner archive n01443537.tar holds no images|with 4 images"),
        ({"n01443537.tar": b"x" * 2048}, "inner archive n01443537.tar is not a tar archive"),
        ({"n01443537.tar": drawing.tar([("a.JPEG", b"a")])[:700]}, "inner archive n01443537.tar is cut short"),
        ({"n01443537.tar": drawing.tar([]) + b"x" * 512}, "inner archive n01443537.tar has its end mark at byte"),
        ({"n99999999.tar": drawing.tar([("a.JPEG", b"a")])}, "1 class archive is not read: n99999999.tar"),
    ],
    ids=["other class", "nothing", "no tar", "cut", "behind the end", "no class"],
)
def test_class_archives_inside_are_checked(changed, message, made, tmp_path):
    with tarfile.open(made / "archives/ILSVRC2012_img_train.tar") as archive:
        inner = {member.name: archive.extractfile(member).read() for member in archive}
    data = drawing.tar([*{**inner, **changed}.items()])
    (tmp_path / "ILSVRC2012_img_train.tar.gz").write_bytes(gzip.compress(data))
    try:
        own = index(tmp_path)
    except (SourceError, LabelError) as error:
        assert re.search(message, str(error))
    else:
        texts = (*own.notes, *own.warnings, f"with {len(own.splits['train']) - 4} images")
        assert any(re.search(message, text) for text in texts)


def test_image_of_another_class_is_refused(tmp_path):
    archive = io.BytesIO(drawing.tar([("n01443537_1.JPEG", b"")]))
    (tmp_path / "train").mkdir()
    (tmp_path / "train/n01440764.tar.gz").write_bytes(gzip.compress(archive.getvalue()))
    with pytest.raises(LabelError, match="n01440764.tar.gz .*lies in class n01440764 but its name says otherwise"):
        index(tmp_path)


def test_appended_class_that_contradicts_is_refused(made, tmp_path):
    source = Path(shutil.copytree(made / "hf", tmp_path / "hf"))
    tar = drawing.tar([("n01440764_9_n01443537.JPEG", b"a")])
    (source / "data/train_images_0.tar.gz").write_bytes(gzip.compress(tar))
    with pytest.raises(LabelError, match="train_images_0.tar.gz .*another class appended to the name"):
        index(source)


def test_other_compressed_archives_are_no_source(tmp_path):
    (tmp_path / "imagenet_code.tar.gz").write_bytes(gzip.compress(drawing.tar([("code/main.py", b"")])))
    with pytest.raises(NotFoundError):
        index(tmp_path)
