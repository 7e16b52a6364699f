"""`prepare` where the data set is there: it has to be whole, and to have what can be had."""

import json
import os
import re
from pathlib import Path

import drawing
import pytest

import ilsvrc_tfds
from ilsvrc_tfds.errors import DestinationError, SourceError
from ilsvrc_tfds.formats import manifest

TRAIN, VAL = "ilsvrc2012-train.tfrecord-00001-of-00003", "ilsvrc2012-val.tfrecord-00000-of-00001"
SHARDS = {"train": 3, "val": 1}

LOSSES = {
    "a shard": (lambda folder: (folder / TRAIN).unlink(), f"{TRAIN} is missing"),
    "all bytes": (lambda folder: os.truncate(folder / VAL, 0), rf"{VAL} has 0 bytes, manifest.json says [\d,]+"),
    "the last byte": (
        lambda folder: os.truncate(folder / TRAIN, os.path.getsize(folder / TRAIN) - 1),
        f"{TRAIN} has [0-9,]+ bytes, manifest.json says",
    ),
    "the metadata": (lambda folder: (folder / "metadata.h5").unlink(), "metadata.h5 is missing"),
    "all bytes, and no manifest": (
        lambda folder: (os.truncate(folder / VAL, 0), (folder / "manifest.json").unlink()),
        f"{VAL} is empty",
    ),
}


@pytest.mark.parametrize("lose, message", LOSSES.values(), ids=LOSSES)
def test_set_that_is_not_whole_is_not_prepared_already(lose, message, prepare):
    folder = Path(prepare(num_shards=SHARDS).data_dir)
    lose(folder)
    with pytest.raises(DestinationError, match=f"is not whole: {message}.* Make it again with --overwrite"):
        prepare(num_shards=SHARDS)
    prepare(num_shards=SHARDS, overwrite=True)
    assert not ilsvrc_tfds.verify(folder, workers=1).problems
    prepare(num_shards=SHARDS)


NONSENSE = [
    {"skipped_images": None},
    {"skipped_images": []},
    {"skipped_images": {"train": None}},
    {"skipped_images": {"train": {"a.JPEG": 1}}},
    {"missing": None},
    {"missing": ["train"]},
    {"missing": {"train": None}},
    {"max_examples_per_split": "many"},
]


def test_provenance_of_the_wrong_kind_is_a_source_error(prepare):
    path = Path(prepare().data_dir, "metadata.json")
    stated = json.loads(path.read_text())
    for values in NONSENSE:
        path.write_text(json.dumps({**stated, **values}))
        name = next(iter(values))
        with pytest.raises(SourceError, match=f"metadata.json makes no sense .*{name} cannot be"):
            prepare()
    path.write_text(
        json.dumps({name: value for name, value in stated.items() if name not in ("missing", "skipped_images")})
    )
    prepare()  # an older version's
    path.write_text("[]")
    with pytest.raises(DestinationError, match="made without images, not with "):
        prepare()
    assert prepare(overwrite=True).info.metadata["skipped_images"] == {}


@pytest.fixture
def damaged(images, tmp_path):
    """A source with a damaged image in each of two splits, and their names."""
    names = [f"{drawing.WNIDS[1]}_9.JPEG", next(iter(images.val))]
    train = {**images.train, drawing.WNIDS[1]: dict(images.train[drawing.WNIDS[1]])}
    broken = drawing.Images(train, dict(images.val), {})
    for own, name in zip((broken.train[drawing.WNIDS[1]], broken.val), names):
        own[name] = bytes(len(own[name]))
    return drawing.official_archives(tmp_path / "damaged", broken), names


@pytest.mark.parametrize("config", ["classification", "raw256"])
def test_image_that_was_skipped_and_is_sound_now_is_seen(config, prepare, images, damaged, tmp_path):
    source, names = damaged
    options = {"source": source, "on_error": "skip", "config": config}
    made = prepare(**options).info.splits
    assert (made["train"].num_examples, made["val"].num_examples) == (11, 5)
    prepare(**options)  # still damaged
    drawing.official_archives(source, images)
    with pytest.raises(
        DestinationError, match=f"damaged then and are sound now in .*: {re.escape(', '.join(names))}. Replace"
    ):
        prepare(**options)
    assert prepare(**options, overwrite=True).info.splits["val"].num_examples == 6


def test_export_hands_on_what_was_skipped_when_its_source_was_prepared(prepare, damaged, tmp_path):
    source, names = damaged
    prepared = prepare(source=source, on_error="skip").data_dir
    options = {"workers": 1, "allow_incomplete": True}
    out = ilsvrc_tfds.export(prepared, tmp_path / "out", **options)
    assert manifest.read(out).skipped == manifest.read(prepared).skipped
    assert [*manifest.read(out).skipped["train"], *manifest.read(out).skipped["val"]] == names
    val = ilsvrc_tfds.export(prepared, tmp_path / "val", splits=["val"], **options)
    assert list(manifest.read(val).skipped) == ["val"]
    facts = ilsvrc_tfds.verify(out, workers=1).facts
    assert any(line.startswith("val: 1 damaged image was skipped when it was made") for line in facts)
