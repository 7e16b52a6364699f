"""Publishes finished files under their final names, all or none of them."""

import contextlib
import os
import secrets
from collections.abc import Iterable
from pathlib import Path

from ilsvrc_tfds.storage.files import NO_LINKS, destination_errors, sync_folder


def publish(paths: Iterable[Path], folder: Path) -> None:
    """Links finished files into a folder of the same file system.

    Args:
      paths: Finished files. If the file system has no hard links they are moved, and moved back if one cannot be moved.
      folder: Existing folder.

    >>> os.mkdir("/data/published")
    >>> publish([Path("/data/note")], Path("/data/published"))
    >>> os.listdir("/data/published")
    ['note']
    """
    with contextlib.ExitStack() as back:
        for path in paths:
            target = folder / path.name
            with destination_errors(target):
                try:
                    os.link(path, target)
                except OSError as error:
                    if error.errno not in NO_LINKS:
                        raise
                    os.replace(path, target)
                    back.callback(os.replace, target, path)
        back.pop_all()


def publish_folder(files: Iterable[Path], destination: Path, *, sync: bool = True) -> None:
    """Creates the destination atomically from finished files.

    Args:
      files: Finished files. If `sync`, their content must be on disk already.
      destination: Folder, which must not exist.
      sync: Whether to sync the names of the files to disk before the folder gets its name.

    >>> publish_folder([Path("/data/note")], Path("/data/new"))
    >>> os.listdir("/data/new")
    ['note']
    """
    # TFDS's kind of name for an incomplete data set. The next run removes the folder if this one is killed.
    partial = destination.parent / f"incomplete.{secrets.token_hex(3)}_{destination.name}"
    with destination_errors(partial):
        partial.mkdir()
        publish(files, partial)
        if sync:
            sync_folder(partial)
        partial.rename(destination)
