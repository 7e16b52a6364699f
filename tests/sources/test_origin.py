"""What a set of ours records of its images is handed on to what is made of it."""

import json
from pathlib import Path

import drawing
import forms
import pytest

import ilsvrc_tfds
from ilsvrc_tfds.errors import SourceError
from ilsvrc_tfds.formats import json_values, manifest
from ilsvrc_tfds.images import Original, Resized
from ilsvrc_tfds.shards.encoders import TfdsExample
from ilsvrc_tfds.shards.plan import plan_split
from ilsvrc_tfds.shards.writer import ShardTask, finish_shard

# A PNG and a CMYK JPEG by their official names, and a CMYK JPEG that the archives do not have.
KNOWN, KNOWN_VAL, OTHER = "n02105855_2933.JPEG", "ILSVRC2012_val_00019877.JPEG", "n02105855_7.JPEG"
CONVERTED = {"train": [KNOWN, OTHER], "val": [KNOWN_VAL]}


def provenance(builder) -> dict:
    return json.loads((builder.data_path / "metadata.json").read_text())


@pytest.fixture(scope="module")
def archives(tmp_path_factory) -> Path:
    plain, odd = drawing.jpeg(300, 280), drawing.jpeg(300, 270, mode="CMYK")
    train = {"n02105855": {KNOWN: drawing.png(300, 280), "n02105855_1.JPEG": plain, OTHER: odd}}
    val = {KNOWN_VAL: odd, "ILSVRC2012_val_00000001.JPEG": plain}
    return drawing.official_archives(tmp_path_factory.mktemp("archives"), drawing.Images(train, val, {}))


def test_converted_images_are_recorded_and_handed_on(archives, tmp_path):
    first = ilsvrc_tfds.prepare(archives, tmp_path / "first", **forms.PLAIN)
    assert provenance(first)["converted_images"] == CONVERTED and "repaired_images" not in provenance(first)
    expected = ilsvrc_tfds.prepare(archives, tmp_path / "expected", config="raw256", **forms.PLAIN)
    assert not {"repaired_images", "converted_images"} & provenance(expected).keys()
    ours, exported = first.data_path, ilsvrc_tfds.export(archives, tmp_path / "exported", **forms.PLAIN)
    for source in (ours, exported):
        made = ilsvrc_tfds.prepare(source, tmp_path / f"of_{source.name}", config="raw256", **forms.PLAIN)
        again = ilsvrc_tfds.prepare(made.data_path, tmp_path / f"again_{source.name}", config="raw256", **forms.PLAIN)
        for builder in (made, again):
            assert provenance(builder)["repaired_images"] == CONVERTED
            assert "converted_images" not in provenance(builder)
        for split, names in CONVERTED.items():
            same, other = (images_of(builder.data_path, split) for builder in (expected, made))
            assert {name for name in same if same[name] != other[name]} <= set(names)


def test_converted_images_are_in_the_manifest_of_an_export(archives, tmp_path):
    exports = {
        "direct": (archives, {}),
        "of_export": (tmp_path / "direct", {"label_offset": 0}),
        "val": (tmp_path / "direct", {"splits": ["val"]}),
        "of_prepared": (ilsvrc_tfds.prepare(archives, tmp_path / "set", **forms.PLAIN).data_path, {}),
        "raw256": (tmp_path / "of_prepared", {"config": "raw256"}),
        "of_raw256": (tmp_path / "raw256", {}),
    }
    for name, (source, options) in exports.items():
        described = manifest.read(ilsvrc_tfds.export(source, tmp_path / name, **options, **forms.PLAIN))
        only = {split: CONVERTED[split] for split in options.get("splits", CONVERTED)}
        assert described.repaired_images == only, name
    resized = manifest.read(ilsvrc_tfds.export(archives, tmp_path / "other", config="raw256", **forms.PLAIN))
    assert not resized.repaired_images
    assert "repaired_images" not in (tmp_path / "other/manifest.json").read_text()


def test_set_that_does_not_record_them_has_the_official_ones_looked_at(archives, tmp_path):
    ours = ilsvrc_tfds.prepare(archives, tmp_path / "ours", **forms.PLAIN).data_path
    recorded = json.loads((ours / "metadata.json").read_text())
    del recorded["converted_images"]  # as version 1 wrote it
    (ours / "metadata.json").write_text(json.dumps(recorded))
    index = ilsvrc_tfds.sources.index_images(ilsvrc_tfds.sources.find_layout([ours]))
    assert index.repaired == {"train": (KNOWN,), "val": (KNOWN_VAL,)}
    assert [note for note in index.notes if note.startswith("train: 1 image has other bytes than in the archives")]


@pytest.mark.parametrize("value", [{"train": "name"}, {"other": []}, {"val": [1]}, [], {"val": ["\u00e9"]}])
def test_names_that_make_no_sense_are_not_handed_on(value, archives, tmp_path):
    ours = ilsvrc_tfds.prepare(archives, tmp_path / "ours", splits=["val"], **forms.PLAIN).data_path
    recorded = json.loads((ours / "metadata.json").read_text())
    (ours / "metadata.json").write_text(json.dumps({**recorded, "converted_images": value}))
    assert list(images_of(ours, "val")) and not json_values.is_names(value)
    described = json.loads((ours / "manifest.json").read_text())
    (ours / "manifest.json").write_text(json.dumps({**described, "repaired_images": value}))
    with pytest.raises(SourceError, match="repaired_images cannot be"):
        images_of(ours, "val")


def test_names_of_converted_images_are_kept_when_a_run_is_resumed(archives, tmp_path):
    index = ilsvrc_tfds.sources.index_images(ilsvrc_tfds.sources.find_layout([archives]))
    shard = next(plan_split(index.splits["val"], num_shards=1).shards())
    for file_format in ("tfrecord", "array_record"):
        task = ShardTask(shard, str(tmp_path / file_format), TfdsExample(Original()), file_format)
        written, found = finish_shard(task), finish_shard(task)
        assert written == found and found.converted == [KNOWN_VAL] and found.changed == 1
    resized = finish_shard(ShardTask(shard, str(tmp_path / "resized"), TfdsExample(Resized(32))))
    assert (resized.converted, resized.changed) == ([], 2)


def images_of(folder: Path, split: str) -> dict[str, bytes]:
    index = ilsvrc_tfds.sources.index_images(ilsvrc_tfds.sources.find_layout([folder]))
    members = index.splits[split]
    with ilsvrc_tfds.sources.Reader() as reader:
        return {name.decode(): reader.read(members, row) for row, name in enumerate(members.name.tolist())}


def test_skipped_images_are_handed_on(tmp_path):
    images = drawing.miniature()
    wnid = next(iter(images.train))
    damaged = next(iter(images.train[wnid]))
    images.train[wnid][damaged] = b"no image"
    archives = drawing.official_archives(tmp_path / "archives", images)
    first = ilsvrc_tfds.prepare(archives, tmp_path / "first", on_error="skip", **forms.PLAIN)
    reason = provenance(first)["skipped_images"]
    assert list(reason["train"]) == [damaged]
    second = ilsvrc_tfds.prepare(first.data_path, tmp_path / "second", config="raw256", **forms.PLAIN)
    assert provenance(second)["skipped_images"] == reason and provenance(second)["complete"] is False
    assert manifest.read(second.data_path).skipped == reason
    exported = ilsvrc_tfds.export(archives, tmp_path / "exported", on_error="skip", **forms.PLAIN)
    again = ilsvrc_tfds.export(exported, tmp_path / "again", **forms.PLAIN)
    assert manifest.read(again).skipped == manifest.read(exported).skipped == reason


def test_shard_of_another_config_in_a_set_that_nothing_describes_is_named(tmp_path):
    train = {"n01440764": {f"n01440764_{k}.JPEG": drawing.jpeg(60 + k, 41 + k) for k in range(44)}}
    val = {"ILSVRC2012_val_00000293.JPEG": drawing.jpeg()}
    archives = drawing.official_archives(tmp_path / "archives", drawing.Images(train, val, {}))
    options = {"num_shards": {"train": 2}, **forms.PLAIN}
    small = ilsvrc_tfds.Ilsvrc2012Config(name="raw32", shorter_side=32)
    for make, ops in (
        (ilsvrc_tfds.prepare, ("classification", small)),
        (ilsvrc_tfds.export, (Original(), Resized(32))),
    ):
        made = [make(archives, tmp_path / f"{make.__name__}{k}", config=op, **options) for k, op in enumerate(ops)]
        folders = [Path(getattr(own, "data_path", own)) for own in made]
        [name, _] = sorted(path.name for path in folders[0].glob("*train*"))
        for folder in folders:
            for described in ("manifest.json", "dataset_info.json"):
                (folder / described).unlink(missing_ok=True)
        first, second = (folder / name for folder in folders)
        if make is ilsvrc_tfds.prepare:
            assert [len(images_of(folder, "train")) for folder in folders] == [44, 44]
        kept, other = first.read_bytes(), second.read_bytes()
        first.write_bytes(other)
        with pytest.raises(
            SourceError, match=f"{first}: 2. of 2. images of train .* side 32; expected several, as orig"
        ):
            images_of(folders[0], "train")
        if make is ilsvrc_tfds.prepare:
            second.write_bytes(kept)
            with pytest.raises(
                SourceError, match=f"{second}: [0-9]+ of 2. images of train .*; expected only 32. Nothing"
            ):
                images_of(folders[1], "train")


def test_resized_images_without_a_manifest_are_refused(tmp_path):
    sizes = [(60 + k, 40 + k) for k in range(24)]
    train = {"n01440764": {f"n01440764_{k}.JPEG": drawing.jpeg(*size) for k, size in enumerate(sizes)}}
    val = {"ILSVRC2012_val_00000001.JPEG": drawing.jpeg()}
    archives = drawing.official_archives(tmp_path / "archives", drawing.Images(train, val, {}))
    small = Resized(32)
    for name, op in (("original", "classification"), ("resized", small)):
        exported = ilsvrc_tfds.export(archives, tmp_path / name, config=op, **forms.PLAIN)
        (exported / "manifest.json").unlink()
    assert len(images_of(tmp_path / "original", "train")) == 24
    with pytest.raises(
        SourceError, match="resized .manifest.json is missing., and 24 of 24 images of train have the short"
    ):
        images_of(tmp_path / "resized", "train")
