"""How far shards and image files are, by the files that exist."""

from pathlib import Path

import numpy as np
import pytest

from ilsvrc_tfds.images import Original
from ilsvrc_tfds.shards.encoders import TfdsExample
from ilsvrc_tfds.shards.image_files import FilesTask, write_files
from ilsvrc_tfds.shards.image_folders import as_files
from ilsvrc_tfds.shards.plan import plan_split
from ilsvrc_tfds.shards.watching import watched, watched_files
from ilsvrc_tfds.shards.writer import ShardTask, finish_shard
from ilsvrc_tfds.sources import find_layout, index_images


@pytest.fixture
def splits(archives):
    return index_images(find_layout([archives])).splits


class NoRunner:
    def stop(self):
        pass


def test_shards_that_others_write_are_seen_before_they_are_finished(splits, tmp_path):
    plans = [plan_split(splits["train"], num_shards=2), plan_split(splits["val"], num_shards=1)]
    tasks = [
        ShardTask(shard, str(tmp_path / f"{shard.split}-{shard.index}"), TfdsExample(Original()))
        for plan in plans
        for shard in plan.shards()
    ]
    finish_shard(tasks[0])
    with watched("raw256", plans, tmp_path, NoRunner()) as watch:
        assert list(watch.waiting(tasks)) == tasks
        assert watch.work.finished == 6 and watch.work.speed() == 0  # the work of an earlier run
        watch.look(watch.work)
        assert watch.work.label == "raw256 train"
        written = finish_shard(ShardTask(tasks[1].shard, str(tmp_path / "elsewhere"), tasks[1].encode))
        half = Path(written_path := f"{tasks[1].path}.0123abcd.partial")
        half.write_bytes(bytes(int(plans[0].num_bytes / 4)))
        watch.look(watch.work)
        assert watch.work.finished == pytest.approx(9, abs=0.1)
        half.write_bytes(bytes(10 * written.file_bytes))
        watch.look(watch.work)
        assert 11.9 < watch.work.finished < 12
        Path(written_path).unlink()
        for task in tasks:
            watch.finish(finish_shard(task))
        assert watch.work.finished == 18 and watch.work.label == "raw256 val"


def test_files_that_others_write_are_seen_before_their_shard_is_finished(splits, tmp_path):
    val = splits["val"]
    paths = as_files(val, "").paths()
    parts = np.array_split(np.arange(len(val)), 2)
    tasks = [
        FilesTask(val.take(rows), paths[rows], str(tmp_path / "tree"), str(tmp_path / f"{k}.json"))
        for k, rows in enumerate(parts)
    ]
    with watched_files(tasks, NoRunner()) as watch:
        watch.look(watch.work)
        assert watch.work.finished == 0 and watch.work.label == "unpack val"
        write_files(tasks[0])
        for target in tasks[1].targets()[:2]:
            Path(target).parent.mkdir(parents=True, exist_ok=True)
            Path(target).touch()
        watch.look(watch.work)
        assert watch.work.finished == 5
        for task in tasks:
            watch.finish(write_files(task))
        assert watch.work.finished == 6
    with watched_files(tasks, NoRunner()) as watch:
        assert watch.work.finished == 6
