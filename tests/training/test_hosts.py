"""Two real processes of JAX on loopback: the numbers of one process; one of them is killed, and the training continues."""

import contextlib
import dataclasses
import json
import os
import socket
import subprocess
import sys

import drawing
import host_worker
import many_devices
import numpy as np
import pytest

import ilsvrc_tfds
from ilsvrc_tfds import training

HOSTS = 2
# Long for a busy machine; each of the runs takes a quarter of a minute on two cores.
SECONDS = 240


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A prepared miniature: 60 images of train, 21 of val."""
    pytest.importorskip("jax")
    root = tmp_path_factory.mktemp("hosts")
    source = drawing.official_archives(root / "source", drawing.miniature(train=20, val=7))
    return ilsvrc_tfds.prepare(source, root / "data", config="raw256", workers=1, allow_incomplete=True).data_dir


def run(*commands: list) -> list[tuple[int, str, str]]:
    """Runs a command on each host, and returns its status, output and errors."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
    with contextlib.ExitStack() as stack:
        processes = []
        for index, command in enumerate(commands):
            job = {"JOB_ADDRESSES": address, "NUM_PROCESSES": str(HOSTS), "PROCESS_ID": str(index)}
            environment = many_devices.environment("jax", 1)
            environment |= {f"KERAS_DISTRIBUTION_{key}": value for key, value in job.items()}
            pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
            process = stack.enter_context(subprocess.Popen([sys.executable, *command], env=environment, **pipes))
            stack.callback(process.kill)
            processes.append(process)
        said = [process.communicate(timeout=SECONDS) for process in processes]
        return [(process.returncode, *words) for process, words in zip(processes, said)]


def worker(*words) -> list:
    return [host_worker.__file__, *words]


def in_words(recipe: training.Recipe) -> list[str]:
    usual = dataclasses.asdict(training.Recipe())
    fields = {key: value for key, value in dataclasses.asdict(recipe).items() if value != usual[key]}
    return [word for key, value in fields.items() for word in (f"--{key.replace('_', '-')}", str(value))]


@pytest.mark.slow
def test_killed_process_ends_the_job_and_the_same_command_continues_it(prepared, tmp_path):
    alone = subprocess.run(
        [sys.executable, *worker(prepared, tmp_path / "alone")],
        env=many_devices.environment("jax", HOSTS),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    expected = json.loads(alone.stdout)
    assert len(expected["losses"]) == 15

    out = tmp_path / "run"
    command = [
        "-m",
        "ilsvrc_tfds",
        "train",
        prepared,
        "--out",
        out,
        *in_words(host_worker.RECIPE),
        "--backup-every",
        "2",
    ]
    (status, _, said), (killed, _, _) = run(command, worker(prepared, out, "1", "2"))
    assert (status, killed) == (1, -9), said[-2000:]
    assert "Host 0 of 2 has lost another one" in said and "Run the same command again on all hosts to continue" in said
    assert {path.name for path in (out / "backup").iterdir()} == {"00001.weights.h5", "00001-000002.weights.h5"}

    outcomes = run(*[worker(prepared, out)] * HOSTS)
    assert [status for status, _, _ in outcomes] == [0, 0], outcomes[0][2][-2000:]
    for _, printed, _ in outcomes:
        found = json.loads(printed.splitlines()[-1])
        np.testing.assert_allclose(found["losses"], expected["losses"][7:], rtol=0, atol=1e-4)
        assert found["scores"] == pytest.approx(expected["scores"], abs=1e-4) and found["scores"][0] == 21
    for mine, other in zip(training.read_log(out), training.read_log(tmp_path / "alone"), strict=True):
        assert mine == pytest.approx(other, abs=1e-4)
    assert not os.path.exists(out / "backup") and (out / "model.keras").exists()


@pytest.mark.slow
def test_error_of_the_first_process_ends_all(prepared, tmp_path):
    (tmp_path / "photos").write_text("")
    command = ["-m", "ilsvrc_tfds", "train", prepared, "--out", tmp_path, *in_words(host_worker.RECIPE)]
    (first, _, cause), (second, _, consequence) = run(command, command)
    assert (first, second) == (1, 1)
    assert "is not empty, and no training was begun in it" in cause
    assert "The first host has stopped the run. Its message says why" in consequence
