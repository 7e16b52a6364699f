"""The stream of batches: its order, its hosts, where it begins, its labels, and what is refused."""

import dataclasses
import hashlib
import shutil
from pathlib import Path

import drawing
import keras
import numpy as np
import pytest
import tensorflow as tf

import ilsvrc_tfds
from ilsvrc_tfds import pipeline, preprocess
from ilsvrc_tfds.errors import IlsvrcError, OptionError, SourceError
from ilsvrc_tfds.pipeline import epochs as shares
from ilsvrc_tfds.pipeline.schedule import Host
from ilsvrc_tfds.pipeline.subsets import Subset

TRAIN, VAL = 60, 21


@dataclasses.dataclass(frozen=True)
class Name(preprocess.Op):
    """The file name in place of the image."""

    def __call__(self, example, seed):
        return {**example, "image": example["file_name"]}


@dataclasses.dataclass(frozen=True)
class Dice(preprocess.Op):
    """A random number in place of the image, from an example's seed or a batch's."""

    def __call__(self, example, seed):
        return {**example, "image": tf.random.stateless_uniform([], seed)}


@dataclasses.dataclass(frozen=True)
class AddBatchDice(preprocess.Op):
    """A random number added to all images of a batch."""

    batched = True

    def __call__(self, example, seed):
        return {**example, "image": example["image"] + tf.random.stateless_uniform([], seed)}


NAMES = (Name(),)


@pytest.fixture(scope="module")
def images():
    return drawing.miniature(train=TRAIN // 3, val=VAL // 3, test=4)


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory, images):
    """A data directory with `classification` prepared, in 5 shards of train and 2 of val."""
    root = tmp_path_factory.mktemp("pipeline")
    source = drawing.official_archives(root / "source", images)
    shards = {"train": 5, "val": 2}
    ilsvrc_tfds.prepare(source, root / "data", workers=1, allow_incomplete=True, num_shards=shards)
    return root / "data"


@pytest.fixture(scope="module")
def prepared(data_dir):
    return data_dir / "ilsvrc2012/classification/1.0.0"


@pytest.fixture(scope="module")
def exported(prepared, tmp_path_factory):
    """Exports of the same images, by label offset."""
    folders = {offset: tmp_path_factory.mktemp("exports") / str(offset) for offset in (0, 1)}
    for offset, out in folders.items():
        shards = {"train": 5, "val": 2}
        ilsvrc_tfds.export(prepared, out, workers=1, allow_incomplete=True, num_shards=shards, label_offset=offset)
    return folders


def training(data, **options) -> tf.data.Dataset:
    return pipeline.for_training(data, **{"batch_size": 4, "ops": NAMES, "shuffle_buffer": 16, **options})


def evaluation(data, **options) -> tf.data.Dataset:
    return pipeline.for_evaluation(data, **{"batch_size": 4, "ops": NAMES, **options})


def batches(data: tf.data.Dataset, count: int = -1) -> list[tuple]:
    return [tuple(part.tolist() for part in batch) for batch in data.take(count).as_numpy_iterator()]


def names(data: tf.data.Dataset) -> list[str]:
    return [name.decode() for batch in data.as_numpy_iterator() for name in batch[0]]


def labels(data: tf.data.Dataset) -> dict[str, int]:
    return {name.decode(): int(label) for batch in data.as_numpy_iterator() for name, label in zip(batch[0], batch[1])}


def digest(data: tf.data.Dataset, count: int) -> str:
    sums = hashlib.sha256()
    for batch in data.take(count).as_numpy_iterator():
        for part in batch:
            sums.update(part.tobytes())
    return sums.hexdigest()


@pytest.mark.slow
def test_same_seed_gives_the_same_batches_and_another_seed_others(prepared):
    options = {"ops": "resnet_train", "batch_size": 8}
    first, again, other = (digest(training(prepared, seed=seed, **options), 20) for seed in (3, 3, 4))
    assert first == again != other


def test_order_does_not_follow_the_global_seed(prepared):
    orders = []
    for seed in (1, 2):
        keras.utils.set_random_seed(seed)
        orders.append(names(training(prepared, epochs=1)))
    assert orders[0] == orders[1]


@pytest.mark.parametrize("options", [{}, {"fraction": 1.0}], ids=["all", "subset"])
def test_number_of_cores_does_not_change_the_order(options, prepared, monkeypatch):
    orders = []
    for cores in (1, 64):
        monkeypatch.setattr(shares, "CORES", cores)
        orders.append(names(training(prepared, epochs=2, **options)))
    assert orders[0] == orders[1]


def test_each_epoch_has_every_example_once_in_another_order(prepared, images):
    found = names(training(prepared, epochs=3))
    epochs = [found[start : start + TRAIN] for start in range(0, 3 * TRAIN, TRAIN)]
    assert [sorted(epoch) for epoch in epochs] == [sorted(images.labels("train"))] * 3
    assert len({tuple(epoch) for epoch in epochs}) == 3


def test_batch_may_hold_the_end_of_an_epoch_and_the_beginning_of_the_next(prepared):
    data = training(prepared, epochs=2, batch_size=50)
    assert data.cardinality() == 2
    assert names(data) == names(training(prepared, epochs=2, batch_size=5))[:100]


def test_last_batch_is_kept_where_that_is_wanted(prepared, images):
    data = training(prepared, epochs=1, batch_size=50, drop_remainder=False)
    assert data.cardinality() == 2 and sorted(names(data)) == sorted(images.labels("train"))


def test_endless_stream_says_so(prepared):
    assert training(prepared).cardinality() == tf.data.INFINITE_CARDINALITY


def test_every_example_and_epoch_has_a_seed_of_its_own(prepared):
    dice = [value for batch in batches(training(prepared, ops=(Dice(),), epochs=3)) for value in batch[0]]
    assert len(set(dice)) == 3 * TRAIN


def test_seeds_do_not_depend_on_the_size_of_a_batch(prepared):
    small, large = (training(prepared, ops=(Dice(),), epochs=1, batch_size=size) for size in (4, 30))
    assert (
        np.concatenate([b[0] for b in batches(small)]).tolist()
        == np.concatenate([b[0] for b in batches(large)]).tolist()
    )


@pytest.mark.parametrize("count", [1, 2, 3, 7])  # of 5 shards
@pytest.mark.slow
def test_hosts_share_an_epoch_of_training(count, prepared, images):
    options = {"epochs": 1, "batch_size": 1, "drop_remainder": False}
    found = [name for i in range(count) for name in names(training(prepared, shard=(i, count), **options))]
    assert sorted(found) == sorted(images.labels("train"))


@pytest.mark.parametrize("count", [1, 2, 3, 7, 30])
@pytest.mark.slow
def test_hosts_share_the_evaluation_and_have_as_many_batches(count, prepared, images):
    hosts = [list(evaluation(prepared, shard=(i, count), pad=True).as_numpy_iterator()) for i in range(count)]
    weighted = [(name.decode(), weight) for host in hosts for batch in host for name, weight in zip(batch[0], batch[2])]
    assert len({len(host) for host in hosts}) == 1
    assert all(batch[0].shape == batch[2].shape == (4,) for host in hosts for batch in host)
    assert sorted(name for name, weight in weighted if weight == 1) == sorted(images.labels("val"))
    assert all(name == "" for name, weight in weighted if weight == 0)


def test_hosts_have_as_many_training_batches(prepared):
    counts = [int(training(prepared, shard=(i, 7), epochs=3, batch_size=5).cardinality()) for i in range(7)]
    assert counts == [3 * (TRAIN // 7) // 5] * 7


def test_hosts_augment_differently(prepared):
    first, second = (batches(training(prepared, ops=(Dice(),), epochs=1, shard=(i, 2))) for i in range(2))
    assert not {v for b in first for v in b[0]} & {v for b in second for v in b[0]}


def test_input_context_is_a_host(prepared):
    context = tf.distribute.InputContext(num_input_pipelines=3, input_pipeline_id=1, num_replicas_in_sync=3)
    options = {"epochs": 1, "batch_size": 4}
    assert batches(training(prepared, shard=context, **options)) == batches(training(prepared, shard=(1, 3), **options))


def test_weighted_metrics_are_exact(prepared):
    truth = labels(evaluation(prepared))
    hits = sum(label == 0 for label in truth.values())
    metric = keras.metrics.Mean()
    for host in range(2):
        for _, label, weight in evaluation(prepared, shard=(host, 2), batch_size=8):
            metric.update_state(tf.cast(label == 0, tf.float32), sample_weight=weight)
    assert float(metric.result()) == pytest.approx(hits / VAL)


def test_unpadded_evaluation_is_the_order_on_disk(prepared):
    paths = sorted(str(path) for path in prepared.glob("*-val.*"))
    records = [tf.train.Example.FromString(record) for record in tf.data.TFRecordDataset(paths).as_numpy_iterator()]
    expected = [record.features.feature["file_name"].bytes_list.value[0].decode() for record in records]
    assert names(evaluation(prepared)) == expected and evaluation(prepared).cardinality() == 6


@pytest.mark.slow
@pytest.mark.parametrize("ops", [(Dice(),), (Dice(), AddBatchDice())], ids=["examples", "batches"])
def test_start_step_begins_with_that_batch(ops, prepared):
    whole = batches(training(prepared, ops=ops), 57)
    for step in (0, 1, 14, 15, 16, 37):
        assert batches(training(prepared, ops=ops, start_step=step), 20) == whole[step : step + 20], step


def test_start_step_of_a_subset(prepared):
    whole = batches(training(prepared, ops=(Dice(),), classes=[0, 3], epochs=2))
    assert batches(training(prepared, ops=(Dice(),), classes=[0, 3], epochs=2, start_step=13)) == whole[13:]


def test_records_are_skipped_beyond_a_shard(prepared):
    share = shares.share_of(pipeline.find_split(prepared, "train"), None, Host())
    numbers = [int(number) for _, number in shares.records_in_order(share, tf.constant([0, 0])).skip(30)]
    assert numbers == [*range(6, 12), *range(12), *range(12)]


@pytest.mark.slow
def test_start_step_of_a_finite_stream(prepared):
    whole = batches(training(prepared, epochs=2))
    late = training(prepared, epochs=2, start_step=22)
    assert batches(late) == whole[22:] and late.cardinality() == 8


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"fraction": 0.5}], ids=["all", "subset"])
def test_restored_iterator_goes_on_with_the_next_batch(options, prepared, tmp_path):
    def iterator():
        return iter(training(prepared, ops=(Dice(), AddBatchDice()), **options))

    running = iterator()
    for _ in range(11):
        next(running)
    saved = tf.train.Checkpoint(iterator=running).save(tmp_path / "state")
    restored = iterator()
    tf.train.Checkpoint(iterator=restored).restore(saved)
    for _ in range(20):
        for a, b in zip(next(running), next(restored), strict=True):
            assert a.numpy().tolist() == b.numpy().tolist()


@pytest.mark.slow
def test_labels_are_those_of_the_names_whatever_the_numbering(prepared, exported, images):
    for data in (prepared, exported[0], exported[1]):
        assert labels(training(data, epochs=1)) == images.labels("train")
        assert labels(evaluation(data)) == images.labels("val")


@pytest.mark.slow
def test_export_without_manifest_is_read_by_what_its_records_tell(exported, images, tmp_path):
    for offset, folder in exported.items():
        bare = shutil.copytree(folder, tmp_path / str(offset))
        (bare / "manifest.json").unlink()
        assert labels(training(bare, epochs=1)) == images.labels("train")
        assert names(training(bare, epochs=1, label_offset=offset)) == names(training(folder, epochs=1))


def test_label_offset_that_is_not_the_manifests_is_refused(exported, prepared):
    for data in (exported[0], prepared):
        with pytest.raises(OptionError, match="label_offset=1, but .* has label_offset=0"):
            training(data, label_offset=1)


@pytest.mark.slow
def test_prepared_and_exported_data_give_the_same_stream(prepared, exported):
    options = {"ops": "resnet_train", "seed": 5, "batch_size": 8}
    assert len({digest(training(data, **options), 10) for data in (prepared, exported[0], exported[1])}) == 1


@pytest.mark.slow
def test_name_folder_and_builder_are_the_same_data(data_dir, prepared):
    import tensorflow_datasets as tfds

    builder = tfds.builder("ilsvrc2012", data_dir=data_dir)
    kinds = [training(prepared, epochs=1), training(str(prepared), epochs=1), training(builder, epochs=1)]
    kinds += [training(name, data_dir=data_dir, epochs=1) for name in ("ilsvrc2012", "ilsvrc2012/classification:1.0.0")]
    assert len({tuple(names(data)) for data in kinds}) == 1


def test_test_split_is_read_with_label_minus_one(prepared, images):
    assert labels(evaluation(prepared, split="test")) == dict.fromkeys(images.test, -1)
    with pytest.raises(OptionError, match="test split has no labels"):
        training(prepared, split="test")


@pytest.mark.slow
def test_grey_image_gets_three_channels_and_stays_uint8(prepared):
    data = training(prepared, ops="resnet_train", epochs=1)
    assert data.element_spec[0] == tf.TensorSpec([4, 224, 224, 3], tf.uint8)
    assert sum(len(batch[0]) for batch in data) == TRAIN
    grey = [np.ptp(image, axis=-1).max() == 0 for batch in data.as_numpy_iterator() for image in batch[0]]
    assert sum(grey) == 1


def test_standardize_layer_is_the_op():
    image = np.random.default_rng(0).integers(0, 256, (2, 5, 5, 3), np.uint8)
    expected = preprocess.Standardize()({"image": tf.constant(image)}, None)["image"]
    np.testing.assert_allclose(pipeline.standardize_layer()(image), expected, atol=1e-5)


@pytest.mark.slow
def test_subset_of_classes_keeps_or_renumbers_labels(prepared, exported, images):
    wanted = (3, "n01440764")
    expected = {name: label for name, label in images.labels("train").items() if label in (0, 3)}
    for data in (prepared, exported[0], exported[1]):
        assert labels(training(data, classes=wanted, epochs=1)) == expected
        renumbered = labels(training(data, classes=wanted, relabel=True, epochs=1))
        assert renumbered == {name: {3: 0, 0: 1}[label] for name, label in expected.items()}


@pytest.mark.slow
@pytest.mark.parametrize("options", [{"fraction": 0.25}, {"per_class": 5}])
def test_part_of_each_class_are_the_first_by_md5(options, prepared, exported, images):
    expected = set()
    for wnid in drawing.WNIDS:
        expected |= set(
            sorted(
                images.train[wnid],
                key=lambda name: hashlib.md5(f"train{name}".encode(), usedforsecurity=False).digest(),
            )[:5]
        )
    for data in (prepared, exported[1]):
        assert set(labels(training(data, epochs=1, drop_remainder=False, **options))) == expected


@pytest.mark.parametrize(
    "images_of_a_class, fraction, wanted", [(5, 0.01, 1), (1, 0.01, 1), (10, 0.25, 2), (10, 0.26, 3)]
)
def test_small_fraction_of_a_class_has_one_image_at_least(images_of_a_class, fraction, wanted):
    labels = np.repeat([3, 7], images_of_a_class)
    rows = Subset(tuple(range(1000)), fraction=fraction).chosen(labels)
    assert np.bincount(labels[rows])[[3, 7]].tolist() == [wanted, wanted]


def test_seed_of_a_host_has_all_bits_of_the_seed_and_the_host():
    seeds = [(0, 0), (1, 0), (1 << 31, 0), (1 << 61, 0), (0, 1), (1 << 31, 1)]
    keys = {tuple(shares.key_of(seed, Host(index, 2)).numpy().tolist()) for seed, index in seeds}
    assert len(keys) == len(seeds)


@pytest.mark.slow
def test_subset_is_shared_among_hosts_and_evaluated(prepared, images):
    options = {"classes": [1, 3], "batch_size": 1, "drop_remainder": False, "epochs": 1}
    found = [name for i in range(3) for name in names(training(prepared, shard=(i, 3), **options))]
    assert sorted(found) == sorted(name for name, label in images.labels("train").items() if label in (1, 3))
    assert set(labels(evaluation(prepared, classes=[1, 3], relabel=True)).values()) == {0, 1}


def test_presets_labels_have_as_many_classes_as_the_subset(prepared):
    data = training(prepared, ops="randaugment_train", classes=[0, 3], relabel=True)
    assert data.element_spec[1].shape == (4, 2)


@pytest.fixture
def damaged(prepared, tmp_path):
    """The data set with one byte of one train record changed; (folder, path of the shard, number, name)."""
    folder = shutil.copytree(prepared, tmp_path / "damaged")
    path = sorted(folder.glob("*-train.*"))[2]
    data = bytearray(path.read_bytes())
    offset, size = ilsvrc_tfds.formats.tfrecord.read_spans(path)[4]
    payload = bytes(data[offset + 12 : offset + size - 4])
    data[offset + size // 2] ^= 1
    path.write_bytes(data)
    return (
        folder,
        path,
        4,
        tf.train.Example.FromString(payload).features.feature["file_name"].bytes_list.value[0].decode(),
    )


@pytest.mark.parametrize("options", [{}, {"fraction": 1.0}], ids=["all", "subset"])
def test_damaged_record_is_named(options, damaged):
    folder, path, number, _ = damaged
    with pytest.raises(tf.errors.OpError, match=f"{path}: record {number}: byte [0-9,]+: its data does not match"):
        batches(training(folder, epochs=1, **options))


@pytest.mark.parametrize("options", [{}, {"fraction": 1.0}], ids=["all", "subset"])
def test_damaged_record_is_skipped_and_counted(options, damaged, images, caplog):
    folder, path, number, name = damaged
    found = names(training(folder, epochs=1, batch_size=1, on_error="skip", **options))
    assert sorted(found) == sorted(images.labels("train").keys() - {name})
    assert f"{path}: record {number}" in caplog.text and "1 different record so far" in caplog.text


@pytest.mark.slow
def test_shard_that_was_cut_is_named_and_its_whole_records_are_kept(damaged, caplog):
    folder, path, *_ = damaged
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(tf.errors.OpError, match=f"{path}: record "):
        batches(training(folder, epochs=1))
    assert len(names(training(folder, epochs=1, batch_size=1, on_error="skip"))) == TRAIN - 2


@pytest.mark.parametrize(
    "options, message",
    [
        ({"split": "dev"}, "no split 'dev' in .*; it has train, val, test"),
        ({"ops": "resnet50"}, "no preset 'resnet50'; known are resnet_train, resnet_eval"),
        ({"batch_size": 61}, "batch_size=61 is larger than the 60 examples"),
        ({"batch_size": 0}, "batch_size must be at least 1"),
        ({"shard": (3, 3)}, r"shard must be \(i, n\) with 0 <= i < n, got \(3, 3\)"),
        ({"shard": 3}, r"shard must be \(i, n\) or a tf.distribute.InputContext, got 3"),
        ({"classes": ["n00000000"]}, "'n00000000' is not one of the 1000 classes"),
        ({"classes": [1000]}, r"A class index must be in \[0, 1000\), got 1000"),
        ({"classes": []}, "classes must have at least one class"),
        ({"classes": [0, "n01440764"]}, "at least one class and none twice"),
        ({"relabel": True}, "relabel=True needs classes"),
        ({"fraction": 0.0}, r"fraction must be in \(0, 1\]"),
        ({"fraction": 0.1, "per_class": 1}, "exclude each other"),
        ({"per_class": 0}, "per_class must be at least 1"),
        ({"seed": -1}, r"seed must be in \[0, 2\*\*62\)"),
        ({"epochs": 0}, "epochs must be at least 1"),
        ({"epochs": 1, "start_step": 16}, r"start_step must be in \[0, 15\]"),
        ({"shuffle_buffer": 0}, "shuffle_buffer must be at least 1"),
        ({"on_error": "ignore"}, "on_error must be 'raise' or 'skip'"),
        ({"label_offset": 2}, "label_offset must be 0 or 1"),
    ],
)
def test_impossible_options_are_refused(options, message, prepared):
    with pytest.raises(OptionError, match=message):
        training(prepared, **options)


def test_class_without_images_is_an_error(prepared):
    with pytest.raises(SourceError, match="'train' has no image of the 1 chosen class"):
        training(prepared, classes=[500])


def test_name_that_is_not_there_lists_what_is(data_dir, tmp_path):
    with pytest.raises(OptionError, match="'ilsvrc2012/raw256' is not in .*: there is classification"):
        training("ilsvrc2012/raw256", data_dir=data_dir)
    with pytest.raises(OptionError, match="there is nothing prepared"):
        training("ilsvrc2012", data_dir=tmp_path)


def test_name_is_a_name_in_whatever_folder(data_dir, prepared, tmp_path, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    monkeypatch.chdir(data_dir)
    for name, hint in (
        ("ilsvrc2012", "./ilsvrc2012/classification/1.0.0"),
        ("ilsvrc2012:1.0.0", "./ilsvrc2012/classification/1.0.0"),
    ):
        with pytest.raises(
            OptionError,
            match=f"{name}' is not in {tmp_path}: there is nothing prepared. .* For the folder of that name, write {hint}\\.",
        ):
            pipeline.find_split(name, "train")
    for folder in ("./ilsvrc2012/classification/1.0.0", Path("ilsvrc2012/classification/1.0.0"), prepared):
        assert pipeline.find_split(folder, "train").num_examples == TRAIN
    monkeypatch.setenv("TFDS_DATA_DIR", ".")
    assert pipeline.find_split("ilsvrc2012/classification", "train").num_examples == TRAIN


def test_folder_that_is_called_as_a_name_needs_its_dot(exported, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(exported[1], tmp_path / "ilsvrc2012")
    with pytest.raises(OptionError, match="For the folder of that name, write ./ilsvrc2012\\."):
        pipeline.find_split("ilsvrc2012", "train", data_dir=tmp_path / "data")
    assert pipeline.find_split("./ilsvrc2012", "train").num_examples == TRAIN


@pytest.mark.slow
def test_builder_of_several_folders_is_refused_and_of_one_is_read(prepared, tmp_path):
    import tensorflow_datasets as tfds

    copy = shutil.copytree(prepared, tmp_path / "ilsvrc2012/classification/1.0.0")
    with pytest.raises(
        OptionError, match=f"The builder reads 2 folders: .*{copy}.* Pass one of them, or make a stream of each"
    ):
        training(tfds.builder_from_directories([prepared, copy]))
    for builder in (tfds.builder_from_directories([copy]), tfds.builder_from_directory(copy)):
        assert names(training(builder, epochs=1)) == names(training(prepared, epochs=1))


def test_folder_without_data_is_an_error(tmp_path):
    with pytest.raises(IlsvrcError, match="holds no shards"):
        training(tmp_path)
    with pytest.raises(IlsvrcError, match="is not a folder. Prepare the data set first"):
        training(tmp_path / "nowhere")


def test_half_prepared_data_is_an_error(prepared, tmp_path):
    (tmp_path / "ilsvrc2012/raw256/.1.0.0.staging").mkdir(parents=True)
    with pytest.raises(SourceError, match="1.0.0 is not finished. Run the command that makes it again to resume"):
        training("ilsvrc2012/raw256", data_dir=tmp_path)
    folder = shutil.copytree(prepared, tmp_path / "copy")
    next(folder.glob("*-train.*")).unlink()
    with pytest.raises(SourceError, match="1 shard of split 'train' is missing"):
        training(folder)


def test_padding_images_of_different_sizes_is_refused(prepared):
    with pytest.raises(OptionError, match="Padding needs images of one size"):
        evaluation(prepared, ops=(preprocess.Decode(),), batch_size=1, pad=True)


def test_metadata_of_other_images_is_refused_for_a_subset(prepared, tmp_path):
    folder = shutil.copytree(prepared, tmp_path / "copy")
    ilsvrc_tfds.metadata.write(
        folder / "metadata.h5", [ilsvrc_tfds.sources.index_images(_source_of(tmp_path)).splits["train"]]
    )
    with pytest.raises(SourceError, match="has 12 names of split 'train', which has 60 records"):
        training(folder, classes=[0])


def _source_of(folder):
    drawing.official_archives(folder / "other", drawing.miniature())
    return ilsvrc_tfds.sources.find_layout([folder / "other"])
