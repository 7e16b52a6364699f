"""Where things may lie: in file systems of this machine."""

import os
import re

from ilsvrc_tfds.errors import OptionError

# As users write it, or as `Path` has made of it: `gs:/bucket`.
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/")


def require_local(*paths: str | os.PathLike) -> None:
    """Raises OptionError for a URL: archives are read at a million places, and shards are renamed when they are finished."""
    for path in paths:
        if _URL.match(os.fspath(path)):
            raise OptionError(
                f"{os.fspath(path)} is no place of this machine. Mount it, or work on a local file system and copy what was made."
            )
