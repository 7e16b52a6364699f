"""`doctor --deep` with sources that cannot be read at random: each file is read once, and little of it is in memory."""

import gzip
import shutil
import tracemalloc
from pathlib import Path

import drawing
import forms
import pyarrow.parquet as pq
import pytest

from ilsvrc_tfds.checks.heads import look_at_all
from ilsvrc_tfds.runners import LocalRunner
from ilsvrc_tfds.sources import find_layout, index_images


def looked(source: Path) -> tuple[list[str], list[str]]:
    with LocalRunner(1) as runner:
        return look_at_all(index_images(find_layout([source])), True, runner)


def large(count: int, of: int) -> drawing.Images:
    """Returns images of one class, which are none: a MB of anything each."""
    images = drawing.miniature()
    one = {f"n01440764_{number}.JPEG": bytes([number]) * of for number in range(1, count + 1)}
    return drawing.Images({"n01440764": one}, images.val, {})


@pytest.mark.slow
def test_row_group_is_never_in_memory_as_a_whole(tmp_path):
    forms.hugging_face(tmp_path, large(count=80, of=1 << 20), how="pyarrow", shards=1, row_group_size=80)
    [path] = tmp_path.glob("data/train*")
    assert pq.ParquetFile(path).num_row_groups == 1
    tracemalloc.start()
    _, problems = looked(tmp_path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(problems) == 80 and peak < 32 << 20


def test_damage_in_a_row_group_is_told_once(tmp_path):
    images = drawing.miniature(train=30)
    options = {"row_group_size": 40, "write_page_checksum": True, "compression": "zstd"}
    forms.hugging_face(tmp_path, images, how="pyarrow", shards=1, **options)
    [path] = tmp_path.glob("data/train*")
    forms.damage_second_row_group(path)
    facts, problems = looked(tmp_path)
    [problem] = [line for line in problems if "shorter side" not in line]
    assert problem.startswith(f"{path}: row group 1 is damaged or cut short")
    assert problem.endswith(". 50 images of it could not be looked at.")
    assert facts[0].startswith("train: 3")  # of 90 images the first 40 were looked at, which are of several kinds


def test_damaged_images_of_streams_are_all_named(tmp_path):
    images = drawing.miniature(test=1)
    own = images.train["n01440764"]
    first, second, *_ = own
    own |= {first: own[first][:-50], second: b""}
    forms.hugging_face_archives(tmp_path, images)
    facts, problems = looked(tmp_path)
    named = {line.partition(": ")[2].partition(": ")[0]: line for line in problems}
    assert sorted(named) == sorted([f"train/{first}", f"train/{second}"])
    assert len(problems) == 2 and named[f"train/{second}"].endswith(". Get it again")


def test_archive_that_changes_between_is_told_once(tmp_path):
    drawing.class_archives(tmp_path, drawing.miniature())
    path = tmp_path / "train/n01440764.tar"
    Path(f"{path}.gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    index = index_images(find_layout([tmp_path]))
    shutil.copy(f"{path}.gz", tmp_path / "copy")
    (tmp_path / "copy").replace(f"{path}.gz")
    with LocalRunner(1) as runner:
        _, problems = look_at_all(index, False, runner)
    assert problems == [f"{path}.gz has changed since it was indexed. Run the command again."]
