"""The names of a training's backups, which say how far it has come. Loads neither TensorFlow nor Keras.

<out>/backup/00002.weights.h5          after 2 epochs
<out>/backup/00002-000500.weights.h5   after 500 steps more; the first file stays until the third epoch is done
"""

import os
import re
from pathlib import Path
from typing import NamedTuple

from ilsvrc_tfds.errors import counted

ASKED, BACKUP, CURVES, MODEL, PAGE = "training.json", "backup", "curves.png", "model.keras", "training.html"
SUFFIX = ".weights.h5"
_NAME = re.compile(rf"(?P<epochs>\d+)(?:-(?P<steps>\d+))?{re.escape(SUFFIX)}")


class Progress(NamedTuple):
    """How far a training has come.

    Attributes:
      epochs: Number of epochs that are done.
      steps: Number of steps that are done in the epoch after them.

    >>> Progress(2, 500) > Progress(2) > Progress(1, 900)
    True
    >>> Progress(2, 500).in_words
    'epoch 2 and 500 steps of the next'
    """

    epochs: int = 0
    steps: int = 0

    @property
    def in_words(self) -> str:
        """The same, for messages."""
        return f"epoch {self.epochs}" + (f" and {self.steps:,} steps of the next" if self.steps else "")


def backups_in(folder: Path) -> list[tuple[Progress, Path]]:
    """Returns the progress and the path of each finished backup in a folder, which need not exist.

    >>> backups_in(Path("/data/nowhere"))
    []
    """
    named = ((_NAME.fullmatch(path.name), path) for path in folder.glob(f"*{SUFFIX}"))
    return [(Progress(int(match["epochs"]), int(match["steps"] or 0)), path) for match, path in named if match]


def name_of(progress: Progress) -> str:
    """Returns the name of the backup of a progress.

    >>> name_of(Progress(2, 500))
    '00002-000500.weights.h5'
    """
    steps = f"-{progress.steps:06d}" if progress.steps else ""
    return f"{progress.epochs:05d}{steps}{SUFFIX}"


def kept_by_stopped(out: str | os.PathLike) -> str:
    """Returns a sentence on what a training that is stopped now has kept, and how to continue.

    >>> kept_by_stopped("/data/nowhere")
    'No epoch was finished, so nothing is kept: the same command begins anew.'

    Args:
      out: Folder of the training.
    """
    if Path(out, MODEL).exists():
        return f"The training is finished: {Path(out, MODEL)}."
    done = max((progress for progress, _ in backups_in(Path(out, BACKUP))), default=Progress())
    if done == Progress():
        return "No epoch was finished, so nothing is kept: the same command begins anew."
    epochs = counted(done.epochs, "epoch") if done.epochs else ""
    steps = f"{counted(done.steps, 'step')} of epoch {done.epochs + 1}" if done.steps else ""
    parts = " and ".join(filter(None, (epochs, steps)))
    verb = "is" if done in (Progress(1), Progress(0, 1)) else "are"
    return f"{parts} {verb} kept: the same command continues there."
