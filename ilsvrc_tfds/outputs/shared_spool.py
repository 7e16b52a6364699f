"""The spool that serves all configs: it holds the original images, so that streams are read once."""

import contextlib
import dataclasses
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ilsvrc_tfds.formats.info import INFO_NAME
from ilsvrc_tfds.images import CONFIGS
from ilsvrc_tfds.outputs.scratch import discard_finished
from ilsvrc_tfds.runners import LocalRunner
from ilsvrc_tfds.shards.writer import SKIP, STOP
from ilsvrc_tfds.sources import Index
from ilsvrc_tfds.sources.completeness import incomplete_is_allowed, log_shortfalls
from ilsvrc_tfds.sources.spool_place import Spool
from ilsvrc_tfds.sources.spooling import spooled, streams
from ilsvrc_tfds.storage.staging import staging_folder


def discard_spools(spool: Spool, folder: Path) -> None:
    """Removes what is left of the spool of a data set that is finished; and of that of all configs, if all are.

    What is kept is named in a warning; see `scratch.discard_finished`.

    >>> folder = Path("/data/tfds/ilsvrc2012/classification/1.0.0")
    >>> discard_spools(Spool(folder), folder)

    Args:
      spool: Place of the spool of the data set alone.
      folder: Folder of the data set.
    """
    discard_finished(spool, [folder / INFO_NAME])
    above, name = folder.parents[1], folder.parent.name
    if own := next((config for config in CONFIGS if name == config or name.endswith(f"-{config}")), None):
        names = [f"{name.removesuffix(own)}{config}" for config in CONFIGS]  # of the same subset
        marks = [above / config / folder.name / INFO_NAME for config in names]
        discard_finished(dataclasses.replace(spool, destination=above), marks)


@dataclasses.dataclass(frozen=True)
class SharedSpool:
    """The spool of `prepare_all`.

    Attributes:
      above: Folder of the data set, with a folder for each config.
      splits: Splits that are wanted; None for all.
      options: Other options of `prepare`.
    """

    above: Path
    splits: Collection[str] | None
    options: Mapping[str, Any]

    @property
    def spool(self) -> Spool:
        """Where and how the images are spooled."""
        skips, sync = self.options.get("on_error", STOP) == SKIP, self.options.get("sync", True)
        return Spool(self.above, self.options.get("scratch"), skips=skips, sync=sync)

    def is_begun(self) -> bool:
        """Returns whether a run that was killed has left files, which serve the configs that are still missing."""
        return staging_folder(self.spool.path).exists()

    @contextlib.contextmanager
    def filled(
        self, index: Index, needed: int, local: LocalRunner, taken: Mapping[str, np.ndarray] | None = None
    ) -> Iterator[Index]:
        """Yields the index with all streams spooled; see `spooling.spooled`.

        Args:
          index: Index of the wanted splits and the wanted subset.
          needed: Number of bytes that all data sets need.
          local: Runner that is used if the options name none.
          taken: Rows of each split that the data sets take; None for all.
        """
        if not streams(index):
            yield index
            return
        allowed = incomplete_is_allowed(self.options.get("allow_incomplete"))
        log_shortfalls(index, allowed, self.splits, subset_as_whole=False)  # before hours of work
        engine = self.options.get("runner")
        with contextlib.ExitStack() as stack:
            with engine or contextlib.nullcontext(local) as runner:
                found = stack.enter_context(spooled(index, self.spool, runner, needed, taken))
            yield found
