"""Training and evaluation on several devices of one host: the same numbers as on one, and a stop changes nothing."""

import json
import subprocess
import sys

import keras
import many_devices
import numpy as np
import pytest

from ilsvrc_tfds import training
from ilsvrc_tfds.errors import OptionError
from ilsvrc_tfds.training.devices import Devices, use_devices

DEVICES = 4


@pytest.fixture(scope="module", params=["tensorflow", "jax"])
def outcomes(request, prepared, tmp_path_factory) -> dict:
    """What a process with four devices found."""
    pytest.importorskip(request.param)
    command = [sys.executable, many_devices.__file__, str(DEVICES), prepared, tmp_path_factory.mktemp(request.param)]
    environment = many_devices.environment(request.param, DEVICES)
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


@pytest.mark.slow
def test_losses_are_those_of_one_device(outcomes):
    one, several = outcomes["trained on 1"], outcomes["trained on 4"]
    assert len(one["losses"]) == 20
    np.testing.assert_allclose(several["losses"], one["losses"], rtol=0, atol=1e-4)
    for mine, other in zip(several["log"], one["log"], strict=True):
        assert mine == pytest.approx(other, abs=1e-4)


@pytest.mark.slow
def test_training_continues_on_other_devices(outcomes):
    one, both = outcomes["trained on 1"], outcomes["continued on others"]
    # One run ended at the fourth step of the second epoch, two steps after its last backup; so 7, 8 come twice.
    np.testing.assert_allclose([*both["losses"][:7], *both["losses"][9:]], one["losses"], rtol=0, atol=1e-4)
    assert [row["epoch"] for row in both["log"]] == [0, 1, 2, 3]
    for mine, other in zip(both["log"], one["log"], strict=True):
        assert mine == pytest.approx(other, abs=1e-4)


@pytest.mark.slow
def test_stop_within_an_epoch_changes_no_bit(outcomes):
    whole, interrupted = outcomes["with dropout"], outcomes["with dropout, interrupted"]
    assert interrupted["weights"] == whole["weights"]
    for mine, other in zip(interrupted["log"], whole["log"], strict=True):
        assert mine == pytest.approx(other, rel=1e-6)


@pytest.mark.slow
def test_scores_are_those_of_one_device(outcomes):
    one = outcomes["evaluated on 1"]
    assert one[0] == 21
    assert outcomes["evaluated on 3"] == pytest.approx(one, abs=1e-6)
    assert outcomes["evaluated on all"] == pytest.approx(one, abs=1e-6)


@pytest.mark.slow
def test_scores_on_evaluation_sets_are_those_of_one_device(outcomes):
    val, ((part,),) = outcomes["scores on 3"][0], outcomes["scores on 3"][1:]
    assert (val[0]["images"], part["images"]) == (21, 11)
    assert outcomes["scores on 3"] == outcomes["scores on 1"]


@pytest.mark.slow
def test_validation_is_that_of_the_saved_model(outcomes):
    *_, last = outcomes["with dropout"]["log"]
    scores = [last[f"val_{name}"] for name in ("loss", "top1", "top5")]
    assert scores == pytest.approx(outcomes["scores with dropout"][1:4], abs=1e-5)


@pytest.mark.slow
def test_what_devices_cannot_do_is_refused_before_any_work(outcomes):
    message, exists = outcomes["uneven"]
    assert message.startswith("batch_size must be a multiple of 4, the number of devices, got 9. Choose 8 or 12")
    assert not exists
    assert "5 devices are wanted, but there are 4 devices" in outcomes["too many"]
    assert "devices=1, but the strategy or distribution that is in use has 4 devices" in outcomes["in a scope"]
    assert outcomes["left as it was"]


@pytest.mark.parametrize("batch_size, message", [(3, "Choose 4, or"), (1025, "got 1,025. Choose 1,024 or 1,028, or")])
def test_sizes_that_devices_divide_are_named(batch_size, message):
    with pytest.raises(OptionError, match=message):
        Devices(4).require_divided(batch_size)


@pytest.mark.parametrize("devices, message", [(0, "must be at least 1, got 0"), (1.5, "must be a whole number")])
def test_impossible_number_of_devices_is_refused(devices, message):
    with pytest.raises(OptionError, match=message), use_devices(devices):
        pass


def test_several_devices_of_pytorch_are_refused(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    with pytest.raises(OptionError, match=r"one device with torch, not 2.*for_training\(…, shard=\(rank, n\)\)"):
        with use_devices(2):
            pass
    with use_devices() as devices:
        assert devices == Devices(1)


def test_several_hosts_of_tensorflow_are_refused(prepared, monkeypatch):
    cluster = {"worker": ["a:1", "b:1"]}
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": cluster, "task": {"type": "worker", "index": 0}}))
    for call in (
        lambda: training.train(prepared, "x", many_devices.RECIPE),
        lambda: training.evaluate(prepared, "resnet50"),
    ):
        with pytest.raises(OptionError, match="`fit` of Keras 3 fails under MultiWorkerMirroredStrategy with any data"):
            call()
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": {"worker": ["a:1"]}}))
    with use_devices() as devices:
        assert not devices.several
