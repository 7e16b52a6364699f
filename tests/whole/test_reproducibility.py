"""The bytes of a prepared data set do not depend on workers or on the layout of the source; nor on interruptions: tests/whole/faults."""

import hashlib
import json
from pathlib import Path

import drawing
import pytest

import ilsvrc_tfds

pytestmark = pytest.mark.slow

SHARDS = {"train": 60, "val": 3}


@pytest.fixture(scope="module")
def many() -> drawing.Images:
    """180 train images."""
    return drawing.miniature(train=60)


@pytest.fixture(scope="module")
def source(many, tmp_path_factory):
    return drawing.official_archives(tmp_path_factory.mktemp("many"), many)


@pytest.fixture(scope="module", params=["classification", "raw256"])
def undisturbed(request, source, tmp_path_factory):
    """A config and the sums of its files, made by one worker without interruption."""
    return request.param, _sums(_prepare(source, tmp_path_factory.mktemp("one"), request.param, workers=1))


def test_two_workers_make_the_same_bytes(undisturbed, source, tmp_path):
    config, sums = undisturbed
    assert _sums(_prepare(source, tmp_path, config, workers=2)) == sums


def test_folders_make_the_same_bytes_as_archives(undisturbed, many, tmp_path):
    config, sums = undisturbed
    folder = _prepare(drawing.folders(tmp_path / "source", many), tmp_path / "data", config, workers=2)
    found = _sums(folder)
    # The one file that says from which layout the images came.
    assert json.loads((folder / "metadata.json").read_text())["source_layout"] == "folders"
    assert {**found, "metadata.json": sums["metadata.json"]} == sums


def _prepare(source: Path, data_dir: Path, config: str, **options) -> Path:
    options = {"num_shards": SHARDS, **options}
    return Path(ilsvrc_tfds.prepare(source, data_dir, config=config, allow_incomplete=True, **options).data_dir)


def _sums(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}
