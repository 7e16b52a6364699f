"""Two real processes of `tf.distribute`: each example comes exactly once, however the data are dealt out."""

import collections
import contextlib
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import drawing
import numpy as np
import pytest

import ilsvrc_tfds

pytestmark = pytest.mark.slow

# One for each of 128 shards at least, and whole batches of 6 for each of two.
IMAGES = drawing.miniature(train=44, val=43)
KINDS = {
    "training": ["whole, an epoch", "whole, an epoch and its remainder", "whole, endless"]
    + ["shares, an epoch", "shares, endless", "shares by function, an epoch", "shares by function, endless"],
    "evaluation": ["whole", "whole, padded", "shares", "shares by function"],
}
CASES = [f"{split}, {kind}" for split, kinds in KINDS.items() for kind in kinds]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory) -> dict[tuple[int, str], list]:
    """What each of the two processes got, by the number of shards and the case."""
    root = tmp_path_factory.mktemp("distributed")
    source, folders = drawing.official_archives(root / "source", IMAGES), []
    for shards in (1, 128):
        options = {"num_shards": {"train": shards, "val": shards}, "workers": 1, "allow_incomplete": True}
        folders.append(ilsvrc_tfds.prepare(source, root / str(shards), **options).data_dir)
    found = collections.defaultdict(list)
    for line in printed_lines(folders):
        shards, name, outcome = json.loads(line)
        found[shards, name].append(outcome)
    return found


def printed_lines(folders: list[str]) -> list[str]:
    """Returns the lines that the processes print."""
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(2)]
        workers = [f"127.0.0.1:{server.getsockname()[1]}" for server in servers]
    with contextlib.ExitStack() as stack:
        processes = []
        for index in range(2):
            config = {"cluster": {"worker": workers}, "task": {"type": "worker", "index": index}}
            command = [sys.executable, Path(drawing.__file__).with_name("strategy_worker.py"), *folders]
            environment = {**os.environ, "TF_CONFIG": json.dumps(config)}
            process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
            stack.callback(stack.enter_context(process).kill)
            processes.append(process)
        return [line for process in processes for line in process.communicate(timeout=240)[0].splitlines()]


@pytest.mark.parametrize("shards", [1, 128])
@pytest.mark.parametrize("case", CASES)
def test_each_example_is_one_process_es_once(case, shards, outcomes):
    first, second = outcomes[shards, case]
    expected = IMAGES.labels("train" if case.startswith("training") else "val")
    assert sorted(first + second) == sorted(expected)
    assert abs(len(first) - len(second)) <= 6  # a batch


def test_whole_stream_in_no_order_is_refused(outcomes):
    assert all("Could not apply FILE based sharding" in text for text in outcomes[128, "training, whole, in no order"])


def test_train_is_refused(outcomes):
    assert all("`fit` of Keras 3 fails under MultiWorkerMirroredStrategy" in text for text in outcomes[128, "train"])


def test_loop_of_the_docs_trains_one_model(outcomes):
    first, second = outcomes[0, "loop"]
    assert first == second and len(first) == 4
    assert first[2] < first[0] and abs(first[0] - np.log(1000)) < 1
