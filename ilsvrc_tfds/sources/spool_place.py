"""The place of a spool: beside the result, or in a folder that the user names, which is recorded beside the result.

<data_dir>/ilsvrc2012/raw256/.1.0.0-spool.elsewhere
                            folders that the user has named, as a list in JSON; it is removed with their spools
"""

import dataclasses
import hashlib
import json
import os
from pathlib import Path

from ilsvrc_tfds.images import Original, Resized, codec_versions, describe_op
from ilsvrc_tfds.storage.destination import real_path
from ilsvrc_tfds.storage.files import destination_errors, write_whole

# Increase this number if the files or the receipts change, so that those of older versions are not reused.
_FORMAT = 2
# So many bytes of the list are read.
_MOST_BYTES = 1 << 16


@dataclasses.dataclass(frozen=True)
class Spool:
    """Where and how the images of streams are spooled.

    Attributes:
      destination: Folder of the result. The spool is beside it.
      scratch: Folder for the spool instead; None for none.
      op: Operation of the result on each image. Resized images are spooled as such, others as they are.
      skips: Whether damaged images are left out, instead of stopping the run.
      sync: Whether all bytes must be on disk before a file counts as finished.
    """

    destination: Path
    scratch: str | os.PathLike | None = None
    op: Original | Resized = Original()
    skips: bool = False
    sync: bool = True

    @property
    def path(self) -> Path:
        """The path that the spool's staging folder belongs to. Nothing ever gets this name."""
        real = real_path(self.destination)
        if self.scratch is None:
            return real.parent / f"{real.name}-spool"
        # Several results may have their spools in one folder.
        return (
            Path(self.scratch).expanduser() / f"{real.name}-{hashlib.sha256(os.fsencode(real)).hexdigest()[:8]}-spool"
        )

    @property
    def fingerprint(self) -> str:
        """Name of the folder in the staging folder, which differs if the files in it would."""
        codecs = codec_versions() if isinstance(self.op, Resized) else {}
        identity = [_FORMAT, describe_op(self.op), codecs]
        return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]

    @property
    def record(self) -> Path:
        """The path of the list of the folders that were named for the spools of this result."""
        real = real_path(self.destination)
        return real.parent / f".{real.name}-spool.elsewhere"

    def record_place(self) -> None:
        """Adds the folder that is named now to the list, so that a later run finds what is left there.

        Raises DestinationError if the list cannot be written.
        """
        if self.scratch is None:
            return
        own, known = str(real_path(self.scratch)), self._recorded()
        if own not in known:
            with destination_errors(self.record):
                self.record.parent.mkdir(parents=True, exist_ok=True)
            write_whole(self.record, json.dumps([*known, own]).encode(), sync=self.sync)

    def everywhere(self) -> list["Spool"]:
        """Returns the spool in each place that it may be in: where it is now, beside the result, and all recorded ones.

        >>> [spool.scratch for spool in Spool(Path("/data/out"), "/data/scratch").everywhere()]
        ['/data/scratch', None]
        """
        found: dict[Path, Spool] = {}
        for place in (self.scratch, None, *self._recorded()):
            spool = dataclasses.replace(self, scratch=place)
            found.setdefault(real_path(spool.path), spool)
        return list(found.values())

    def forget_places(self) -> None:
        """Removes the list. Raises DestinationError if that fails."""
        with destination_errors(self.record):
            self.record.unlink(missing_ok=True)

    def _recorded(self) -> list[str]:
        try:
            with open(self.record, "rb") as file:
                found = json.loads(file.read(_MOST_BYTES))
        except (OSError, ValueError, RecursionError):
            return []
        return [place for place in found if isinstance(place, str)] if isinstance(found, list) else []
