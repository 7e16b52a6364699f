"""Which shards of a plan are finished, and the rest as jobs."""

import dataclasses
import os
import re
from pathlib import Path

import numpy as np
import pytest

from ilsvrc_tfds.errors import DestinationError, ImageError, OptionError
from ilsvrc_tfds.images import Original, Resized, describe_op
from ilsvrc_tfds.runners import LocalRunner
from ilsvrc_tfds.shards import plan, run, writer
from ilsvrc_tfds.shards.encoders import TfdsExample
from ilsvrc_tfds.shards.watching import watched
from ilsvrc_tfds.sources import find_layout, index_images
from ilsvrc_tfds.storage.staging import claim, receipt_path

IDENTITY = {"op": describe_op(Resized(256)), "file_format": "tfrecord"}


@pytest.fixture
def plans(archives) -> list[plan.SplitPlan]:
    return [plan.plan_split(members) for members in index_images(find_layout([archives])).splits.values()]


def test_fingerprint_is_the_same_for_the_same_plan(archives, plans):
    again = [plan.plan_split(members) for members in index_images(find_layout([archives])).splits.values()]
    assert run.fingerprint(plans, IDENTITY) == run.fingerprint(again, IDENTITY)


@pytest.mark.parametrize(
    "other",
    [
        {**IDENTITY, "op": describe_op(Resized(160))},
        {**IDENTITY, "op": describe_op(Resized(256, 90))},
        {**IDENTITY, "op": describe_op(Original())},
        {**IDENTITY, "file_format": "array_record"},
        {**IDENTITY, "codecs": {"pillow": "1"}},
    ],
    ids=str,
)
def test_fingerprint_changes_with_what_the_bytes_depend_on(plans, other):
    assert run.fingerprint(plans, other) != run.fingerprint(plans, IDENTITY)


def test_fingerprint_takes_nothing_that_is_not_spelled_out(plans):
    with pytest.raises(TypeError, match="Resized is not JSON serializable"):
        run.fingerprint(plans, {"op": Resized(256)})


def replaced(split: plan.SplitPlan, **columns) -> plan.SplitPlan:
    return dataclasses.replace(split, members=dataclasses.replace(split.members, **columns))


def test_fingerprint_changes_with_every_column_stamp_and_cut(plans):
    train, val = plans
    members = train.members
    restamped = tuple(dataclasses.replace(container, stamp="other") for container in members.containers)
    variants = [
        [train],
        [train, dataclasses.replace(val, bounds=(0, 1, len(val.order)))],
        [replaced(train, size=members.size + 1), val],
        [replaced(train, offset=members.offset + 512), val],
        [replaced(train, label=members.label[::-1]), val],
        [replaced(train, name=np.char.add(members.name, b"x")), val],
        [replaced(train, containers=restamped), val],
        [plan.plan_split(members, max_examples=3), val],
    ]
    prints = [run.fingerprint(variant, {}) for variant in (plans, *variants)]
    assert len(set(prints)) == len(prints)


def test_fingerprint_changes_with_the_time_of_an_archive(archives, plans):
    os.utime(archives / "ILSVRC2012_img_val.tar", (1, 1))
    touched = [plan.plan_split(members) for members in index_images(find_layout([archives])).splits.values()]
    assert run.fingerprint(touched, {}) != run.fingerprint(plans, {})


def test_fingerprint_does_not_depend_on_where_the_source_lies(archives, plans):
    moved = archives.rename(archives.parent / "elsewhere")
    again = [plan.plan_split(members) for members in index_images(find_layout([moved])).splits.values()]
    assert run.fingerprint(again, {}) == run.fingerprint(plans, {})


def tasks(plans: list[plan.SplitPlan], folder: Path) -> list[writer.ShardTask]:
    return [
        writer.ShardTask(shard, str(folder / f"{shard.split}-{shard.index}"), TfdsExample(Original()))
        for split in plans
        for shard in dataclasses.replace(split, bounds=tuple(range(len(split.order) + 1))).shards()
    ]


def test_fill_gives_the_receipts_in_order_and_shows_no_bar_without_a_terminal(plans, tmp_path, capsys):
    with LocalRunner(1) as runner:
        receipts = run.fill(tasks(plans, tmp_path), plans, runner, tmp_path)
        assert [(r.split, r.index) for r in receipts] == [
            *(("train", k) for k in range(12)),
            *(("val", k) for k in range(6)),
        ]
        before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
        assert run.fill(tasks(plans, tmp_path), plans, runner, tmp_path) == receipts
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before
    assert capsys.readouterr().err == ""


class Given:
    """A runner whose results are given."""

    stopped = 0

    def __init__(self, *results):
        self.results = results

    def run(self, function, tasks, folder):
        yield from (result for _, result in zip(tasks, self.results, strict=True))

    def stop(self):
        self.stopped += 1


def test_runner_is_stopped_only_if_the_run_fails(plans, tmp_path):
    runner = Given()
    with watched("run", plans, tmp_path, runner):
        pass
    assert runner.stopped == 0
    with pytest.raises(KeyboardInterrupt), watched("run", plans, tmp_path, runner):
        raise KeyboardInterrupt
    assert runner.stopped == 1


def receipt(split: str, index: int, records: int, **skipped: str) -> writer.Receipt:
    return writer.Receipt(split, index, records, 0, 0, "", 0, 0, skipped)


def test_skipped_images_are_those_of_all_shards_of_their_split():
    receipts = {
        "train": [receipt("train", 0, 5, a="one"), receipt("train", 1, 4, b="two")],
        "val": [receipt("val", 0, 2)],
    }
    assert run.skipped_images(receipts) == {"train": {"a": "one", "b": "two"}}


def test_skipped_images_are_logged_and_a_split_without_any_image_is_an_error(plans, tmp_path, caplog):
    receipts = [receipt("train", 0, 3, **{f"n{k}": "cut" for k in range(12)}), receipt("val", 0, 0, v="cut")]
    two = tasks(plans, tmp_path)[:2]
    with pytest.raises(ImageError, match=r"None of the images of split 'val' can be used \(1\): v: cut\."):
        run.finish_shards(plans, two, Given(*receipts), tmp_path)
    listed = ", ".join(f"n{k}: cut" for k in range(10))
    assert caplog.messages == [
        f"Skipped 12 damaged images of the split train, which is now incomplete: {listed} and 2 more."
    ]
    by_split = run.finish_shards(plans, two, Given(receipts[0], receipt("val", 0, 1)), tmp_path)
    assert by_split == {"train": [receipts[0]], "val": [receipt("val", 0, 1)]}


def test_sizes_that_no_image_has_stop_a_run_only_if_damaged_images_do(plans):
    train, val = plans
    empty = replaced(val, size=np.where(np.arange(6) == 2, 0, val.members.size))
    run.require_sizes([train, val], writer.STOP)
    run.require_sizes([train, empty], writer.SKIP)
    with pytest.raises(ImageError, match=r"1 image of val cannot be used: .*it is an empty file.*--on-error skip"):
        run.require_sizes([train, empty], writer.STOP)


def test_room_is_needed_for_what_is_not_finished(plans, tmp_path, caplog):
    large = [dataclasses.replace(split, num_bytes=4 * 10**14) for split in plans]
    with claim(tmp_path / "out") as claimed:
        with pytest.raises(DestinationError, match="about 800 TB are needed"):
            run.shard_folder(claimed, large, IDENTITY)
        folder, _ = claimed.folder_for(run.fingerprint(large, IDENTITY))
        for shard in folder / "finished", folder / "not finished":
            shard.touch()
            os.truncate(shard, 10**12)
        Path(receipt_path(str(folder / "finished"))).touch()
        with (
            caplog.at_level("INFO"),
            pytest.raises(DestinationError, match="about 799 TB are needed"),
        ):
            run.shard_folder(claimed, large, IDENTITY)
    assert caplog.messages == ["Continuing: 1.00 TB are finished already."]


def test_claim_that_fails_keeps_the_shards_for_the_next_run(plans, tmp_path, caplog):
    def finish(claimed) -> tuple[Path, dict[str, list[writer.Receipt]]]:
        folder = run.shard_folder(claimed, plans, IDENTITY)
        with LocalRunner(1) as runner:
            return folder, run.finish_shards(plans, tasks(plans, folder), runner, folder)

    with pytest.raises(ZeroDivisionError), claim(tmp_path / "out") as claimed:
        folder, receipts = finish(claimed)
        before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
        assert list(map(len, receipts.values())) == [12, 6]
        raise ZeroDivisionError
    with caplog.at_level("INFO"), claim(tmp_path / "out") as claimed:
        folder, _ = finish(claimed)
        assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before
        claimed.publish([path for path in sorted(folder.iterdir()) if path.suffix != ".json"], sync=False)
    assert re.search(r"Continuing: [0-9.]+ kB are finished already\.", caplog.text)
    assert len(list((tmp_path / "out").iterdir())) == 18 and not list(tmp_path.glob(".out*"))


def test_worker_with_other_codecs_writes_nothing(plans, tmp_path):
    task = next(iter(tasks(plans, tmp_path / "out")))
    with pytest.raises(OptionError, match=r"has \{.*\}, the driver \{'pillow': '1'\}: the images would differ"):
        writer.finish_alike({"pillow": "1"}, task)
    assert not (tmp_path / "out").exists()


def test_short_work_starts_no_workers_unless_their_number_was_named(plans, tmp_path, monkeypatch):
    used = []
    monkeypatch.setattr(LocalRunner, "_run_in_processes", lambda self, *jobs: used.append(self.workers) or map(*jobs))
    run.fill(tasks(plans, tmp_path), plans, LocalRunner(), tmp_path)
    assert used == []
    run.fill(tasks(plans, tmp_path), plans, LocalRunner(2), tmp_path)
    assert used == [2]
    monkeypatch.setattr(run, "_SECONDS_ALONE", 0)
    run.fill(tasks(plans, tmp_path), plans, LocalRunner(), tmp_path)
    assert len(used) == (1 if LocalRunner().workers == 1 else 2)
