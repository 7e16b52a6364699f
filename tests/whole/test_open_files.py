"""Fewer open files than archives: real limits (`ulimit -n`), for a process and its workers."""

import os
import subprocess
import sys
from pathlib import Path

import drawing
import pytest

import ilsvrc_tfds
from ilsvrc_tfds import synsets
from ilsvrc_tfds.sources import Reader, find_layout, index_images

pytestmark = pytest.mark.slow

COMMANDS = """
import resource, sys
from pathlib import Path
limit, source, out = int(sys.argv[1]), *sys.argv[2:]
resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
from ilsvrc_tfds.cli import main
data = f"{out}/data/ilsvrc2012/classification/1.0.0"
for words in (
    f"prepare {source} --data-dir {out}/data --allow-incomplete --num-shards train=4,val=1 --workers 2",
    f"export {source} --out {out}/records --allow-incomplete --num-shards train=4 --index --workers 2",
    f"unpack {data} --out {out}/files --workers 2",
    f"metadata {source} --out {out}/metadata.h5 --workers 2",
    f"verify {data} --workers 2",
    f"verify {out}/records --workers 2",
):
    assert main(words.split()) == 0, words
assert main(f"doctor {source} --deep --workers 2".split()) == 1  # incomplete
"""
# Reads the last image while no file may be opened any more.
READ = """
import os, resource, sys
from ilsvrc_tfds.errors import SourceError
from ilsvrc_tfds.sources import Reader, find_layout, index_images
members = index_images(find_layout([sys.argv[1]])).splits["train"]
resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
with Reader() as reader:
    reader.read(members, 0)
    if sys.argv[2] == "none":
        reader.__exit__()
    taken = []
    while True:
        try:
            taken.append(os.open("/", os.O_RDONLY))
        except OSError:
            break
    try:
        print(len(reader.read(members, len(members) - 1)))
    except SourceError as error:
        print(error)
"""


@pytest.fixture(scope="module")
def thousand(tmp_path_factory) -> Path:
    """1000 class archives of two images each."""
    picture = drawing.jpeg(40, 30)
    train = {wnid: {f"{wnid}_{k}.JPEG": picture for k in range(2)} for wnid in synsets.wnids()}
    val = {f"ILSVRC2012_val_{k:08d}.JPEG": picture for k in range(1, 5)}
    return drawing.class_archives(tmp_path_factory.mktemp("thousand"), drawing.Images(train, val, {}))


def test_64_open_files_are_enough_for_1000_archives_and_two_workers(thousand, tmp_path):
    done = subprocess.run([sys.executable, "-c", COMMANDS, "64", thousand, tmp_path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.count("OK: ") == 2 and "Too many open files" not in done.stdout
    options = {"allow_incomplete": True, "num_shards": {"train": 4, "val": 1}, "workers": 1}
    whole = Path(ilsvrc_tfds.prepare(thousand, tmp_path / "again", **options).data_dir)
    for path in whole.glob("*.tfrecord-*"):
        assert path.read_bytes() == (tmp_path / "data/ilsvrc2012/classification/1.0.0" / path.name).read_bytes()


@pytest.mark.parametrize("open_archives", ["one", "none"])
def test_archives_that_are_open_give_way_to_another(open_archives, thousand):
    done = subprocess.run([sys.executable, "-c", READ, thousand, open_archives], capture_output=True, text=True)
    refused = (
        "cannot be read: Too many open files. This process may have 40 files open, which is too few: raise the limit"
    )
    assert (f"{len(drawing.jpeg(40, 30))}\n" if open_archives == "one" else refused) in done.stdout, done.stderr


def test_archives_that_were_read_longest_ago_are_closed(thousand):
    members = index_images(find_layout([thousand])).splits["train"]
    before = len(os.listdir("/proc/self/fd"))
    with Reader() as reader:
        for row in range(0, len(members), 3):
            assert len(reader.read(members, row)) == members.size[row]
        assert len(os.listdir("/proc/self/fd")) <= before + 128
        reader.require_unchanged()
    assert len(os.listdir("/proc/self/fd")) == before


def test_fewer_than_the_fewest_are_named_with_the_cure(tmp_path):
    line = ["sh", "-c", 'ulimit -n 20; exec "$0" "$@"', sys.executable, "-m", "ilsvrc_tfds.cli", "doctor", tmp_path]
    done = subprocess.run(line, capture_output=True, text=True)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert done.stderr.endswith(
        "This process may have only 20 files open, and at least 32 are needed. Raise the limit (`ulimit -n 1024`).\n"
    )


def test_soft_limit_is_raised_where_that_is_allowed(archives, tmp_path):
    line = ["sh", "-c", 'ulimit -Sn 20; exec "$0" "$@"', sys.executable, "-m", "ilsvrc_tfds.cli", "metadata", archives]
    done = subprocess.run([*line, "--out", tmp_path / "metadata.h5"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
