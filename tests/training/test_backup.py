"""The state of a training: all that steps change comes back, also what Keras's `save_weights` leaves out."""

import logging
import os
import subprocess
import sys
from pathlib import Path

import drawing
import dropout
import h5py
import keras
import numpy as np
import pytest
import refusing

import ilsvrc_tfds
from ilsvrc_tfds import training
from ilsvrc_tfds.errors import DestinationError
from ilsvrc_tfds.training import fitting, models
from ilsvrc_tfds.training.backup import Backup, Progress

pytestmark = pytest.mark.slow


@pytest.fixture
def with_dropout(monkeypatch):
    """The model `small` has dropout."""
    monkeypatch.setattr(models, "_small", dropout.network)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    root = tmp_path_factory.mktemp("backup")
    source = drawing.official_archives(root / "source", drawing.miniature(train=14))
    return ilsvrc_tfds.prepare(source, root / "data", config="raw256", workers=1, allow_incomplete=True).data_dir


def fitted(model: keras.Model, epochs: int) -> keras.Model:
    """Returns the model, trained on some noise for so many epochs of two steps."""
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (8, 32, 32, 3), np.uint8), rng.dirichlet(np.ones(1000), 8)
    model.fit(images, labels, batch_size=4, epochs=epochs, shuffle=False, verbose=0)
    return model


def saved(model: keras.Model, folder: Path) -> Backup:
    backup = Backup(folder)
    backup.set_model(model)
    backup.on_epoch_end(0)
    return backup


def everything(model: keras.Model) -> list[np.ndarray]:
    """Returns all that a model and its optimizer consist of; metrics begin anew with an epoch."""
    metrics = set(map(id, model.metrics_variables))
    return [
        np.asarray(variable)
        for variable in (*model.variables, *model.optimizer.variables)
        if id(variable) not in metrics
    ]


def test_killed_training_with_dropout_ends_with_the_same_weights(prepared, tmp_path, with_dropout):
    undisturbed = training.load_model(training.train(prepared, tmp_path / "undisturbed", dropout.RECIPE)).get_weights()
    command = [sys.executable, Path(dropout.__file__), prepared, tmp_path / "killed"]
    assert subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == -9
    assert [path.name for path in (tmp_path / "killed/backup").iterdir()] == ["00001.weights.h5"]
    continued = training.load_model(training.train(prepared, tmp_path / "killed", dropout.RECIPE)).get_weights()
    for one, other in zip(undisturbed, continued, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_everything_comes_back(optimizer, policy, tmp_path, with_dropout):
    def new_model():
        before = keras.config.dtype_policy()
        try:
            keras.config.set_dtype_policy(policy)
            return fitting.new_model(training.Recipe(model="small", image_size=32, optimizer=optimizer), 2)
        finally:
            keras.config.set_dtype_policy(before)

    model, other = fitted(new_model(), 1), new_model()
    assert saved(model, tmp_path / "backup").restore(other) == Progress(1)
    for one, another in zip(everything(model), everything(other), strict=True):
        np.testing.assert_array_equal(one, another)
    for one, another in zip(everything(fitted(model, 2)), everything(fitted(other, 2)), strict=True):
        np.testing.assert_array_equal(one, another)


def test_state_of_another_optimizer_is_refused(tmp_path):
    def model(**fields):
        return fitting.new_model(training.Recipe(model="small", image_size=32, **fields), 2)

    backup = saved(fitted(model(precision="float16"), 1), tmp_path)
    for fields in ({"precision": "float32"}, {"optimizer": "adamw"}):
        with pytest.raises(
            DestinationError, match="00001.weights.h5 has the state of another optimizer, or of another"
        ):
            backup.restore(model(**fields))
    backup.restore(model(precision="float16"))


def test_backup_without_the_states_is_continued_with_a_warning(tmp_path, with_dropout, caplog):
    model = fitted(fitting.new_model(dropout.RECIPE, 2), 1)
    backup = saved(model, tmp_path)
    with h5py.File(tmp_path / "00001.weights.h5", "r+") as file:
        del file["seed_generators"]
    other = fitting.new_model(dropout.RECIPE, 2)
    caplog.set_level(logging.WARNING)
    assert backup.restore(other) == Progress(1)
    assert "00001.weights.h5 has no random states: dropout will differ" in caplog.text
    np.testing.assert_array_equal(model.get_weights()[0], other.get_weights()[0])


def test_backups_within_an_epoch_leave_that_of_the_last_epoch(tmp_path, with_dropout):
    class Names(keras.callbacks.Callback):
        """What is there in each step."""

        def on_train_batch_end(self, batch, logs=None):
            names.append(sorted(path.name.removesuffix(".weights.h5") for path in tmp_path.iterdir()))

    names, backup, model = [], Backup(tmp_path, every=2), fitting.new_model(dropout.RECIPE, 2)
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (12, 32, 32, 3), np.uint8), rng.dirichlet(np.ones(1000), 12)
    model.fit(images, labels, batch_size=2, epochs=2, shuffle=False, verbose=0, callbacks=[backup, Names()])
    first, second = (["00000-000002"], ["00000-000004"]), (["00001", "00001-000002"], ["00001", "00001-000004"])
    assert names == [
        [],
        first[0],
        first[0],
        first[1],
        first[1],
        first[1],
        *[["00001"]],
        *sum(([s, s] for s in second), []),
        second[1],
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["00002.weights.h5"] and backup.progress == Progress(2)


def test_model_without_dropout_has_no_states_and_no_warning(tmp_path, caplog):
    model = fitted(fitting.new_model(dropout.RECIPE, 2), 1)
    caplog.set_level(logging.WARNING)
    saved(model, tmp_path).restore(fitting.new_model(dropout.RECIPE, 2))
    assert not caplog.messages


def test_backup_that_was_not_finished_is_none(tmp_path, with_dropout, monkeypatch):
    model = fitted(fitting.new_model(dropout.RECIPE, 2), 1)
    with monkeypatch.context() as patch:
        patch.setattr(keras.ops, "convert_to_numpy", lambda value: 1 / 0)  # killed between the weights and the states
        with pytest.raises(ZeroDivisionError):
            saved(model, tmp_path / "backup")
    assert Backup(tmp_path / "backup").progress == Progress()


def test_states_come_back_with_jax(tmp_path):
    pytest.importorskip("jax")
    code = (
        "import sys; from pathlib import Path; import test_backup, dropout\n"
        "from ilsvrc_tfds.training import fitting, models\n"
        "models._small = dropout.network\n"
        "assert test_backup.keras.backend.backend() == 'jax'\n"
        "one, other = (fitting.new_model(dropout.RECIPE, 2) for _ in range(2))\n"
        "test_backup.saved(test_backup.fitted(one, 1), Path(sys.argv[1])).restore(other)\n"
        "for model in (one, other): test_backup.fitted(model, 2)\n"
        "same = [(a == b).all() for a, b in zip(*map(test_backup.everything, (one, other)), strict=True)]\n"
        "print(len(same), all(same))\n"
    )
    environment = {
        **os.environ,
        "KERAS_BACKEND": "jax",
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), str(Path(dropout.__file__).parent)]),
    }
    printed = subprocess.run(
        [sys.executable, "-c", code, tmp_path], env=environment, capture_output=True, text=True, check=True
    ).stdout
    count, same = printed.split()
    assert int(count) > 10 and same == "True"


# A library user who has loaded HDF5 before this package, on a file system without locks.
LOADED_BEFORE = """
import io, sys
from pathlib import Path
import h5py, keras
h5py.File(io.BytesIO(), "w").close()
from ilsvrc_tfds import training
from ilsvrc_tfds.training import backup, fitting
data, out = sys.argv[1], Path(sys.argv[2])
recipe = training.Recipe(model="small", image_size=32, epochs=2, batch_size=4, warmup_epochs=0)
model = training.load_model(training.train(data, out / "run", recipe))
model, other = (fitting.new_model(training.Recipe(model="small", image_size=32, seed=seed), 2) for seed in (1, 2))
model.optimizer.build(model.trainable_variables)
one = backup.Backup(out / "backup")
one.set_model(model)
one.on_epoch_end(4)
assert one.restore(other).epochs == 5
weights = out / "backup/00005.weights.h5"
again = training.build_model("small", image_size=32, weights=weights)
for copy in (other, again):
    assert all((a == b).all() for a, b in zip(model.get_weights(), copy.get_weights(), strict=True))
print(sorted(path.name for path in (out / "backup").iterdir()))
"""


def test_training_works_without_locks_where_hdf5_was_loaded_before(prepared, tmp_path):
    command = [sys.executable, refusing.__file__, "ENOLCK", "flock", sys.executable, "-c", LOADED_BEFORE]
    environment = {key: value for key, value in os.environ.items() if key != "HDF5_USE_FILE_LOCKING"}
    done = subprocess.run([*command, prepared, tmp_path], env=environment, capture_output=True, text=True)
    if done.returncode == refusing.UNAVAILABLE:
        pytest.skip("the kernel refuses to refuse system calls here")
    assert done.stdout == "['00005.weights.h5']\n", done.stderr[-2000:]


def test_backup_is_what_keras_writes_and_reads(tmp_path, with_dropout):
    model = fitted(fitting.new_model(dropout.RECIPE, 2), 1)
    saved(model, tmp_path / "backup")
    model.save_weights(tmp_path / "keras.weights.h5")
    contents = []
    for path in (tmp_path / "keras.weights.h5", tmp_path / "backup/00001.weights.h5"):
        with h5py.File(path) as file:
            found = {}
            file.visititems(lambda name, item: found.update({name: item[()]}) if hasattr(item, "dtype") else None)
            contents.append({name: value for name, value in found.items() if not name.startswith("seed_generators")})
    assert len(contents[0]) > 10 and contents[0].keys() == contents[1].keys()
    for name, value in contents[0].items():
        np.testing.assert_array_equal(value, contents[1][name])
