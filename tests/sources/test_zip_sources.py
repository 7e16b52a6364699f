"""Zip archives of Kaggle's tree as sources, made with zipfile and with Info-ZIP's command."""

import io
import struct
import subprocess
import tracemalloc
import warnings
import zipfile
from pathlib import Path

import drawing
import forms
import pytest

import ilsvrc_tfds
from ilsvrc_tfds.errors import ImageError, LabelError, NotFoundError, SourceError
from ilsvrc_tfds.sources import Reader, find_layout, index_images
from ilsvrc_tfds.sources.trees import list_tree
from ilsvrc_tfds.sources.zip import read_entries, read_entry

NAME = "imagenet-object-localization-challenge.zip"
TRAIN = "ILSVRC/Data/CLS-LOC/train/n01440764/n01440764_9.JPEG"


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A folder with one miniature as archives and as Kaggle's tree."""
    folder, images = tmp_path_factory.mktemp("made"), drawing.miniature(test=2)
    drawing.official_archives(folder / "archives", images)
    forms.kaggle_tree(folder / "tree", images)
    return folder


@pytest.fixture(scope="module")
def expected(made) -> dict[str, str]:
    return forms.results(made / "archives", made / "expected")


def index(source: Path):
    return index_images(find_layout([source]))


def of_entries(path: Path, *entries: tuple[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a name that comes twice
        for name, data in entries:
            archive.writestr(name, data)
    return path


@pytest.mark.slow
@pytest.mark.parametrize("how", ["stored", "deflated", "zip64", "zip", "streamed"])
def test_zip_gives_what_the_archives_give(how, made, expected, tmp_path):
    source = forms.zipped(made / "tree", tmp_path / NAME, how)
    found = index(source)
    assert found.layout == "zip archive" and found.warnings == ()
    assert sorted(found.notes) == [
        "LOC_synset_mapping.txt agrees with the official labels in all 1,000 entries",
        "LOC_val_solution.csv agrees with the official labels in all 50,000 entries",
    ]
    if how in ("deflated", "zip"):
        assert forms.results(source.parent if how == "zip" else source, tmp_path / "out") == expected
    else:
        builder = ilsvrc_tfds.prepare(source, tmp_path / "out", **forms.PLAIN)
        made_files = {
            f"ilsvrc2012/classification/1.0.0/{p.name}": forms._digest(p) for p in Path(builder.data_dir).iterdir()
        }
        assert made_files.items() <= expected.items() and len(made_files) > 8


def test_unpacked_tree_counts_before_the_zip(made, tmp_path):
    forms.kaggle_tree(tmp_path, drawing.miniature())
    (tmp_path / NAME).write_bytes(b"PK\3\4 is cut short, but not looked at")
    assert index(tmp_path).layout == "Kaggle CLS-LOC folders"


@pytest.mark.slow
def test_more_than_65535_entries(made, tmp_path):
    with zipfile.ZipFile(tmp_path / NAME, "w") as archive:
        archive.write(made / "tree" / TRAIN, TRAIN)
        for number in range(66_000):
            archive.writestr(zipfile.ZipInfo(f"ILSVRC/Annotations/CLS-LOC/train/{number}.xml"), b"")
    assert len(index(tmp_path).splits["train"]) == 1


@pytest.mark.slow
def test_entries_take_little_memory(tmp_path):
    names = (f"ILSVRC/Data/CLS-LOC/train/n01440764/n01440764_{number}.JPEG" for number in range(100_000))
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        for name in names:
            archive.writestr(zipfile.ZipInfo(name), b"x")
    (tmp_path / NAME).write_bytes(body.getvalue())
    with open(tmp_path / NAME, "rb") as file:
        tracemalloc.start()
        try:
            count = sum(1 for _ in read_entries(file.fileno(), NAME))
            assert count == 100_000 and tracemalloc.get_traced_memory()[1] < 5e6
            tree = list_tree(NAME, "", read_entries(file.fileno(), NAME), lambda offset, size: b"")
            assert len(tree.splits["train"]["n01440764"].names) == 100_000
            assert tracemalloc.get_traced_memory()[1] < 15e6  # 1.3 million images take 200 MB
        finally:
            tracemalloc.stop()


def test_zip_of_a_split_alone_is_read(tmp_path):
    of_entries(tmp_path / "val.zip", *((name, data) for name, data in drawing.miniature().val.items()))
    of_entries(tmp_path / "train.zip", ("n01440764/n01440764_9.JPEG", drawing.jpeg()))
    found = index(tmp_path)
    assert {split: len(members) for split, members in found.splits.items()} == {"train": 1, "val": 6}
    assert found.splits["train"].paths().tolist() == [b"train/n01440764/n01440764_9.JPEG"]


def test_what_is_not_read_is_named(tmp_path):
    jpeg = drawing.jpeg()
    more = (
        "train/n01440764/old/n01440764_1.JPEG",
        "pictures/1.JPEG",
        "__MACOSX/train/n01440764/1.JPEG",
        "train/n01440764/2.webp",
        "notes.txt",
    )
    val = "val/ILSVRC2012_val_00000001.JPEG"
    found = index(of_entries(tmp_path / NAME, (TRAIN, jpeg), (val, jpeg), *((name, jpeg) for name in more)))
    assert found.warnings[0].startswith("2 images in 2 folders are not read: train/n01440764/old (1), pictures (1)")
    assert found.warnings[1].startswith("1 image of a kind that is not read: train/n01440764/2.webp")
    assert found.notes == ("skipped 1 entry that is not an image: notes.txt",)


# What is refused.


def test_tables_inside_must_agree(made, tmp_path):
    path = forms.zipped(made / "tree", tmp_path / NAME, "stored")
    table = (made / "tree/LOC_val_solution.csv").read_bytes()
    path.write_bytes(path.read_bytes().replace(table[:200], table[:200].replace(b"n01751748", b"n01440764")))
    with pytest.raises(SourceError, match=f"{NAME}: LOC_val_solution.csv: .*checksum does not match"):
        index(path)
    changed = ("LOC_val_solution.csv", table.replace(b"val_00000001,n01751748", b"val_00000001,n01440764"))
    with pytest.raises(LabelError, match=f"{NAME}/LOC_val_solution.csv contradicts the official labels: 1 of 50,000"):
        index(of_entries(path, (TRAIN, drawing.jpeg()), changed))


@pytest.mark.parametrize(
    "name, error, message",
    [
        ("../n01440764_9.JPEG", SourceError, "../n01440764_9.JPEG leads out of the archive"),
        ("/train/n01440764/n01440764_9.JPEG", SourceError, "leads out of the archive"),
        ("train\\..\\..\\n01440764_9.JPEG", SourceError, "leads out of the archive"),
        ("C:/n01440764_9.JPEG", SourceError, "leads out of the archive"),
        ("ILSVRC/Data/CLS-LOC/train/goldfish/n01440764_9.JPEG", LabelError, "but 'goldfish' is the name of"),
        ("ILSVRC/Data/CLS-LOC/train/n01443537/n01440764_9.JPEG", LabelError, "its name says otherwise"),
        ("val/n01440764/n01440764_9.JPEG", SourceError, "has the name of an image of split 'train'"),
        ("val/n01440764/ILSVRC2012_val_00000001.JPEG", LabelError, "its name says otherwise"),
    ],
)
def test_paths_that_are_refused(name, error, message, tmp_path):
    with pytest.raises(error, match=message):
        index(of_entries(tmp_path / NAME, (TRAIN, drawing.jpeg()), (name, drawing.jpeg(seed=1))))


def test_name_that_comes_twice_is_refused(tmp_path):
    with pytest.raises(SourceError, match="1 image of split 'train' comes twice"):
        index(of_entries(tmp_path / NAME, (TRAIN, drawing.jpeg()), (TRAIN, drawing.jpeg(seed=1))))


def test_other_methods_are_refused(tmp_path):
    with pytest.raises(SourceError, match=f"{TRAIN} is compressed by the method 14; only stored and deflated.*Unpack"):
        index(of_entries(tmp_path / NAME, (TRAIN, drawing.jpeg()), compression=zipfile.ZIP_LZMA))


def test_encrypted_archive_is_refused(made, tmp_path):
    command = ["zip", "-q", "-r", "-P", "secret", str(tmp_path / NAME), "ILSVRC/Data"]
    subprocess.run(command, cwd=made / "tree", check=True)
    with pytest.raises(SourceError, match="is encrypted. Unpack the archive with its password"):
        index(tmp_path)


@pytest.mark.parametrize("kept, message", [(-1, "is cut short"), (700, "is cut short")])
def test_truncated_archive_is_refused(kept, message, tmp_path):
    path = of_entries(tmp_path / NAME, (TRAIN, drawing.jpeg()))
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(SourceError, match=f"{path} {message}.*Get the archive again"):
        index(path)


def patched(path: Path, field: int, form: str, *values: int) -> Path:
    """Changes a field of the first entry of the directory, by its position in it."""
    data = bytearray(path.read_bytes())
    struct.pack_into(form, data, data.rindex(b"PK\1\2") + field, *values)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    "field, form, value, message",
    [
        (24, "<I", 1 << 29, "states 536,870,912 bytes, of [0-9,]+ in the archive: they cannot inflate to so many"),
        (24, "<I", 0xFFFFFFFF, "its sizes are missing in the directory"),
        (42, "<I", 1 << 30, "would lie at byte 1,073,741,824, behind the archive's last entry"),
        (28, "<H", 60_000, "its directory ends inside an entry"),
        (0, "<I", 0, "its directory of [0-9,]+ bytes at byte [0-9,]+ does not end at byte [0-9,]+, or does not begin"),
        (32, "<H", 10, "its directory ends inside an entry"),
    ],
)
def test_directory_that_makes_no_sense_is_refused(field, form, value, message, tmp_path):
    with pytest.raises(SourceError, match=message):
        index(patched(of_entries(tmp_path / NAME, (TRAIN, drawing.jpeg())), field, form, value))


def test_bomb_is_refused_without_inflating_it(tmp_path):
    bomb = b"\xff\xd8" + bytes(50 << 20)
    path = of_entries(tmp_path / NAME, (TRAIN, bomb))
    patched(path, 24, "<I", 1000)  # it states to be small
    source = index(path)
    tracemalloc.start()
    try:
        with (
            Reader() as reader,
            pytest.raises(ImageError, match="it inflates to more than the 1,000 bytes that the zip archive states"),
        ):
            reader.read(source.splits["train"], 0)
        assert tracemalloc.get_traced_memory()[1] < 3e6
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_damaged_entry_is_named_or_left_out(compression, tmp_path):
    entries = [(TRAIN.replace("_9", f"_{k}"), drawing.jpeg(seed=k)) for k in range(3)]
    path = of_entries(tmp_path / NAME, *entries, compression=compression)
    data = bytearray(path.read_bytes())
    data[300] ^= 0xFF
    path.write_bytes(data)
    options = {**forms.PLAIN, "splits": ["train"]}
    with pytest.raises(
        ImageError, match=f"{path}: train/n01440764/n01440764_0.JPEG: its entry in the zip archive is damaged"
    ):
        ilsvrc_tfds.prepare(path, tmp_path / "out", **options)
    assert not list(tmp_path.rglob("dataset_info.json"))
    builder = ilsvrc_tfds.prepare(path, tmp_path / "out", on_error="skip", **options)
    assert list(builder.info.metadata["skipped_images"]["train"]) == ["n01440764_0.JPEG"]


def test_entry_whose_local_header_is_gone_is_an_error(tmp_path):
    path = of_entries(tmp_path / NAME, (TRAIN, drawing.jpeg()))
    with open(path, "rb") as file, pytest.raises(ImageError, match="there is no entry at byte 7 of the zip archive"):
        read_entry(file.fileno(), 7, 100)


def swapped(path: Path, compression: int = zipfile.ZIP_STORED, **names: str) -> Path:
    """Writes two images, and lets the directory state each one's position, sizes and checksum for the other."""
    of_entries(path, *((name, drawing.jpeg(seed=k)) for k, name in enumerate(names.values())), compression=compression)
    data = bytearray(path.read_bytes())
    first = data.index(b"PK\1\2")
    second = data.index(b"PK\1\2", first + 4)
    for begin, stop in ((16, 28), (42, 46)):
        one, other = (slice(entry + begin, entry + stop) for entry in (first, second))
        data[one], data[other] = data[other], data[one]
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("above", ["", f"{'long/' * 200}"])
def test_image_of_another_name_is_an_error(compression, above, tmp_path):
    names = {"one": f"{above}{TRAIN}", "other": f"{above}{TRAIN.replace('n01440764', 'n01443537')}"}
    path = swapped(tmp_path / NAME, compression, **names)
    found = index(path).splits["train"]
    told = "the zip archive is damaged: its directory leads to 'n01443537_9.JPEG' instead"
    with Reader() as reader, pytest.raises(ImageError, match=told):
        reader.read(found, 0)
    options = {**forms.PLAIN, "splits": ["train"]}
    with pytest.raises(ImageError, match=f"{path}: train/n01440764/n01440764_9.JPEG: {told}"):
        ilsvrc_tfds.prepare(path, tmp_path / "out", **options)
    with zipfile.ZipFile(path) as archive, pytest.raises(zipfile.BadZipFile, match="differ"):
        archive.read(names["one"])
    of_entries(path, *((name, drawing.jpeg()) for name in names.values()), compression=compression)
    with Reader() as reader:
        assert reader.read(index(path).splits["train"], 0) == drawing.jpeg()


def test_sizes_of_the_local_header_count(tmp_path):
    path = of_entries(tmp_path / NAME, (TRAIN, drawing.jpeg()), compression=zipfile.ZIP_STORED)
    data = bytearray(path.read_bytes())
    struct.pack_into("<I", data, 18, 1000)
    path.write_bytes(data)
    with Reader() as reader, pytest.raises(ImageError, match=r"it has [\d,]+ bytes, and states 1,000. Get it again"):
        reader.read(index(path).splits["train"], 0)


@pytest.mark.parametrize("name", ["train_val.zip", "archive.zip", "ILSVRC.zip", "My images.ZIP"])
def test_zip_of_any_name_with_official_images_is_found(name, made, tmp_path):
    forms.zipped(made / "tree", tmp_path / name, "deflated")
    (tmp_path / "notes.zip").write_bytes(b"no zip")
    of_others = [("val/0001.jpg", b"a"), ("ILSVRC2012_val_00000001.JPEG", b"a"), ("train/cat/cat.1.jpg", b"a")]
    of_entries(tmp_path / "pets.zip", *of_others)
    found = find_layout([tmp_path])
    assert {place.path for place in found.places} == {str(tmp_path / name)} and found.aside == ()
    (tmp_path / name).unlink()
    with pytest.raises(NotFoundError):
        find_layout([tmp_path])
