"""Training and evaluation with Keras: what a model computes, how a stopped training goes on, and what is refused."""

import dataclasses
import functools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import stopping
import tensorflow as tf

import ilsvrc_tfds
from ilsvrc_tfds import pipeline, training
from ilsvrc_tfds.errors import DestinationError, OptionError, SourceError
from ilsvrc_tfds.training import fitting
from ilsvrc_tfds.training.backup import Backup
from ilsvrc_tfds.training.models import image_size_of

pytestmark = pytest.mark.slow

RECIPE = training.Recipe(model="small", image_size=32, epochs=3, batch_size=8, warmup_epochs=1, shuffle_buffer=16)


@pytest.fixture(scope="module")
def trained(prepared, tmp_path_factory):
    """The folder of a finished training."""
    out = tmp_path_factory.mktemp("trained") / "run"
    training.train(prepared, out, RECIPE)
    return out


@pytest.mark.parametrize("name", ["mobilenetv2", "resnet50", "mobilenetv3small"])
def test_application_gets_its_own_preprocessing(name):
    model = training.build_model(name, image_size=32, num_classes=10)
    network = model.layers[-2]
    images = np.random.default_rng(1).integers(0, 256, (2, 32, 32, 3), np.uint8)
    modules = {"resnet50": "resnet", "mobilenetv2": "mobilenet_v2", "mobilenetv3small": "mobilenet_v3"}
    pixels = getattr(keras.applications, modules[name]).preprocess_input(images.astype("f4"))
    np.testing.assert_allclose(model(images), network(pixels), rtol=1e-4, atol=1e-5)


def test_every_application_has_a_name():
    names = training.model_names()
    assert {"small", "resnet50", "efficientnetv2b0", "mobilenetv3large", "convnexttiny"} <= set(names)
    assert image_size_of("inceptionv3") == 299 and image_size_of("resnet50") == 224


def test_image_size_is_that_of_keras():
    assert keras.applications.EfficientNetV2B1(weights=None).input_shape[1] == image_size_of("efficientnetv2b1") == 240


def test_unknown_model_lists_the_known():
    with pytest.raises(OptionError, match="Unknown model 'resnet51'. Did you mean resnet50.*\\?$"):
        training.build_model("resnet51")


def test_learning_rate_rises_and_falls_to_zero():
    recipe = training.Recipe(epochs=10, warmup_epochs=2, batch_size=512)
    rates = [float(fitting._optimizer(recipe, 5)._learning_rate(step)) for step in (0, 5, 10, 30, 50)]
    np.testing.assert_allclose(rates, [0, 0.1, 0.2, 0.1, 0], atol=1e-6)


def test_biases_and_normalization_do_not_decay():
    model = fitting.new_model(training.Recipe(model="small", image_size=32), 5)
    decayed = [v.name for v in model.trainable_variables if model.optimizer._use_weight_decay(v)]
    assert set(decayed) == {"kernel"} and len(decayed) == 5


@pytest.mark.parametrize("preset", ["resnet_train", "randaugment_train"])
def test_labels_are_smoothed_once(preset, prepared):
    recipe = training.Recipe(ops=preset, label_smoothing=0.2)
    ops = fitting.training_ops(recipe, 32)
    _, labels = next(iter(pipeline.for_training(prepared, batch_size=8, ops=ops, shuffle_buffer=16)))
    np.testing.assert_allclose(labels.numpy().sum(1), 1, rtol=1e-5)
    np.testing.assert_allclose(labels.numpy().min(1), 0.2 / 1000, rtol=1e-5)


def test_training_leaves_model_logs_and_recipe(trained):
    assert {path.name for path in trained.iterdir()} == {
        "log.csv",
        "model.keras",
        "training.json",
        "tensorboard",
        "curves.png",
        "training.html",
    }
    rows = training.read_log(trained)
    assert [row["epoch"] for row in rows] == [0, 1, 2]
    assert set(rows[0]) == {"epoch", "loss", "top1", "top5", "val_loss", "val_top1", "val_top5"}


def assert_same_weights(*folders):
    ours, theirs = (training.load_model(folder / "model.keras").get_weights() for folder in folders)
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("epoch", [0, 2])
def test_stopped_training_ends_with_the_same_weights(epoch, prepared, trained, tmp_path):
    out = tmp_path / "run"
    stopping.train_and_stop(prepared, out, RECIPE, epoch=epoch)
    assert not (out / "model.keras").exists()
    training.train(prepared, out, RECIPE)
    assert_same_weights(out, trained)
    assert [row["epoch"] for row in training.read_log(out)] == [0, 1, 2]


def test_training_stopped_while_it_was_saved_keeps_what_it_has_learnt(prepared, trained, tmp_path, monkeypatch):
    out, save = tmp_path / "run", keras.Model.save

    def stop(model, path):
        save(model, path)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(keras.Model, "save", stop)
        with pytest.raises(KeyboardInterrupt):
            training.train(prepared, out, RECIPE)
    (out / "backup/partial.weights.h5").write_bytes(b"killed while this was written")
    training.train(prepared, out, RECIPE, overwrite=True)  # the command that was stopped may have said so
    assert_same_weights(out, trained)
    assert {path.name for path in out.iterdir()} == {path.name for path in trained.iterdir()}


def test_epoch_that_is_logged_and_not_in_the_backup_is_done_again(prepared, trained, tmp_path, monkeypatch):
    out = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr(Backup, "on_epoch_end", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            training.train(prepared, out, RECIPE)
    assert len(training.read_log(out)) == 1
    training.train(prepared, out, RECIPE)
    assert [row["epoch"] for row in training.read_log(out)] == [0, 1, 2]


def test_finished_training_is_not_done_again(prepared, trained):
    before = (trained / "model.keras").stat().st_mtime_ns
    assert training.train(prepared, trained, RECIPE) == trained / "model.keras"
    assert (trained / "model.keras").stat().st_mtime_ns == before


def test_other_recipe_needs_another_folder_or_overwrite(prepared, trained, tmp_path):
    out = shutil.copytree(trained, tmp_path / "run")
    other = training.Recipe(**{**vars(RECIPE), "epochs": 2, "seed": 5})
    with pytest.raises(
        OptionError,
        match="has a training with epochs=3, not 2; seed=0, not 5. Name another folder .--out., or --overwrite it",
    ):
        training.train(prepared, out, other)
    training.train(prepared, out, other, overwrite=True)
    assert len(training.read_log(out)) == 2


def test_training_of_an_older_version_continues(prepared, trained, tmp_path):
    """Its record lacks the options of today, and its backups are those after epochs."""
    out = tmp_path / "run"
    stopping.train_and_stop(prepared, out, RECIPE, epoch=1)
    assert [path.name for path in (out / "backup").iterdir()] == ["00001.weights.h5"]
    record = json.loads((out / "training.json").read_bytes())
    assert record.pop("shares") == 1
    (out / "training.json").write_text(json.dumps(record))
    with pytest.raises(OptionError, match="has a training with shares=1, not 2. Name another folder"):
        training.train(prepared, out, dataclasses.replace(RECIPE, shares=2))
    training.train(prepared, out, RECIPE)
    assert_same_weights(out, trained)


def test_backups_within_an_epoch_that_diverged_are_removed(prepared, tmp_path):
    recipe = dataclasses.replace(RECIPE, epochs=1, warmup_epochs=0, learning_rate=1e30)
    with pytest.raises(OptionError, match="diverged in epoch 1 of 1: .* the folder can be used again"):
        training.train(prepared, tmp_path / "run", recipe, backup_every=2)
    assert list((tmp_path / "run/backup").iterdir()) == []
    with pytest.raises(OptionError, match="backup_every must be at least 1, got 0"):
        training.train(prepared, tmp_path / "run", recipe, backup_every=0)


def test_service_makes_the_batches(prepared, tmp_path):
    service = tf.data.experimental.service
    dispatcher = service.DispatchServer()
    address = dispatcher.target.partition("://")[2]
    worker = service.WorkerServer(service.WorkerConfig(dispatcher_address=address, heartbeat_interval_ms=100))
    recipe = dataclasses.replace(RECIPE, epochs=1, warmup_epochs=0)
    assert training.train(prepared, tmp_path / "run", recipe, service=dispatcher.target).exists()
    assert len(training.read_log(tmp_path / "run")) == 1
    del worker


def test_other_data_need_another_folder(prepared, trained, tmp_path):
    exported = ilsvrc_tfds.export(prepared, tmp_path / "exported", workers=1, allow_incomplete=True)
    with pytest.raises(OptionError, match="has a training with other data. Name another folder"):
        training.train(exported, trained, RECIPE)


def test_attempt_of_which_no_epoch_was_done_is_no_obstacle(prepared, trained, tmp_path):
    out = tmp_path / "run"
    (out / "backup").mkdir(parents=True)
    (out / "backup/partial.weights.h5").write_bytes(b"killed in its first epoch")
    (out / "training.json").write_text('{"model": "resnet50"}')
    training.train(prepared, out, RECIPE)
    assert_same_weights(out, trained)


def test_training_that_diverges_is_an_error_and_keeps_what_was_good(prepared, tmp_path, monkeypatch):
    out, rates = tmp_path / "run", iter([1e-3, 1e30])
    recipe = dataclasses.replace(RECIPE, epochs=2, warmup_epochs=0)

    class Diverging(keras.callbacks.LambdaCallback):
        def on_epoch_begin(self, epoch, logs=None):
            self.model.optimizer.learning_rate = next(rates)

    monkeypatch.setattr(fitting, "_optimizer", lambda *_: keras.optimizers.SGD(1e-3))
    original = keras.Model.fit
    monkeypatch.setattr(
        keras.Model,
        "fit",
        lambda self, *a, callbacks, **k: original(self, *a, callbacks=[Diverging(), *callbacks], **k),
    )
    with pytest.raises(
        OptionError, match="diverged in epoch 2 of 2: its loss is .*nan. Try a lower .*after epoch 1 is kept"
    ):
        training.train(prepared, out, recipe)
    assert [path.name for path in (out / "backup").iterdir()] == ["00001.weights.h5"] and not (
        out / "model.keras"
    ).exists()
    assert np.isfinite(training.read_log(out)[0]["val_loss"])


def test_training_that_diverges_at_once_leaves_a_folder_that_can_be_used(prepared, tmp_path):
    recipe = dataclasses.replace(RECIPE, epochs=1, warmup_epochs=0, learning_rate=1e30)
    with pytest.raises(OptionError, match="diverged in epoch 1 of 1: .*than 1e.30, .* the folder can be used again"):
        training.train(prepared, tmp_path / "run", recipe)
    sound = dataclasses.replace(recipe, learning_rate=1e-3)
    assert training.train(prepared, tmp_path / "run", sound).exists()


def test_folder_with_something_else_is_left_alone(prepared, tmp_path):
    (tmp_path / "photos").write_text("")
    for overwrite in (False, True):
        with pytest.raises(DestinationError, match="no training was begun in it"):
            training.train(prepared, tmp_path, RECIPE, overwrite=overwrite)
    assert (tmp_path / "photos").exists()


def test_second_run_in_a_folder_is_refused(prepared, tmp_path):
    class Second(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            with pytest.raises(DestinationError, match="Another run is making .*run .*. Wait for it to end"):
                training.train(prepared, tmp_path / "run", training.Recipe(model="small", batch_size=4), overwrite=True)
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keras.callbacks, "LambdaCallback", lambda **_: Second())
        with pytest.raises(KeyboardInterrupt):
            training.train(prepared, tmp_path / "run", RECIPE)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_nothing_is_made_where_an_option_is_wrong(prepared, tmp_path):
    for recipe, message in [
        (training.Recipe(batch_size=64), "batch_size=64 is larger than the split, which has 60 examples"),
        (training.Recipe(batch_size=8, ops="resnet"), "There is no preset 'resnet'"),
        (training.Recipe(batch_size=8, model="resnet51", image_size=64), "Unknown model"),
        (training.Recipe(batch_size=8, model="xception", image_size=64), "xception cannot be built for 64 pixels"),
    ]:
        with pytest.raises(OptionError, match=message):
            training.train(prepared, tmp_path / "run", recipe)
    assert not (tmp_path / "run").exists()


def test_evaluation_counts_every_image_once(prepared, trained, tmp_path):
    exported = ilsvrc_tfds.export(prepared, tmp_path / "exported", workers=1, allow_incomplete=True)
    model = training.load_model(trained / "model.keras")
    batches = list(
        pipeline.for_evaluation(prepared, batch_size=21, ops=ilsvrc_tfds.preprocess.preset("resnet_eval", size=32))
    )
    ((images, labels),) = [(images.numpy(), labels.numpy()) for images, labels in batches]
    ranks = (-model.predict(images, verbose=0)).argsort(1).argsort(1)[np.arange(21), labels]
    for data in (prepared, exported):
        scores = training.evaluate(data, trained / "model.keras", batch_size=8)
        assert scores.examples == 21
        np.testing.assert_allclose([scores.top1, scores.top5], [(ranks < 1).mean(), (ranks < 5).mean()], rtol=1e-6)


def test_padded_evaluation_gives_the_numbers_of_the_unpadded(prepared, trained):
    model, ops = training.load_model(trained / "model.keras"), ilsvrc_tfds.preprocess.preset("resnet_eval", size=32)
    cross_entropy = keras.metrics.SparseCategoricalCrossentropy(name="cross_entropy", from_logits=True)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(loss=loss, weighted_metrics=["accuracy", cross_entropy])

    def scores(*streams: dict) -> list[float]:
        first, *others = (pipeline.for_evaluation(prepared, ops=ops, **options) for options in streams)
        found = model.evaluate(
            functools.reduce(tf.data.Dataset.concatenate, others, first), verbose=0, return_dict=True
        )
        return [found["accuracy"], found["cross_entropy"]]

    unpadded, ours = scores({"batch_size": 21}), training.evaluate(prepared, trained / "model.keras", batch_size=8)
    assert [ours.top1, ours.loss] == pytest.approx(unpadded, abs=1e-6)
    for size in (8, 20, 64):
        assert scores({"batch_size": size, "pad": True}) == pytest.approx(unpadded, abs=1e-6)
    assert scores(*({"batch_size": 9, "shard": (host, 2)} for host in range(2))) == pytest.approx(unpadded, abs=1e-6)


def test_evaluation_of_a_name_takes_a_file_of_weights(prepared, trained, tmp_path):
    model = training.load_model(trained / "model.keras")
    model.save_weights(tmp_path / "small.weights.h5")
    of_name = training.evaluate(
        prepared, training.build_model("small", image_size=32, weights=tmp_path / "small.weights.h5")
    )
    assert of_name == training.evaluate(prepared, model)


def test_weights_of_another_model_are_refused(trained, tmp_path):
    (tmp_path / "junk.weights.h5").write_bytes(b"junk")
    for path in (trained / "model.keras", tmp_path / "junk.weights.h5", tmp_path / "missing.weights.h5"):
        with pytest.raises(SourceError, match=f"{path.name} cannot be loaded: .* Name a file that Keras has saved"):
            training.build_model("mobilenetv2", image_size=32, weights=path)


def test_folder_without_a_model_says_what_to_do(tmp_path):
    with pytest.raises(SourceError, match=r"has no model.keras. Name the folder of a finished training"):
        training.load_model(tmp_path)
    (tmp_path / "training.json").touch()
    with pytest.raises(SourceError, match=r"The training in .* is not finished: .* Run it again"):
        training.load_model(tmp_path)
    with pytest.raises(
        OptionError, match=r"Unknown model 'nothing'.* Expected a .keras file, the folder of a training"
    ):
        training.load_model("nothing")


def test_damaged_record_is_an_error_that_names_it(prepared, trained, tmp_path):
    folder = shutil.copytree(prepared, tmp_path / "prepared")
    (shard,) = folder.glob("*-val.tfrecord-*")
    shard.write_bytes(shard.read_bytes()[:-1])
    with pytest.raises(SourceError, match=f"^{shard}: record 20: byte [0-9,]+: .* Make the data set again"):
        training.evaluate(folder, trained / "model.keras")


def test_image_that_cannot_be_decoded_is_named(prepared, trained, tmp_path):
    folder = shutil.copytree(prepared, tmp_path / "prepared")
    (shard,) = map(str, folder.glob("*-val.tfrecord-*"))
    record = tf.train.Example.FromString(next(tf.data.TFRecordDataset(shard).as_numpy_iterator()))
    record.features.feature["image"].bytes_list.value[0] = b"\xff\xd8\xff\xe0 and no more"
    with tf.io.TFRecordWriter(shard) as writer:
        for _ in range(21):
            writer.write(record.SerializeToString())
    name = record.features.feature["file_name"].bytes_list.value[0].decode()
    with pytest.raises(
        SourceError, match=rf"^{shard}: record 0 \({name}\): its image cannot be decoded .* Make the data set again"
    ):
        training.evaluate(folder, trained / "model.keras")


def test_model_of_other_classes_is_refused(prepared):
    model = training.build_model("small", num_classes=10)
    with pytest.raises(OptionError, match=r"A model with 1,000 outputs is expected, but small has \(None, 10\)"):
        training.evaluate(prepared, model)


@pytest.mark.parametrize(
    "model, weights, message",
    [
        ("resnet50", None, "The name resnet50 needs weights"),
        ("small", "imagenet", "no published weights of small"),
        ("run/model.keras", "imagenet", "model.keras already has weights"),
    ],
)
def test_model_that_has_learnt_nothing_is_refused(model, weights, message, prepared):
    with pytest.raises(OptionError, match=message):
        training.evaluate(prepared, model, weights=weights)


def test_name_of_a_model_is_a_name_where_a_folder_is_called_so(trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(trained, tmp_path / "small")
    with pytest.raises(OptionError, match="The name small needs weights: .* To load the folder, name it ./small\\."):
        training.load_model("small")
    for folder in ("./small", Path("small"), trained):
        assert training.load_model(folder).input_shape == (None, 32, 32, 3)


def test_evaluation_leaves_a_models_optimizer(prepared):
    model = fitting.new_model(RECIPE, 7)
    optimizer = model.optimizer
    training.evaluate(prepared, model)
    assert model.optimizer is optimizer


def test_wrong_label_offset_is_an_error_that_says_so(prepared, tmp_path):
    out = ilsvrc_tfds.export(prepared, tmp_path / "exported", workers=1, allow_incomplete=True, label_offset=1)
    for shard in out.glob("validation-*"):
        records = [
            tf.train.Example.FromString(record) for record in tf.data.TFRecordDataset(str(shard)).as_numpy_iterator()
        ]
        with tf.io.TFRecordWriter(str(shard)) as writer:
            for record in records:
                record.features.feature["image/class/label"].int64_list.value[:] = [1000]
                record.features.feature["image/filename"].bytes_list.value[:] = [b"photo.JPEG"]
                record.features.feature["image/class/synset"].bytes_list.value[:] = [b""]
                writer.write(record.SerializeToString())
    (out / "manifest.json").unlink()
    with pytest.raises(
        SourceError,
        match=rf"{out}/validation-.*: record 0 \(photo.JPEG\): its label is 1000, counted from 0, and no class has it",
    ):
        training.evaluate(out, training.build_model("small", image_size=32), label_offset=0)


def test_application_is_saved_and_loaded_with_its_preprocessing(prepared, tmp_path):
    model = training.build_model("mobilenetv2", image_size=32)
    model.save(tmp_path / "model.keras")
    assert training.evaluate(prepared, tmp_path / "model.keras") == training.evaluate(prepared, model)


def test_test_split_is_refused(prepared):
    with pytest.raises(OptionError, match="There is no split 'test'|The test split has no labels"):
        training.evaluate(prepared, training.build_model("small"), split="test")


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_other_backends_train_and_agree(backend, prepared, trained, tmp_path):
    pytest.importorskip(backend)
    code = (
        "from ilsvrc_tfds import training\n"
        f"training.train({str(prepared)!r}, {str(tmp_path / 'run')!r}, training.Recipe(**{vars(RECIPE)!r}))\n"
        f"print(*training.evaluate({str(prepared)!r}, {str(trained / 'model.keras')!r}))\n"
    )
    environment = {**os.environ, "KERAS_BACKEND": backend}
    printed = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    ).stdout
    ours = training.evaluate(prepared, trained / "model.keras")
    np.testing.assert_allclose([float(word) for word in printed.splitlines()[-1].split()], ours, rtol=1e-4)
    losses = [[row["loss"] for row in training.read_log(out)] for out in (tmp_path / "run", trained)]
    np.testing.assert_allclose(losses[0], losses[1], rtol=0.5)


def test_model_and_backups_are_on_disk_before_they_have_their_names(prepared, tmp_path, monkeypatch):
    calls, fsync, replace = [], os.fsync, os.replace

    def synced(descriptor):
        fsync(descriptor)
        calls.append(("fsync", os.path.basename(os.readlink(f"/proc/self/fd/{descriptor}"))))

    def replaced(path, target):
        replace(path, target)
        calls.append(("rename", os.path.basename(target)))

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", replaced)
    training.train(prepared, tmp_path / "run", dataclasses.replace(RECIPE, epochs=1, warmup_epochs=0))
    wanted = [
        *(("fsync", "partial.weights.h5"), ("rename", "00001.weights.h5"), ("fsync", "backup")),
        *(("fsync", "unfinished.keras"), ("rename", "model.keras"), ("fsync", "run")),
    ]
    assert [call for call in calls if call in wanted] == wanted
