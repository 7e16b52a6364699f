import json
import os
import pickle
import subprocess
import sys
import tempfile
from pathlib import Path

import drawing
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

import ilsvrc_tfds
from ilsvrc_tfds import Ilsvrc2012, Ilsvrc2012Config, synsets
from ilsvrc_tfds.errors import IncompleteError, OptionError, SourceError
from ilsvrc_tfds.runners import LocalRunner
from ilsvrc_tfds.sources import scan

pytestmark = pytest.mark.slow


class Ilsvrc2012Test(tfds.testing.DatasetBuilderTestCase):
    """TFDS's own test of a builder, for both configs."""

    DATASET_CLASS = Ilsvrc2012
    SPLITS = {"train": 12, "val": 6}

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.EXAMPLE_DIR = drawing.official_archives(Path(folder.name), drawing.miniature())
        super().setUpClass()

    def _make_builder(self, config=None):
        return Ilsvrc2012(data_dir=self.tmp_dir, config=config, workers=1, allow_incomplete=True)


def test_load_after_prepare_gives_every_image_its_label(prepare, images, tmp_path):
    prepare(config="raw256")
    for split in ("train", "val"):
        data = tfds.as_numpy(tfds.load("ilsvrc2012/raw256", split=split, data_dir=tmp_path / "data"))
        examples = list(data)
        assert {e["file_name"].decode(): e["label"] for e in examples} == images.labels(split)
        assert all(min(e["image"].shape[:2]) == 256 for e in examples)


def test_load_prepares_from_manual_dir(archives, tmp_path):
    config = tfds.download.DownloadConfig(manual_dir=archives, num_shards=2, max_examples_per_split=5)
    data, info = tfds.load(
        "ilsvrc2012",
        data_dir=tmp_path / "data",
        with_info=True,
        builder_kwargs={"allow_incomplete": True, "workers": 1},
        download_and_prepare_kwargs={"download_config": config},
    )
    assert info.splits["train"].shard_lengths == [2, 3]  # round(5 / 2) is 2
    assert info.splits["val"].num_examples == len(list(data["val"])) == 5
    assert info.metadata["max_examples_per_split"] == 5 and not info.metadata["complete"]


@pytest.mark.parametrize("place", ["downloads/manual", "downloads/manual/ilsvrc2012", "ilsvrc2012"])
def test_source_is_found_below_the_data_dir(place, images, tmp_path):
    drawing.official_archives(tmp_path / place, images)
    builder = Ilsvrc2012(data_dir=tmp_path, workers=1, allow_incomplete=True)
    builder.download_and_prepare()
    assert builder.info.splits["train"].num_examples == 12


def test_source_is_found_by_the_environment_variable(archives, tmp_path, monkeypatch):
    monkeypatch.setenv("ILSVRC2012_DIR", str(archives))
    monkeypatch.setenv("ILSVRC2012_ALLOW_INCOMPLETE", "1")
    builder = tfds.builder("ilsvrc2012/raw256", data_dir=tmp_path / "data")
    builder.download_and_prepare()
    assert builder.info.splits["val"].num_examples == 6


def test_missing_source_names_every_place(tmp_path):
    with pytest.raises(SourceError, match=f"(?s){tmp_path}/downloads/manual: .*{tmp_path}/ilsvrc2012: "):
        Ilsvrc2012(data_dir=tmp_path).download_and_prepare()


def test_missing_source_leaves_nothing(tmp_path, prepare):
    with pytest.raises(SourceError, match="does not exist"):
        prepare(source=tmp_path / "nowhere")
    assert not (tmp_path / "data").exists()


def test_incomplete_source_is_refused(prepare, tmp_path):
    with pytest.raises(IncompleteError, match="train: 12 of 1,281,167 images, 997 classes missing"):
        prepare(allow_incomplete=None)
    assert not (tmp_path / "data").exists()


def test_incomplete_source_is_recorded_where_allowed(prepare):
    metadata = json.loads((prepare().data_path / "metadata.json").read_text())
    assert metadata["missing"]["val"] == "6 of 50,000 images, 997 classes missing"
    assert metadata["changed_images"] == {"train": 2, "val": 0}  # a CMYK JPEG and a PNG
    assert metadata["source_layout"] == "archives" and not metadata["complete"]
    assert set(metadata["codecs"]) == {"simplejpeg", "cykooz-resizer", "pillow"}


def test_environment_variable_that_leads_nowhere_is_an_error(archives, tmp_path, monkeypatch):
    archives.rename(tmp_path / "ilsvrc2012")  # another place that is looked into if the variable is not set
    monkeypatch.setenv("ILSVRC2012_DIR", str(tmp_path / "nowhere"))
    with pytest.raises(SourceError, match="nowhere: does not exist"):
        Ilsvrc2012(data_dir=tmp_path).download_and_prepare()


@pytest.mark.parametrize("options", [{"beam_options": "PipelineOptions"}, {"beam_runner": "FnApiRunner"}], ids=str)
def test_beam_of_the_download_config_writes_the_shards(options, archives, tmp_path, monkeypatch):
    pipeline_options = pytest.importorskip("apache_beam.options.pipeline_options")
    if "beam_options" in options:
        options = {"beam_options": pipeline_options.PipelineOptions(["--direct_running_mode=in_memory"])}
    config = tfds.download.DownloadConfig(manual_dir=archives, **options)
    monkeypatch.setattr(LocalRunner, "run", _only_the_index(LocalRunner.run))
    builder = Ilsvrc2012(data_dir=tmp_path / "data", workers=1, allow_incomplete=True)
    builder.download_and_prepare(download_config=config)
    assert builder.info.splits["train"].num_examples == 12


def _only_the_index(run):
    """Returns a `run` that does what the local runner does, but for shards."""

    def run_scans(self, function, jobs, shared=None):
        assert function is scan.scan
        return run(self, function, jobs)

    return run_scans


def test_beam_and_another_runner_contradict_each_other(archives, tmp_path):
    config = tfds.download.DownloadConfig(manual_dir=archives, beam_runner="FnApiRunner")
    with pytest.raises(OptionError, match="beam_runner and beam_options of the DownloadConfig contradict `runner`"):
        Ilsvrc2012(data_dir=tmp_path, runner=LocalRunner(1)).download_and_prepare(download_config=config)


@pytest.mark.parametrize("values", [{"shorter_side": 0}, {"shorter_side": 256, "quality": 101}])
def test_config_with_impossible_values_is_refused(values):
    with pytest.raises(OptionError, match=list(values)[-1]):
        Ilsvrc2012Config(name="own", **values)


def test_update_of_the_info_leaves_the_shards(prepare):
    builder = prepare()
    before = {path: path.stat().st_mtime_ns for path in Path(builder.data_dir).glob("*-of-*")}
    config = tfds.download.DownloadConfig(download_mode=tfds.GenerateMode.UPDATE_DATASET_INFO)
    builder.download_and_prepare(download_config=config)
    assert before and {path: path.stat().st_mtime_ns for path in before} == before


@pytest.mark.parametrize("file_format, package", [("parquet", "pyarrow")])
def test_other_formats_read_back(file_format, package, prepare, images):
    pytest.importorskip(package)
    examples = tfds.as_numpy(prepare(file_format=file_format, workers=2).as_dataset(split="train"))
    assert {example["file_name"].decode(): example["label"] for example in examples} == images.labels("train")


@pytest.mark.parametrize(
    "beam_options", ["", "runner=FnApiRunner,direct_running_mode=multi_processing,direct_num_workers=2"]
)
def test_tfds_build_prepares(beam_options, archives, tmp_path):
    for package in ("apache_beam", "mlcroissant"):
        pytest.importorskip(package)
    command = (
        f"build ilsvrc2012 --imports=ilsvrc_tfds --manual_dir={archives} --data_dir={tmp_path}/data --config=raw256"
    )
    command += f" --beam_pipeline_options={beam_options}" if beam_options else ""
    environment = {**os.environ, "ILSVRC2012_ALLOW_INCOMPLETE": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "tensorflow_datasets.scripts.cli.main", *command.split()],
        capture_output=True, text=True, cwd=tmp_path, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "data/ilsvrc2012/raw256/1.0.0/metadata.h5").exists()
    assert ("sdk_worker" in done.stderr) == bool(beam_options)  # what Beam's processes say of themselves


def test_features_are_those_of_imagenet2012():
    ours, theirs = Ilsvrc2012().info, tfds.builder("imagenet2012").info
    assert ours.features.to_json() == theirs.features.to_json()
    assert ours.supervised_keys == theirs.supervised_keys
    assert ours.features["label"].names == theirs.features["label"].names == list(synsets.wnids())


def test_train_records_equal_those_of_imagenet2012(images, prepare, tmp_path):
    odd = list(images.train[drawing.WNIDS[0]])[:2]  # TFDS fixes its 23 images by name, so not these
    train = {wnid: {k: v for k, v in files.items() if k not in odd} for wnid, files in images.train.items()}
    source = drawing.official_archives(tmp_path / "clean", drawing.Images(train, images.val, {}))
    oracle = tfds.builder("imagenet2012", data_dir=tmp_path / "oracle")
    oracle.download_and_prepare(download_config=tfds.download.DownloadConfig(manual_dir=source, num_shards=3))
    ours = prepare(source=source, num_shards={"train": 3})
    assert ours.info.splits["train"].shard_lengths == oracle.info.splits["train"].shard_lengths
    assert ours.info.splits["train"].num_bytes == oracle.info.splits["train"].num_bytes
    assert _records(ours, "train") == _records(oracle, "train")


def test_base_class_writer_makes_the_same_records(archives, prepare, tmp_path):
    shards = prepare()
    base = Ilsvrc2012(source=archives, data_dir=tmp_path / "base")
    base.data_path.mkdir(parents=True)
    config = tfds.download.DownloadConfig()
    tfds.core.GeneratorBasedBuilder._download_and_prepare(base, base._make_download_manager(None, config), config)
    for split in ("train", "val"):
        assert _records(base, split) == _records(shards, split)


@pytest.mark.parametrize("split", ["train[:50%]", "train[3:7]", "train+val", "train[1shard:]"])
def test_sub_splits_read(split, prepare):
    builder = prepare(num_shards={"train": 4})
    assert len(list(builder.as_dataset(split=split))) == builder.info.splits[split].num_examples > 0


def test_array_record_is_a_data_source(prepare, images):
    builder = prepare(file_format="array_record", num_shards={"train": 3}, workers=2)
    source = builder.as_data_source(split="train")
    assert {source[k]["file_name"].decode(): source[k]["label"] for k in range(len(source))} == images.labels("train")
    assert builder.info.file_format.value == "array_record"


def test_test_split_has_label_minus_one(tmp_path, prepare):
    source = drawing.official_archives(tmp_path / "with-test", drawing.miniature(test=3))
    examples = list(tfds.as_numpy(prepare(source=source).as_dataset(split="test")))
    assert [e["label"] for e in examples] == [-1, -1, -1]


def test_prepared_data_is_read_without_the_package(prepare, tmp_path):
    prepare(config="raw256")
    code = (
        "import sys, tensorflow_datasets as tfds\n"
        f"data = tfds.load('ilsvrc2012/raw256', data_dir={str(tmp_path / 'data')!r}, split='val')\n"
        "assert 'ilsvrc_tfds' not in sys.modules\n"
        "print(len(list(data)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert done.stdout.split() == ["6"], done.stderr


def test_own_config_has_its_own_size(prepare):
    builder = prepare(config=Ilsvrc2012Config(name="raw160", shorter_side=160, quality=80))
    assert all(min(e["image"].shape[:2]) == 160 for e in builder.as_dataset(split="val"))
    assert builder.data_dir.endswith("ilsvrc2012/raw160/1.0.0")


def test_builder_survives_pickling(archives, tmp_path):
    builder = Ilsvrc2012(source=archives, data_dir=tmp_path, config="raw256", workers=1, allow_incomplete=True)
    copy = pickle.loads(pickle.dumps(builder))
    copy.download_and_prepare()
    assert copy.info.splits["train"].num_examples == 12


def test_metadata_lies_beside_the_shards_and_agrees(prepare, images):
    metadata = ilsvrc_tfds.metadata.read(prepare().data_path / "metadata.h5")
    for split, table in metadata.items():
        names = [os.path.basename(path) for path in table.image_filenames]
        assert dict(zip(names, table.object_ids[:, 1])) == images.labels(split)
        assert np.array_equal(table.classes, synsets.wnids())


def _records(builder, split: str) -> list[tf.train.Example]:
    paths = sorted(str(path) for path in builder.data_path.glob(f"*-{split}.tfrecord-*"))
    return [tf.train.Example.FromString(record) for record in tf.data.TFRecordDataset(paths).as_numpy_iterator()]
