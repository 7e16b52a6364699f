"""The command lines of docs/buckets.md, tried against servers that nobody here wrote."""

import shlex
from pathlib import Path

import pytest

from ilsvrc_tfds.cli import main
from ilsvrc_tfds.storage import bucket

PAGE = Path(__file__).parents[2] / "docs" / "buckets.md"
FEW = {"prepare": ["--num-shards", "train=2,val=1"], "export": ["--num-shards", "train=2,validation=1"]}


def lines() -> list[str]:
    """Returns the commands of the page; the lines of one are joined."""
    whole = PAGE.read_text().replace("\\\n", " ")
    return [line for line in whole.splitlines() if line.startswith("ilsvrc-tfds ")]


@pytest.mark.slow
def test_command_lines_of_the_page_run(store, archives, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ILSVRC2012_ALLOW_INCOMPLETE", "1")
    above = store.url("page")
    here = {
        "/data/imagenet": archives,
        "gs://BUCKET": above,
        "s3://BUCKET": above,
        "/data/scratch": tmp_path / "scratch",
    }
    for line in lines():
        for written, real in here.items():
            line = line.replace(written, str(real))
        words = shlex.split(line)[1:]
        words += ["--workers", "1"] if words[0] != "show" else []
        assert main([*words, *FEW.get(words[0], [])]) == 0, line
    found = bucket.listed(above)
    assert "tfrecords/manifest.json" in found and "tfrecords/index-train-00000-of-00002" in found
    assert "tfds/ilsvrc2012/raw256/1.0.0/dataset_info.json" in found
    assert (tmp_path / "contact-sheet.png").exists() and (tmp_path / "images" / "unpacked.json").exists()
    assert not [name for name in found if ".staging" in name]
    assert not list((tmp_path / "scratch").iterdir())


def test_page_has_a_line_for_each_command_that_takes_urls():
    assert {line.split()[1] for line in lines()} >= {"prepare", "export", "verify", "show", "index", "unpack"}
