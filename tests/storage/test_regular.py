"""Pipes in place of files are an error at once. Another process opens each, so that an endless wait fails the test."""

import os
import socket
import subprocess
import sys

import pytest

from ilsvrc_tfds.errors import SourceError
from ilsvrc_tfds.storage.regular import open_regular

CODE = """
import os, sys
from pathlib import Path
from ilsvrc_tfds import errors
from ilsvrc_tfds.formats import hdf5, info, manifest, record_index, tfrecord
from ilsvrc_tfds.outputs import unpack
from ilsvrc_tfds.outputs.dataset_info import DatasetInfo
from ilsvrc_tfds.outputs.replaceable import require_free_for_export, require_free_for_files
from ilsvrc_tfds.sources import find_layout, index_images, boxes

here = Path(sys.argv[1])
def pipe(name):
    path = here / name
    path.parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(path)
    return path

def source(name):
    index_images(find_layout([pipe(name).parent]))

described = DatasetInfo.__new__(DatasetInfo)
cases = {
    "manifest": lambda: manifest.read(pipe("a/manifest.json").parent),
    "info": lambda: info.read_info(pipe("b/dataset_info.json").parent),
    "TFDS's info": lambda: described.read_from_directory(pipe("c/dataset_info.json").parent),
    "metadata.h5": lambda: hdf5.read(pipe("d/metadata.h5")),
    "index": lambda: record_index.shard_spans(str(pipe("e/index-train-00000-of-00001")).replace("index-", "")),
    "records": lambda: list(tfrecord.read_records(pipe("f"))),
    "spans": lambda: tfrecord.read_spans(pipe("g")),
    "record": lambda: tfrecord.read_record(pipe("h"), 0, 20),
    "boxes": lambda: boxes.read_boxes([pipe("i.tar.gz")]),
    "table": lambda: boxes.read_boxes([pipe("j.csv")]),
    "XML": lambda: boxes.read_boxes([pipe("k/n01440764_1.xml").parent]),
    "export's destination": lambda: require_free_for_export(pipe("l/manifest.json").parent, True),
    "unpack's destination": lambda: require_free_for_files(pipe("m/unpacked.json").parent, True),
    "source": lambda: source("n/ILSVRC2012_img_val.tar"),
}
for name, read in cases.items():
    try:
        read()
    except errors.IlsvrcError as error:
        print(f"{name}: {error}".splitlines()[0], flush=True)
    else:
        print(f"{name}: nothing was said", flush=True)
"""


def test_pipes_are_refused_at_once_wherever_a_file_is_read(tmp_path):
    done = subprocess.run([sys.executable, "-c", CODE, tmp_path], capture_output=True, text=True, timeout=120)
    lines = done.stdout.splitlines()
    assert len(lines) == 14 and not done.returncode, done.stderr
    others = [line for line in lines if "is a pipe, and a regular file is expected" not in line]
    assert len(others) == 2 and "m is not empty and was not made by unpack" in others[0]
    assert others[1].startswith("source: No ILSVRC2012 found")  # what is no file is no archive


def test_sockets_and_devices_are_refused_and_folders_and_links_are_as_usual(tmp_path):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(tmp_path / "socket"))
        for path, kind in ((tmp_path / "socket", "a socket"), ("/dev/zero", "a device")):
            with pytest.raises(SourceError, match=f"{path} is {kind}, and a regular file"):
                open_regular(path)
    with pytest.raises(IsADirectoryError):
        open_regular(tmp_path)
    with pytest.raises(FileNotFoundError):
        open_regular(tmp_path / "gone")
    (tmp_path / "file").write_bytes(b"data"), (tmp_path / "link").symlink_to("file")
    with open_regular(tmp_path / "link") as file:
        assert file.read() == b"data"
