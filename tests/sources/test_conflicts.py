"""All errors of a source together."""

import json
import tarfile
from pathlib import Path

import drawing
import forms
import pyarrow.parquet
import pytest

from ilsvrc_tfds import synsets
from ilsvrc_tfds.checks.doctor import examine
from ilsvrc_tfds.errors import LabelError, SourceError
from ilsvrc_tfds.formats.tfrecord import read_spans
from ilsvrc_tfds.runners import LocalRunner
from ilsvrc_tfds.sources import find_layout, index_images
from ilsvrc_tfds.sources.conflicts import conflicts


@pytest.fixture
def source(tmp_path):
    """Two folders with an image of another class, one of an unknown class, and a table that is not one."""
    drawing.folders(tmp_path, drawing.miniature())
    train = tmp_path / "train"
    (train / "n01440764/n01440764_10.JPEG").rename(train / "n01443537/n01440764_10.JPEG")
    (train / "n01443537/n01443537_10.JPEG").rename(train / "n01491361/n01443537_10.JPEG")
    (train / "n00004475").mkdir()
    (train / "n00004475/n00004475_1.JPEG").write_bytes(drawing.jpeg())
    (tmp_path / "LOC_val_solution.csv").write_text("no table\n")
    return tmp_path


def test_every_conflict_is_listed(source):
    found = conflicts(find_layout([source]))
    assert len(found) == 4
    assert "LOC_val_solution.csv" in found[0] and "'n00004475' is not one of the 1000 classes" in found[1]
    assert "n01440764_10.JPEG of n01440764" in found[2] and "n01443537_10.JPEG of n01443537" in found[3]


def test_workers_find_the_same(source):
    with LocalRunner(2) as runner:
        assert conflicts(find_layout([source]), runner.run) == conflicts(find_layout([source]))


def test_doctor_reports_all_of_them_as_problems(source):
    report = examine(source, source, workers=1)
    assert report.problems == tuple(conflicts(find_layout([source])))
    assert report.facts == (f"{source} cannot be used yet",)


def test_images_that_come_twice_are_among_them(tmp_path):
    drawing.folders(tmp_path, drawing.miniature())
    names = sorted(path.name for path in (tmp_path / "val").iterdir())[:5]
    for name in names:
        (tmp_path / "val" / name.replace(".JPEG", ".jpg")).write_bytes(drawing.jpeg())
    [problem] = examine(tmp_path, tmp_path, workers=1).problems
    assert "5 images of split 'val' come twice" in problem and all(name in problem for name in names)
    with pytest.raises(SourceError, match=f"5 images of split 'val' come twice: .*{names[1]} and .* and 2 more"):
        index_images(find_layout([tmp_path]))


def test_of_many_conflicts_the_first_are_listed_and_the_others_counted(tmp_path):
    images = drawing.miniature(wnids=synsets.wnids()[:15], train=3)
    drawing.folders(tmp_path, images)
    for wnid, other in zip(images.train, [*list(images.train)[1:], drawing.WNIDS[0]]):
        for name in list(images.train[wnid])[:2]:
            (tmp_path / "train" / wnid / name).rename(tmp_path / "train" / other / name)
    found = conflicts(find_layout([tmp_path]))
    assert len(found) == 11 and sum("2 images lie in class" in line for line in found[:10]) == 10
    assert found[10] == "and 10 more images that lie in another class than their names say"


def _tree_of_conflicts(folder: Path) -> list[str]:
    """Writes Kaggle's tree with 5 images in wrong classes, two of split val in train, and a wrong table.

    Returns what each of the problems must contain.
    """
    images = drawing.miniature(train=6)
    drawing.kaggle(folder, images)
    train, (first, second, third) = folder / "ILSVRC/Data/CLS-LOC/train", images.train
    for k in range(5):
        (train / first / f"{first}_{9 + k}.JPEG").rename(train / (second, third)[k % 2] / f"{first}_{9 + k}.JPEG")
    (train / second / "ILSVRC2012_val_00000007.JPEG").write_bytes(drawing.jpeg())
    (train / third / "ILSVRC2012_val_00000009.JPEG").write_bytes(drawing.jpeg())
    table = folder / "LOC_val_solution.csv"
    rows = table.read_text().splitlines()
    rows[5] = f"ILSVRC2012_val_00000005,{first} 1 2 3 4"
    rows.insert(2, f"ILSVRC2012_val_00000040,{first} 1 2 3 4")  # it comes again, and is right then
    rows.append(f"ILSVRC2012_val_00000041,{first} 1 2 3 4")  # it was right before
    table.write_text("\n".join(rows) + "\n")
    return [
        f"LOC_val_solution.csv contradicts the official labels: 3 of 50,000 entries differ "
        f"(ILSVRC2012_val_00000005: '{first}'",
        f"{second}): 3 images lie in class {second} but their names say otherwise: ",
        f"{third}): 2 images lie in class {third} but their names say otherwise: ",
        f"{second}): 1 image of split 'train' has the name of an image of split 'val': ILSVRC2012_val_00000007.JPEG",
        f"{third}): 1 image of split 'train' has the name of an image of split 'val': ILSVRC2012_val_00000009.JPEG",
    ]


@pytest.mark.parametrize("form", ["folders", "zip", "tar", "tar.gz"])
def test_an_archive_is_searched_to_its_end(tmp_path, form):
    expected = _tree_of_conflicts(tmp_path / "tree")
    source = tmp_path / "tree"
    if form != "folders":
        source = tmp_path / f"imagenet.{form}"
        how = {"zip": forms.zipped, "tar": forms.packed, "tar.gz": forms.compressed}[form]
        how(tmp_path / "tree", source, *(["stored"] if form == "zip" else []))
    layout = find_layout([source])
    found = conflicts(layout)
    assert len(found) == 5
    assert all(any(text in line for line in found) for text in expected)
    with pytest.raises(
        (LabelError, SourceError), match=r"LOC_val_solution.csv contradicts|has the name of"
    ):  # the first
        index_images(layout)


def test_every_class_archive_inside_the_official_one_is_looked_at(tmp_path):
    images = drawing.miniature()
    first, second, third = images.train
    inner = [(f"{wnid}.tar", drawing.tar(own.items())) for wnid, own in images.train.items()]
    inner[1] = (f"{second}.tar", drawing.tar([(f"{third}/a.JPEG", b"x"), (f"{first}_1.JPEG", b"y")]))
    inner[2] = (f"{third}.tar", inner[2][1][:-2000])
    inner += [("n00004475.tar", b""), (f"{first}.tar", inner[0][1])]
    (tmp_path / "ILSVRC2012_img_train.tar").write_bytes(drawing.tar(inner))
    found = conflicts(find_layout([tmp_path], ["train"]))
    assert len(found) == 5
    assert "'n00004475' is not one of the 1000 classes" in found[0] and f"{first}.tar comes twice" in found[1]
    assert f"holds '{third}/a.JPEG'" in found[2] and f"{first}_1.JPEG of {first}" in found[3]
    assert f"inner archive {third}.tar" in found[4] and "cut short" in found[4]


def _rows(tmp_path: Path) -> Path:
    """Writes parquet files of which two rows have a wrong label, two no official name, and two the name of another."""
    source = forms.hugging_face(tmp_path, drawing.miniature(), how="pyarrow", row_group_size=3)
    path = source / "data/train-00000-of-00002.parquet"
    table = pyarrow.parquet.read_table(path)
    rows = table.to_pylist()
    for row in rows[:2]:
        row["label"] = 999
    rows[3]["image"]["path"] = "photo.JPEG"
    rows[4]["image"]["path"] = None
    other = pyarrow.parquet.read_table(source / "data/train-00001-of-00002.parquet").to_pylist()
    rows[5] = other[0]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows, table.schema), path, row_group_size=3)
    return source


def test_every_row_of_parquet_is_looked_at(tmp_path):
    found = conflicts(find_layout([_rows(tmp_path)]))
    assert len(found) == 5
    assert all("row group 0, row" in line and "has the label 999" in line for line in found[:2])
    assert "row group 1, row 0: photo.JPEG is no official file name" in found[2]
    assert "row group 1, row 1 has no file name" in found[3] and "comes twice" in found[4]


def test_every_sample_of_a_webdataset_is_looked_at(tmp_path):
    source = forms.webdataset(tmp_path, drawing.miniature())
    with tarfile.open(source / "imagenet1k-train-0000.tar") as archive:
        members = [(member.name, archive.extractfile(member).read()) for member in archive]
    changed = dict(members)
    keys = [name[:-5] for name in changed if name.endswith(".json")]
    for key in keys[:2]:
        changed[f"{key}.json"] = json.dumps({**json.loads(changed[f"{key}.json"]), "label": 7}).encode()
    changed[f"{keys[2]}.json"] = b"{"
    for key in keys[3:5]:
        changed[f"{key}.png"] = drawing.png()
    shuffled = sorted(changed.items(), key=lambda member: member[0].partition(".")[0])
    (source / "imagenet1k-train-0000.tar").write_bytes(drawing.tar(shuffled))
    (source / "imagenet1k-train-0001.tar").unlink()
    found = conflicts(find_layout([source]))
    assert len(found) == 5
    assert "1 shard of split 'train' is missing" in found[0] and "makes no sense" in found[1]
    assert all("the sample has 2 images" in line for line in found[2:4]) and "2 labels contradict" in found[4]


def test_every_record_is_looked_at(tmp_path):
    source = forms.tpu_records(tmp_path, drawing.miniature(), in_folders=False)
    path = source / "train-00001-of-00002"
    data = bytearray(path.read_bytes())
    spans = read_spans(path)
    for offset, _ in spans[2:4]:
        data[offset + 40] ^= 255
    path.write_bytes(data)
    found = conflicts(find_layout([source]))
    assert len(found) == 2
    assert "record 2" in found[0] and "record 3" in found[1] and "checksum" in found[0]
