"""Folders whose names are not UTF-8, or not what the locale can say, are read as all others."""

import os
import shutil
import subprocess
import sys

import pytest

CODE = """
import os, sys
from pathlib import Path
from ilsvrc_tfds import pipeline
from ilsvrc_tfds.errors import SourceError
from ilsvrc_tfds.pipeline.bench import measure

def count(data):
    return sum(len(labels) for _, labels in data)

for folder in map(Path, sys.argv[1:]):
    made = {"batch_size": 1, "ops": ()}
    counts = [
        count(pipeline.for_training(folder, epochs=1, **made)),
        count(pipeline.for_training(folder, epochs=1, fraction=1.0, **made)),
        count(pipeline.for_evaluation(folder, **made)),
    ]
    measure(folder, batch_size=2, seconds=0.01, rounds=1)
    shard = sorted(folder.glob("*train*-of-*"))[0]
    data = bytearray(shard.read_bytes())
    data[-100] ^= 1
    shard.write_bytes(data)
    try:
        with pipeline.source_errors(folder):
            count(pipeline.for_training(folder, epochs=1, **made))
    except SourceError as error:
        print(*counts, ascii(str(error)))
"""


@pytest.mark.slow
def test_folder_of_any_name_is_read_in_any_locale(prepare, tmp_path):
    prepared = prepare(num_shards={"train": 2, "val": 1}).data_path
    names = [b"\xff", "\N{CYRILLIC SMALL LETTER A}".encode()]
    folders = [os.fsencode(tmp_path) + b"/data-" + name for name in names]
    for folder in folders:
        shutil.copytree(prepared, os.fsdecode(folder))
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    command = [sys.executable, "-c", CODE, *folders]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **plain}, timeout=240)
    assert done.returncode == 0, done.stderr[-2000:]
    lines = done.stdout.splitlines()
    assert len(lines) == len(names)
    for line in lines:
        assert line.startswith("12 12 6 ") and "train.tfrecord-00000-of-00002: record 5" in line
