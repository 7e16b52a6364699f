"""Evaluation sets as TensorFlow Datasets prepares them: by its own builders, from archives that are drawn here."""

import dataclasses
import json

import drawing
import forms
import numpy as np
import pytest
import tensorflow_datasets as tfds

import ilsvrc_tfds
from ilsvrc_tfds import pipeline, synsets
from ilsvrc_tfds.errors import IncompleteError, LabelError, OptionError, SourceError
from ilsvrc_tfds.pipeline import find_set

WNIDS = synsets.wnids()


@pytest.fixture
def built(tmp_path, monkeypatch):
    """Returns a function that has TFDS prepare a set from a folder (or file) in place of what it would download."""

    def build(name, source, **patched):
        manager = tfds.download.DownloadManager
        monkeypatch.setattr(manager, "download_and_extract", lambda self, url: str(source))
        monkeypatch.setattr(manager, "download", lambda self, url: source if isinstance(url, str) else url)
        builder = tfds.builder(name, data_dir=tmp_path / "data")
        for method, function in patched.items():
            monkeypatch.setattr(type(builder), method, function)
        options = tfds.download.DownloadConfig(manual_dir=tmp_path / "source")
        builder.download_and_prepare(download_config=options)
        return builder.data_path

    return build


def labels_of(path, **options):
    batches = ilsvrc_tfds.evaluation_set(path, batch_size=3, allow_incomplete=True, **options)
    return sorted(int(label) for _, labels in batches for label in labels)


def test_v2_is_read_as_tfds_wrote_it(built, tmp_path):
    v2 = {str(index): {f"{k}.jpeg": drawing.jpeg(seed=k) for k in range(2)} for index in (2, 10, 100)}
    drawing.evaluation_folders(tmp_path / "v2/imagenetv2-matched-frequency-format-val", v2)
    folder = built("imagenet_v2/matched-frequency", tmp_path / "v2")
    found = find_set(folder, allow_incomplete=True)
    assert (found.title, found.num_examples) == ("ImageNet-V2 (matched-frequency)", 6)
    assert labels_of(folder) == labels_of(folder.parent) == labels_of(folder.parents[1]) == [2, 2, 10, 10, 100, 100]
    for name in ("imagenet_v2", "imagenet_v2/matched-frequency", "imagenet_v2/matched-frequency:3.0.0"):
        assert labels_of(name, data_dir=tmp_path / "data") == [2, 2, 10, 10, 100, 100]


def test_real_has_the_lists_of_its_records(built, tmp_path):
    lists = [[] for _ in range(50_000)]
    names = {f"ILSVRC2012_val_{number:08d}.JPEG": drawing.jpeg(seed=number) for number in (1, 2, 3)}
    lists[0], lists[2] = [7], [0, 999]
    (tmp_path / "real.json").write_text(json.dumps(lists))
    (tmp_path / "source").mkdir()
    (tmp_path / "source/ILSVRC2012_img_val.tar").write_bytes(drawing.tar(names.items()))
    folder = built("imagenet2012_real", tmp_path / "real.json")
    with pytest.raises(IncompleteError, match="ImageNet-ReaL in .* is not complete: it has 3 images, expected 50,000"):
        find_set(folder)
    (batch,) = ilsvrc_tfds.evaluation_set(folder, batch_size=4, allow_incomplete=True)
    images, labels, weights = (part.numpy() for part in batch)
    assert images.shape == (4, 224, 224, 3) and labels.dtype == weights.dtype == np.float32
    assert sorted(tuple(np.flatnonzero(row)) for row in labels[weights > 0]) == [(0, 999), (7,)]
    assert weights.sum() == 2 and not labels[weights == 0].any()


def test_real_finds_its_lists_by_the_names_in_exported_records(images, tmp_path):
    """Over several hosts too, whose batches all have weights. A number that no image has is an error, also 0."""
    lists = [[number % 1000] for number in range(50_000)]
    (tmp_path / "real.json").write_text(json.dumps(lists))
    numbers = [synsets.validation_number(name.encode()) for name in images.val]
    seen = []
    for host in range(2):
        options = {"data": forms.tpu_records(tmp_path / "set", images, in_folders=False), "allow_incomplete": True}
        for _, labels, weights in ilsvrc_tfds.evaluation_set(tmp_path, batch_size=2, shard=(host, 2), **options):
            seen += np.argmax(labels, axis=1)[weights.numpy() > 0].tolist()
    assert sorted(seen) == sorted((number - 1) % 1000 for number in numbers)
    strange = dataclasses.replace(images, val={"ILSVRC2012_val_00000000.JPEG": drawing.jpeg()})
    data = forms.tpu_records(tmp_path / "strange", strange, in_folders=False)
    with pytest.raises(SourceError, match=r"record 0 \(ILSVRC2012_val_00000000.JPEG\)"):
        with pipeline.source_errors(data):
            next(iter(ilsvrc_tfds.evaluation_set(tmp_path, batch_size=2, data=data, allow_incomplete=True)))
    with pytest.raises(OptionError, match="its batches have weights: leave out pad=False"):
        ilsvrc_tfds.evaluation_set(tmp_path, batch_size=2, data=data, pad=False, allow_incomplete=True)


def test_corrupted_configs_are_the_parts(built, tmp_path):
    example = {"image": np.zeros((224, 224, 3), np.uint8), "label": 7, "file_name": "a.JPEG"}
    (tmp_path / "source").mkdir()
    for archive in ("ILSVRC2012_img_val.tar", "ILSVRC2012_img_train.tar"):
        (tmp_path / "source" / archive).write_bytes(drawing.tar([]))
    for name in ("saturate_2", "fog_3"):
        built(f"imagenet2012_corrupted/{name}", tmp_path, _generate_examples=lambda self, **_: iter([("a", example)]))
    found = find_set(tmp_path / "data/imagenet2012_corrupted", allow_incomplete=True)
    assert [part.name for part in found.parts] == ["fog/3", "saturate/2"] and found.kind == "c"
    assert labels_of("imagenet2012_corrupted", data_dir=tmp_path / "data", part="fog/3") == [7]


def test_prepared_sets_with_faults_are_refused(built, tmp_path):
    drawing.few_of_imagenet_a(tmp_path / "source/imagenet-a")
    folder = built("imagenet_a", tmp_path / "source")
    assert labels_of(folder) == [6, 6, 11, 11, 13, 13]
    info = json.loads((folder / "dataset_info.json").read_text())
    for change, error, message in (
        ({"fileFormat": "array_record"}, SourceError, "is in the format array_record; expected tfrecord"),
        ({"splits": []}, SourceError, "does not describe one split"),
        ({"name": "mnist"}, SourceError, "holds no evaluation set"),
    ):
        (folder / "dataset_info.json").write_text(json.dumps({**info, **change}))
        with pytest.raises(error, match=message):
            find_set(folder)
    (folder / "dataset_info.json").write_text(json.dumps(info))
    (folder / "label.labels.txt").write_text("\n".join(sorted(WNIDS, reverse=True)))
    with pytest.raises(LabelError, match="labels are not the 1000 wnids in sorted order"):
        find_set(folder)
    (folder / "label.labels.txt").unlink()
    next(folder.glob("*.tfrecord-*")).unlink()
    with pytest.raises(SourceError, match="cannot be read: No such file"):
        find_set(folder)


def test_damaged_record_is_named(built, tmp_path):
    drawing.few_of_imagenet_a(tmp_path / "source/imagenet-a")
    (tmp_path / "source/imagenet-a" / WNIDS[11] / "0.1_11.jpg").write_bytes(drawing.jpeg(400, 300)[:3000])
    folder = built("imagenet_a", tmp_path / "source")
    with pytest.raises(SourceError, match=r"record \d \(0\.1_11\.jpg\): its image cannot be decoded"):
        with pipeline.source_errors(folder):
            labels_of(folder)


def test_batches_are_like_those_of_for_evaluation(tmp_path):
    """Equal shapes, dtypes, padding and weights; hosts together read each image once."""
    a = drawing.few_of_imagenet_a(tmp_path / "imagenet-a")
    options = {"batch_size": 4, "allow_incomplete": True}
    whole = ilsvrc_tfds.evaluation_set(a, **options)
    assert [part.shape[0] for part, _ in whole] == [4, 2] and int(whole.cardinality()) == 2
    assert [spec.dtype.name for spec in whole.element_spec] == ["uint8", "int64"]
    padded = ilsvrc_tfds.evaluation_set(a, **options, pad=True)
    assert [spec.shape.as_list() for spec in padded.element_spec] == [[4, 224, 224, 3], [4], [4]]
    seen = []
    for host in range(4):
        batches = [*ilsvrc_tfds.evaluation_set(a, **options, shard=(host, 4)).as_numpy_iterator()]
        assert len(batches) == 1
        seen += batches[0][1][batches[0][2] > 0].tolist()
    assert sorted(seen) == [6, 6, 11, 11, 13, 13]
    with pytest.raises(OptionError, match="batch_size must be at least 1, got 0"):
        ilsvrc_tfds.evaluation_set(a, batch_size=0, allow_incomplete=True)
