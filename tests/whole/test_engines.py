"""The bytes of what is made do not depend on the engine, nor on a worker that is killed in the middle."""

import hashlib
import os
import signal
import threading
from pathlib import Path

import drawing
import forms
import pytest

import ilsvrc_tfds
from ilsvrc_tfds import BeamRunner, DaskRunner

pytestmark = pytest.mark.slow

pytest.importorskip("apache_beam")
pytest.importorskip("distributed")
from dask_cluster import DaskCluster, dask_cluster, wait_for  # noqa: E402

TRAIN_SHARDS = 60


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return drawing.official_archives(tmp_path_factory.mktemp("many"), drawing.miniature(train=60))


@pytest.fixture(scope="module", params=["classification", "raw256", "export"])
def undisturbed(request, source, tmp_path_factory):
    """What to make, and the sums of its files, made in this process."""
    return request.param, sums(make(request.param, source, tmp_path_factory.mktemp("here"), workers=1))


def make(what: str, source: Path, folder: Path, **options) -> Path:
    """Makes all outputs of a config, or an export, and returns their folder; nothing else is left beside it."""
    options = {"workers": 1, "allow_incomplete": True, **options}
    if what == "export":
        made = ilsvrc_tfds.export(source, folder / "out", num_shards={"train": TRAIN_SHARDS}, index=True, **options)
    else:
        builder = ilsvrc_tfds.prepare(
            source, folder, config=what, num_shards={"train": TRAIN_SHARDS, "val": 3}, **options
        )
        made = Path(builder.data_dir)
    assert os.listdir(made.parent) == [made.name]
    return made


def sums(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def test_two_processes_of_beam_make_the_same_bytes(undisturbed, source, tmp_path):
    what, expected = undisturbed
    runner = BeamRunner("--direct_running_mode=multi_processing --direct_num_workers=2")
    assert sums(make(what, source, tmp_path / "data", runner=runner)) == expected


@pytest.mark.parametrize("engine", [BeamRunner, DaskRunner])
def test_engines_spool_parquet_files_too(engine, tmp_path):
    images = drawing.miniature(train=20)
    parquet = forms.hugging_face(tmp_path / "hf", images, how="pyarrow", shards=4)
    expected = sums(make("raw256", drawing.official_archives(tmp_path / "archives", images), tmp_path / "here"))
    runner = BeamRunner("--direct_running_mode=in_memory") if engine is BeamRunner else DaskRunner(workers=1)
    found = sums(make("raw256", parquet, tmp_path / "data", runner=runner))
    assert {name for name in expected if found[name] != expected[name]} == {"metadata.json"}  # it names the layout


def test_dask_makes_the_same_bytes_though_a_worker_is_killed(undisturbed, source, tmp_path):
    what, expected = undisturbed
    with dask_cluster(tmp_path) as cluster, DaskRunner(cluster.address) as runner:
        cluster.wait_for_workers()
        finished = []
        thread = threading.Thread(target=lambda: finished.append(kill_a_worker(cluster, tmp_path / "data")))
        thread.start()
        assert sums(make(what, source, tmp_path / "data", runner=runner)) == expected
        thread.join()
        assert finished[0] < TRAIN_SHARDS and [worker.poll() for worker in cluster.workers] == [-signal.SIGKILL, None]


def kill_a_worker(cluster: DaskCluster, folder: Path) -> int:
    """Kills the first worker, which has shards to write, once one is finished; returns how many were finished then."""
    finished = wait_for(lambda: [*folder.rglob("*.staging/*/*.json")])
    cluster.workers[0].kill()
    cluster.workers[0].wait()
    return len(finished)
