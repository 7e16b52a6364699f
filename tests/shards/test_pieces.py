"""Shards that are written in pieces: the same bytes and receipts, continued after a stop, and nothing left over."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import drawing
import numpy as np
import pytest

import ilsvrc_tfds
from ilsvrc_tfds.errors import ImageError
from ilsvrc_tfds.images import Original, Resized
from ilsvrc_tfds.runners import LocalRunner
from ilsvrc_tfds.shards import pieces, run
from ilsvrc_tfds.shards.encoders import TfdsExample
from ilsvrc_tfds.shards.plan import plan_split
from ilsvrc_tfds.shards.watching import Watch
from ilsvrc_tfds.shards.writer import SKIP, ShardTask, finish_shard
from ilsvrc_tfds.sources import find_layout, index_images


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch):
    monkeypatch.setattr(pieces, "_PIECE_IMAGES", 3)
    monkeypatch.setattr(pieces, "_MOST_WHOLE_IMAGES", 0)  # all shards are cut


@pytest.fixture
def plans(tmp_path):
    source = drawing.official_archives(tmp_path / "source", drawing.miniature(train=4, val=2))
    splits = index_images(find_layout([source])).splits
    return [plan_split(splits["train"], num_shards=2), plan_split(splits["val"])]


def tasks_of(plans, folder, **options):
    folder.mkdir(exist_ok=True)
    op = options.pop("op", Resized(24))
    return [
        ShardTask(shard, str(folder / f"{shard.split}-{shard.index}"), TfdsExample(op), sync=False, **options)
        for plan in plans
        for shard in plan.shards()
    ]


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("most_whole", [0, 6, 100])
def test_pieces_give_the_bytes_and_receipts_of_whole_shards(plans, tmp_path, monkeypatch, most_whole):
    monkeypatch.setattr(pieces, "_MOST_WHOLE_IMAGES", most_whole)
    whole = [finish_shard(task) for task in tasks_of(plans, tmp_path / "whole")]
    with LocalRunner(2) as runner:
        joined = run.fill(tasks_of(plans, tmp_path / "joined"), plans, runner, tmp_path / "joined")
    assert joined == whole and names(tmp_path / "joined") == names(tmp_path / "whole")
    for path in (tmp_path / "whole").iterdir():
        assert path.read_bytes() == (tmp_path / "joined" / path.name).read_bytes()


def test_pieces_of_an_earlier_run_are_not_written_again(plans, tmp_path, monkeypatch):
    tasks, folder = tasks_of(plans, tmp_path / "out"), tmp_path / "out"
    own = list(pieces.pieces_of(tasks))
    assert [len(piece.shard.members) for piece in own] == [3, 3, 3, 3, 3, 3]
    receipts = list(map(finish_shard, own))
    times = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert list(map(finish_shard, own)) == receipts
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == times
    with LocalRunner(2) as runner:
        assert run.fill(tasks, plans, runner, folder) == [finish_shard(task) for task in tasks]
    assert names(folder) == names(folder) and not [name for name in names(folder) if "records" in name]


def test_pieces_that_another_version_cut_are_removed(plans, tmp_path, monkeypatch):
    tasks, folder = tasks_of(plans, tmp_path / "out"), tmp_path / "out"
    with monkeypatch.context() as other:
        other.setattr(pieces, "_PIECE_IMAGES", 6)
        list(map(finish_shard, pieces.pieces_of(tasks)))
    with LocalRunner(2) as runner:
        run.fill(tasks, plans, runner, folder)
    assert names(folder) == ["train-0", "train-0.json", "train-1", "train-1.json", "val-0", "val-0.json"]


def test_run_without_pieces_removes_them(plans, tmp_path):
    tasks, folder = tasks_of(plans, tmp_path / "out"), tmp_path / "out"
    list(map(finish_shard, pieces.pieces_of(tasks)))
    with LocalRunner(1) as runner:
        run.fill(tasks, plans, runner, folder)
    assert names(folder) == ["train-0", "train-0.json", "train-1", "train-1.json", "val-0", "val-0.json"]


def test_pieces_of_shards_that_would_be_whole_are_used(plans, tmp_path, monkeypatch):
    tasks, folder = tasks_of(plans, tmp_path / "out"), tmp_path / "out"
    left = list(pieces.pieces_of(tasks))[2]  # of the second train shard
    finish_shard(left)
    time = Path(left.path).stat().st_mtime_ns
    monkeypatch.setattr(pieces, "_MOST_WHOLE_IMAGES", 100)
    cut, own = [], pieces.pieces_of
    monkeypatch.setattr(run, "pieces_of", lambda tasks: (cut.append(task) or task for task in own(tasks)))
    remove, times = pieces._remove, []
    monkeypatch.setattr(pieces, "_remove", lambda path: times.append(Path(path).stat().st_mtime_ns) or remove(path))
    with LocalRunner(2) as runner:
        run.fill(tasks, plans, runner, folder)
    assert {task.shard.index for task in cut if task.shard.split == "train"} == {1} and time in times
    assert names(folder) == ["train-0", "train-0.json", "train-1", "train-1.json", "val-0", "val-0.json"]


@pytest.mark.parametrize(
    "sizes, workers, first",
    [
        ([1900, 1900, 154], 2, 2),  # two equal shards, and pieces of the third for whichever ends first
        ([1900, 1900, 50], 2, 0),  # too few pieces for a worker that is a twentieth slower
        ([1900, 1900], 2, 0),
        ([1300, 50], 2, 0),  # one worker would wait for the other
        ([1000, 1000, 1000, 1000], 2, 2),
        ([1000] * 4 + [400], 4, 4),
        ([7000, 7000, 2000], 2, 0),  # a large set
        ([2500, 2500, 2500, 2500, 2500, 2500, 2000], 2, 4),
        ([100], 3, 0),
        ([], 2, 0),
    ],
)
def test_shards_that_keep_the_workers_equally_busy_are_whole(plans, tmp_path, monkeypatch, sizes, workers, first):
    monkeypatch.undo()
    task = tasks_of(plans, tmp_path / "out")[0]
    shards = [dataclasses.replace(task.shard, members=task.shard.members.take(np.zeros(size, int))) for size in sizes]
    assert pieces.cut_first([dataclasses.replace(task, shard=shard) for shard in shards], workers) == first


def test_finished_shards_are_not_cut(plans, tmp_path):
    tasks, folder = tasks_of(plans, tmp_path / "out"), tmp_path / "out"
    first = finish_shard(tasks[0])
    time = (folder / "train-0").stat().st_mtime_ns
    with LocalRunner(2) as runner:
        assert run.fill(tasks, plans, runner, folder)[0] == first
    assert (folder / "train-0").stat().st_mtime_ns == time


def test_shards_of_an_earlier_run_count_as_done_until_the_end(plans, tmp_path, monkeypatch):
    tasks, folder, seen, look = tasks_of(plans, tmp_path / "out"), tmp_path / "out", [], Watch.look

    def looked(self, work):
        look(self, work)
        seen.append((work.finished, work.total))

    monkeypatch.setattr(Watch, "look", looked)
    finish_shard(tasks[0])  # 6 of the 18 images
    with LocalRunner(2) as runner:
        run.fill(tasks, plans, runner, folder)
    assert seen[0][0] >= 6 and seen[-1] == (18, 18)


def test_skipped_images_of_all_pieces_are_in_the_receipt(tmp_path):
    images = drawing.miniature(train=4, val=1)
    damaged = [sorted(own)[0] for own in images.train.values()]
    for own in images.train.values():
        own[sorted(own)[0]] = b"\xff\xd8\xff no image"
    index = index_images(find_layout([drawing.official_archives(tmp_path / "source", images)]))
    plans = [plan_split(index.splits["train"])]
    with LocalRunner(2) as runner:
        [receipt] = run.fill(tasks_of(plans, tmp_path / "out", on_error=SKIP), plans, runner, tmp_path / "out")
        assert sorted(receipt.skipped) == sorted(damaged) and receipt.records == 9
        with pytest.raises(ImageError, match="n0144"):
            run.fill(tasks_of(plans, tmp_path / "other"), plans, runner, tmp_path / "other")


@pytest.mark.parametrize(
    "options, num_shards, workers, is_worth",
    [
        ({}, 3, 2, True),
        ({}, 19, 2, True),
        ({}, 20, 2, False),
        ({}, 20, 16, True),
        ({}, 3, 1, False),
        ({"op": Original()}, 3, 2, False),
        ({"file_format": "riegeli"}, 3, 2, False),
    ],
)
def test_few_shards_of_resized_images_are_cut(plans, tmp_path, options, num_shards, workers, is_worth):
    task = tasks_of(plans, tmp_path / "out", **options)[0]
    assert pieces.is_worth_cutting(task, num_shards, workers) is is_worth


@pytest.mark.slow
def test_prepared_set_is_the_same_with_any_number_of_workers(tmp_path):
    source = drawing.official_archives(tmp_path / "source", drawing.miniature(train=6, val=4))
    for workers in (1, 2, 3):
        ilsvrc_tfds.prepare(source, tmp_path / str(workers), config="raw256", workers=workers, allow_incomplete=True)
    first, *others = (
        {path.name: path.read_bytes() for path in (tmp_path / str(workers)).rglob("*tfrecord*")}
        for workers in (1, 2, 3)
    )
    assert len(first) == 2 and all(other == first for other in others)


@pytest.mark.slow
def test_full_disk_in_the_join_is_an_error(tmp_path):
    """A limit of the size of a file makes the system write less than it is asked to, and then nothing, as a full disk does."""
    source = drawing.official_archives(tmp_path / "source", drawing.miniature(train=8, val=1))
    options = "'raw256', workers=2, num_shards={'train': 1}, allow_incomplete=True"
    whole = ilsvrc_tfds.prepare(source, tmp_path / "whole", config="raw256", workers=1, allow_incomplete=True)
    size = max(path.stat().st_size for path in Path(whole.data_dir).iterdir())
    limit = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({size - 100}, {size - 100}))"
    code = f"""
from ilsvrc_tfds.shards import pieces
import ilsvrc_tfds
pieces._PIECE_IMAGES = 3
join = pieces.join_pieces
def limited(*arguments):
    {limit}
    return join(*arguments)
import ilsvrc_tfds.shards.run as run
run.join_pieces = limited
ilsvrc_tfds.prepare({str(source)!r}, {str(tmp_path / "data")!r}, config={options})
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1 and "DestinationError" in done.stderr and "File too large" in done.stderr
    assert not (tmp_path / "data/ilsvrc2012/raw256/1.0.0").exists()
