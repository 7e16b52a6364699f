"""What tests of compressed tars share: options, the results of a run, and a run that is stopped."""

from pathlib import Path

import forms
import pytest

import ilsvrc_tfds
from ilsvrc_tfds.outputs import data_set

KAGGLE = "imagenet_object_localization_patched2019.tar.gz"
SHARDS = {"train": 3, "val": 2}
PLAIN = {**forms.PLAIN, "num_shards": SHARDS}
ONCE = {f"train_images_{number}.tar.gz": 1 for number in range(5)} | {"val_images.tar.gz": 1}


def shards(folder: Path) -> dict[str, bytes]:
    """Returns the shards below a folder, by their path."""
    return {f"{path.relative_to(folder)}": path.read_bytes() for path in sorted(folder.rglob("*-of-*"))}


def left_in(*folders: Path) -> list[str]:
    """Returns what a run has left beside its results."""
    hidden = [path.name for folder in folders for path in folder.rglob(".*") if path.name != ".config"]  # TFDS's own
    return hidden + [path.name for folder in folders for path in folder.rglob("*.tar.gz.*")]


class Killed(BaseException):
    """Stands for a signal: nothing catches it."""


def stop_before_shards(source: Path, data_dir: Path, **options) -> None:
    """Prepares until the first shard would be written."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data_set, "_write_files", kill)
        with pytest.raises(Killed):
            ilsvrc_tfds.prepare(source, data_dir, **{**PLAIN, **options})


def kill(*arguments, **options):
    raise Killed
