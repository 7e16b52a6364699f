"""What can be wrong with the shards of each kind of TFRecords, and that damage never gives other images or labels."""

import json
import os
import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import drawing
import forms
import pytest

import ilsvrc_tfds
from ilsvrc_tfds.errors import ImageError, LabelError, SourceError
from ilsvrc_tfds.formats.tfrecord import frame, read_records
from ilsvrc_tfds.images import Untouched
from ilsvrc_tfds.shards.encoders import ClassicExample, TfdsExample
from ilsvrc_tfds.sources import Reader, find_layout, index_images
from ilsvrc_tfds.sources.record_fields import fields_of

Rows = list[tuple[bytes, bytes, int]]  # name, image, class index
# Name of each kind: records, label offset, and pattern of the train shards.
KINDS = {
    "imagenet2012": ("tfds", 0, "imagenet2012-train.tfrecord-0000{}-of-00002"),
    "imagenet2012-bare": ("tfds", 0, "imagenet2012-train.tfrecord-0000{}-of-00002"),
    "prepared": ("tfds", 0, "ilsvrc2012-train.tfrecord-0000{}-of-00002"),
    "prepared-bare": ("tfds", 0, "ilsvrc2012-train.tfrecord-0000{}-of-00002"),
    "exported": ("classic", 1, "train-0000{}-of-00002"),
    "tpu": ("classic", 1, "train-0000{}-of-00002"),
    "slim": ("classic", 0, "train-0000{}-of-00002"),
}


def encoded(kind: str, rows: Rows, offset: int) -> bytes:
    if KINDS[kind][0] == "tfds":
        examples = [TfdsExample(Untouched())(name, image, label + offset) for name, image, label in rows]
    else:
        encode = [ClassicExample(Untouched(), own % 2) for own in (offset, offset + 1)]
        # An offset of 2 is an offset of 1 and another class.
        examples = [encode[0](name, image, label + (offset > 1)) for name, image, label in rows]
    return b"".join(piece for example in examples for piece in frame(example))


def rows_of(kind: str, path: Path) -> Rows:
    records, offset, _ = KINDS[kind]
    found = [fields_of(record.payload, "", records, offset) for record in read_records(path)]
    return [(fields.name, fields.image.copy(), fields.label) for fields in found]


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A folder with one miniature as a set of each kind, of two train shards and one of val."""
    folder, images = tmp_path_factory.mktemp("made"), forms.consecutive()
    images = drawing.Images(images.train, images.val, {})
    archives = drawing.official_archives(folder / "archives", images)
    options = {"num_shards": {"train": 2, "val": 1}, **forms.PLAIN}
    prepared = ilsvrc_tfds.prepare(archives, folder / "data", **options).data_path
    shutil.copytree(prepared, folder / "prepared")
    shutil.copytree(prepared, folder / "prepared-bare")
    for described in ("manifest.json", "dataset_info.json"):
        (folder / "prepared-bare" / described).unlink()
    ilsvrc_tfds.export(archives, folder / "exported", **options)
    for kind in ("imagenet2012", "imagenet2012-bare", "tpu", "slim"):
        (folder / kind).mkdir()
        for path in Path(prepared).glob("*.tfrecord-*"):
            split = "train" if "train" in path.name else "validation"
            own = KINDS[kind][2].replace("train", split)
            own = own.format(path.name[-10]) if split == "train" else own.format(0).replace("-of-00002", "-of-00001")
            (folder / kind / own).write_bytes(encoded(kind, rows_of("prepared", path), KINDS[kind][1]))
    lengths = {"train": ["6", "6"], "validation": ["6"]}
    splits = [{"name": name, "shardLengths": own} for name, own in lengths.items()]
    info = {"name": "imagenet2012", "version": "5.1.0", "fileFormat": "tfrecord", "splits": splits}
    (folder / "imagenet2012/dataset_info.json").write_text(json.dumps(info))
    return folder


@pytest.fixture(params=KINDS)
def kind(request) -> str:
    return request.param


@pytest.fixture
def source(kind, made, tmp_path) -> Path:
    return Path(shutil.copytree(made / kind, tmp_path / kind))


def contents(source: Path) -> dict[str, dict[str, tuple[int, bytes]]]:
    index = index_images(find_layout([source]))
    with Reader() as reader:
        return {
            split: {
                name.decode(): (int(members.label[row]), reader.read(members, row))
                for row, name in enumerate(members.name.tolist())
            }
            for split, members in index.splits.items()
        }


def test_every_kind_has_the_images_of_the_archives(kind, source, made):
    assert contents(source) == contents(made / "archives")


def shard(kind: str, source: Path, number: int = 0) -> Path:
    return source / KINDS[kind][2].format(number)


def rewrite(kind: str, source: Path, change: Callable[[Rows], Rows], more: int = 0) -> None:
    """Writes the first train shard with other records, or other numbers of the classes."""
    path = shard(kind, source)
    path.write_bytes(encoded(kind, change(rows_of(kind, path)), KINDS[kind][1] + more))


# Name: what is done to the records of the first train shard, and the errors that tell it; the first one is the usual one.
FAULTS: dict[str, tuple[Callable[[Rows], Rows], int, str]] = {
    "one label more": (lambda rows: [(n, i, label + 1) for n, i, label in rows], 0, "mislabelled|the label [0-9]+(; expected| and the synset)"),
    "another offset": (lambda rows: rows, 1, "mislabelled|the label 0; expected 1 to 1000|the label [0-9]+ and the synset"),
    "one wrong label": (lambda rows: [*rows[:-1], (*rows[-1][:2], 7)], 0, "1 record is mislabelled: n[0-9_]+.JPEG has "),
    "no label": (lambda rows: [*rows[:-1], (*rows[-1][:2], -1)], 0, "1 record is mislabelled: n[0-9_]+.JPEG has label -1"),
    "name of another class": (
        lambda rows: [(b"n01443537_777.JPEG" if b"n01440764" in rows[0][0] else b"n01440764_777.JPEG", *rows[0][1:]), *rows[1:]],
        0, "1 record is mislabelled: n[0-9]+_777.JPEG has label|record 0, n[0-9]+_777.JPEG, has the label",
    ),
    "name of another split": (
        lambda rows: [(b"ILSVRC2012_val_00000293.JPEG", rows[0][1], 0), *rows[1:]],
        0, "1 of 6 records is not of the split train: ILSVRC2012_val_00000293.JPEG",
    ),
    "name twice": (lambda rows: [*rows[:-1], rows[0]], 0, "image of split 'train' comes twice|manifest.json says"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_wrong_records_are_named(fault, kind, source):
    change, more, message = FAULTS[fault]
    rewrite(kind, source, change, more)
    with pytest.raises((LabelError, SourceError), match=message) as caught:
        contents(source)
    assert isinstance(caught.value, LabelError) == any(word in str(caught.value) for word in ("label", "synset"))
    assert str(source) in str(caught.value) and "again" in str(caught.value)


def test_label_beyond_the_classes_is_named(kind, source):
    if KINDS[kind][0] == "classic":  # the encoder has no such class: a number of two bytes, 0x3E7 + 1 with the offset
        path = shard(kind, source)
        payload = next(read_records(path)).payload
        label = rows_of(kind, path)[0][2] + KINDS[kind][1]
        before = b"image/class/label" + bytes((0x12, 5, 0x1A, 3, 0x0A, 1, label))
        assert before in payload
        path.write_bytes(b"".join(frame([payload.replace(before, before[:-1] + b"\x7f")])))
    else:
        rewrite(kind, source, lambda rows: [(rows[0][0], rows[0][1], 1000), *rows[1:]])
    with pytest.raises(
        (LabelError, SourceError), match=f"{shard(kind, source)}.* label (1000; expected 0 to 999|12[67])"
    ):
        contents(source)


@pytest.mark.parametrize("number", [0, 1])
def test_missing_shard_is_named(number, kind, source):
    shard(kind, source, number).unlink()
    with pytest.raises(
        SourceError, match=f"1 shard of split 'train' is missing: {shard(kind, source, number)}. .*again"
    ):
        contents(source)


def test_shard_that_is_there_twice_is_named(kind, source):
    shutil.copy(shard(kind, source, 0), shard(kind, source, 1))
    with pytest.raises(SourceError, match=f"{shard(kind, source, 1)}.*") as caught:
        contents(source)
    assert any(words in str(caught.value) for words in ("come twice", "manifest.json says"))


@pytest.mark.parametrize("cut", ["in a record", "between records", "everything"])
def test_truncated_shard_is_named(cut, kind, source):
    path = shard(kind, source)
    last = [record.offset for record in read_records(path)][-1]
    os.truncate(path, {"in a record": last + 100, "between records": last, "everything": 0}[cut])
    if cut == "between records" and kind in ("imagenet2012-bare", "prepared-bare", "tpu", "slim"):
        assert len(contents(source)["train"]) == 11  # nothing states how many there are; `prepare` counts them
        return
    message = "the file ends inside its data" if cut == "in a record" else "has (5 records|no records|0 records)"
    with pytest.raises(SourceError, match=f"{path}.* {message}.*again"):
        contents(source)


@pytest.mark.parametrize(
    "position, message", [(0, "length"), (9, "checksum of its length"), (200, "its data"), (-1, "data")]
)
def test_damaged_checksum_is_named(position, message, kind, source):
    path = shard(kind, source, 1)
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(data)
    with pytest.raises(SourceError, match=f"{path}: record [0-9]+, byte [0-9,]+: .*{message}.*again"):
        contents(source)


# Damage at random.


def damaged(data: bytes, rng: random.Random) -> bytes:
    """Returns bytes with one stretch lost, changed, doubled, zeroed or put in."""
    start = rng.randrange(len(data))
    stop = min(len(data), start + rng.choice([1, 2, 12, 100, 512, 1024, len(data)]))
    piece = data[start:stop]
    put = {
        "lost": b"", "doubled": piece + piece, "zeros": bytes(len(piece)), "random": rng.randbytes(len(piece)),
        "bit": bytes([piece[0] ^ 1 << rng.randrange(8)]) + piece[1:], "in": rng.randbytes(7) + piece,
    }  # fmt: skip
    return data[:start] + put[rng.choice(sorted(put))] + data[stop:]


def test_damaged_shard_is_read_as_it_was_or_refused(kind, source, made):
    rng, whole = random.Random(kind), contents(made / kind)
    path = shard(kind, source, rng.randrange(2))
    data, refused, start = path.read_bytes(), 0, time.process_time()
    for _ in range(60):
        path.write_bytes(damaged(data, rng))
        try:
            found = contents(source)
        except (SourceError, LabelError, ImageError) as error:
            refused += 1
            assert str(error).isprintable() and len(str(error)) < 2000
            continue
        stated = kind in ("imagenet2012", "prepared", "exported")
        # Where no lengths are stated, a shard may be cut between two records.
        assert found == whole if stated else found["train"].items() <= whole["train"].items()
    assert refused > 40 and time.process_time() - start < 30


@pytest.mark.parametrize("like_timm", [True, False])
def test_damaged_webdataset_has_the_same_names_and_labels_or_is_refused(like_timm, tmp_path):
    source = forms.webdataset(tmp_path, forms.consecutive(), like_timm=like_timm)
    rng, whole = random.Random(like_timm), contents(source)
    path = sorted(source.rglob("*.tar"))[0]
    data, refused, start = path.read_bytes(), 0, time.process_time()
    for _ in range(150):
        path.write_bytes(damaged(data, rng))
        try:
            found = contents(source)
        except (SourceError, LabelError, ImageError) as error:
            refused += 1
            assert str(error).isprintable() and len(str(error)) < 2000
            continue
        for split, images in whole.items():  # a tar has no checksums of its images
            assert {name: (label, len(image)) for name, (label, image) in found[split].items()} == {
                name: (label, len(image)) for name, (label, image) in images.items()
            }
    assert refused > 40 and time.process_time() - start < 30
