"""The files in the folder of a training: its recipe, the metrics of its epochs, and what is removed from it."""

import csv
import dataclasses
import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import keras

from ilsvrc_tfds.errors import DestinationError, OptionError, reading
from ilsvrc_tfds.pipeline import Split
from ilsvrc_tfds.storage.files import write_whole
from ilsvrc_tfds.training.differences import differences
from ilsvrc_tfds.training.kept import ASKED, BACKUP, CURVES, MODEL, PAGE, backups_in
from ilsvrc_tfds.training.precision import default_precision
from ilsvrc_tfds.training.recipe import PRECISIONS, Recipe

LOG, TENSORBOARD, UNFINISHED = "log.csv", "tensorboard", "unfinished.keras"


def read_log(out: str | os.PathLike) -> list[dict[str, float]]:
    """Returns the metrics of each epoch from `log.csv`.

    Args:
      out: Folder of the training.

    Returns a dictionary for each epoch with `epoch` (from 0), `loss`, `top1` and `top5`, and `val_loss`, `val_top1` and
    `val_top5`.

    >>> from ilsvrc_tfds import training
    >>> import os
    >>> os.makedirs("/data/run")
    >>> _ = Path("/data/run/log.csv").write_text("epoch,loss,val_loss\\n0,6.9,6.8\\n")
    >>> training.read_log("/data/run")
    [{'epoch': 0.0, 'loss': 6.9, 'val_loss': 6.8}]
    """
    with open(Path(out, LOG), newline="") as file:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]


def cut_log(path: Path, epochs: int) -> None:
    """Removes the lines after the given number of epochs, because a run may be killed between log and backup.

    >>> path = Path("/data/some-log.csv")
    >>> _ = path.write_text("epoch,loss\\n0,6.9\\n1,6.8\\n")
    >>> cut_log(path, 1)
    >>> path.read_text()
    'epoch,loss\\n0,6.9\\n'
    """
    if path.exists():
        write_whole(path, b"".join(path.read_bytes().splitlines(keepends=True)[: epochs + 1 if epochs else 0]))


def make_ready(out: Path, recipe: Recipe, split: Split, overwrite: bool) -> None:
    """Creates the folder of a training, or checks that it has this training.

    >>> from ilsvrc_tfds.pipeline import find_split
    >>> split = find_split("ilsvrc2012/raw256", "train", data_dir="/data/tfds")
    >>> make_ready(Path("/data/begun"), Recipe(), split, overwrite=False)
    >>> [path.name for path in Path("/data/begun").iterdir()]
    ['training.json']

    Args:
      out: Folder of the training.
      recipe: Hyperparameters.
      split: Train images.
      overwrite: Whether a finished training, or another one, may be removed.

    Raises:
      OptionError: The folder has another training, which may not be removed.
      DestinationError: The folder has something else.
    """
    path, wanted = out / ASKED, _record(recipe, split)
    if out.exists() and not path.exists() and any(out.iterdir()):
        raise DestinationError(f"{out} is not empty, and no training was begun in it. Name another folder.")
    out.mkdir(parents=True, exist_ok=True)
    if path.exists():
        changed = list(differences(_begun(path), wanted))
        # An attempt without a backup may be removed.
        if changed and _is_worth_keeping(out) and not overwrite:
            raise OptionError(
                f"{out} has a training with {'; '.join(changed)}. Name another folder (--out), or --overwrite it."
            )
        # An unfinished training with the same recipe is resumed: the stopped command may have had `overwrite` too.
        if changed or overwrite and (out / MODEL).exists():
            _remove(out)
    write_whole(path, json.dumps(wanted, indent=1).encode())


def precision_begun(out: Path, recipe: Recipe, split: Split, overwrite: bool) -> str | None:
    """Returns the precision of the training that `make_ready` would go on with, or None if it would begin one.

    So a training goes on with the numbers that it began with, on whatever device.

    >>> from ilsvrc_tfds.pipeline import find_split
    >>> split = find_split("ilsvrc2012/raw256", "train", data_dir="/data/tfds")
    >>> make_ready(Path("/data/half"), Recipe(precision="float16"), split, overwrite=False)
    >>> precision_begun(Path("/data/half"), Recipe(), split, overwrite=False) is None  # nothing is backed up yet
    True

    Args:
      out: Folder of the training.
      recipe: Hyperparameters, without a precision.
      split: Train images.
      overwrite: Whether a finished training, or another one, may be removed.

    Raises DestinationError if the record of the training cannot be read.
    """
    path = out / ASKED
    if not path.exists() or not _is_worth_keeping(out) or overwrite and (out / MODEL).exists():
        return None
    begun = _begun(path)
    precision = begun["precision"]
    other = any(differences(begun, {**_record(recipe, split), "precision": precision}))
    return None if other or precision not in PRECISIONS else precision


def _is_worth_keeping(out: Path) -> bool:
    return (out / MODEL).exists() or bool(backups_in(out / BACKUP))


def _record(recipe: Recipe, split: Split) -> dict[str, Any]:
    """Returns what `training.json` has of a training."""
    return _plain({**dataclasses.asdict(recipe), "data": _fingerprint(split)})


def _begun(path: Path) -> dict[str, Any]:
    """Returns the record of the training in a folder, with the fields that older versions did not have."""
    # Before precision was a field, only trainings with TensorFlow were in half precision.
    precision = default_precision() if keras.backend.backend() == "tensorflow" else PRECISIONS[0]
    return {**_plain(dataclasses.asdict(Recipe(precision=precision))), **_asked(path)}


def _fingerprint(split: Split) -> str:
    """Returns a digest that depends on the data and their order, but not on their folder."""
    with reading(split.folder):
        described = [split.kind, split.lengths, [size for size, _ in split.stamps]]
        described += [split.wnids] if split.wnids is not None else []
    return hashlib.sha256(json.dumps(described).encode()).hexdigest()[:16]


def _plain(value: Any) -> Any:
    """Returns what JSON makes of a value: lists of tuples."""
    return json.loads(json.dumps(value))


def _asked(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_bytes()))
    except (ValueError, TypeError) as error:
        raise DestinationError(f"{path} is not the record of a training ({error}). Name another folder.") from error


def _remove(out: Path) -> None:
    """Removes the files of a training, and no others."""
    for name in (BACKUP, TENSORBOARD):
        shutil.rmtree(out / name, ignore_errors=True)
    for name in (MODEL, UNFINISHED, LOG, CURVES, PAGE, ASKED):
        (out / name).unlink(missing_ok=True)
