"""The spool that serves all configs: it holds the original images, so that streams are read once."""

import contextlib
import dataclasses
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ilsvrc_tfds.runners import LocalRunner
from ilsvrc_tfds.shards.writer import SKIP, STOP
from ilsvrc_tfds.sources import Index
from ilsvrc_tfds.sources.completeness import incomplete_is_allowed, log_shortfalls
from ilsvrc_tfds.sources.spooling import Spool, spooled, streams
from ilsvrc_tfds.storage.staging import staging_folder


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
        log_shortfalls(index, allowed, self.splits)  # before hours of work
        engine = self.options.get("runner")
        with contextlib.ExitStack() as stack:
            with engine or contextlib.nullcontext(local) as runner:
                found = stack.enter_context(spooled(index, self.spool, runner, needed, taken))
            yield found
