"""Finds what `export` is to read: a source of images, or a prepared data set in any form that the readers take."""

import os
from pathlib import Path

from ilsvrc_tfds.errors import NotFoundError, OptionError, SourceError
from ilsvrc_tfds.formats.data_sets import folder_of, is_name, prepared_in
from ilsvrc_tfds.sources import find_layout
from ilsvrc_tfds.sources.prepared import is_prepared
from ilsvrc_tfds.storage.files import require_local, without_dots


def source_of(source: str | os.PathLike, data_dir: str | os.PathLike | None = None) -> Path:
    """Returns the path of a source of images, or the folder of a prepared data set.

    A folder of images may have the name of a data set, such as `ilsvrc2012`. If there is no data set of that name, the
    folder is meant. A data directory that has images too, such as the archives in its `ilsvrc2012`, is their source.

    >>> source_of("ilsvrc2012", "/data/tfds")
    PosixPath('/data/tfds/ilsvrc2012/classification/1.0.0')
    >>> source_of("/data/tfds/ilsvrc2012/classification"), source_of("/data/imagenet")
    (PosixPath('/data/tfds/ilsvrc2012/classification/1.0.0'), PosixPath('/data/imagenet'))

    Args:
      source: Folder in any layout, an archive, a data directory, the folder of a data set, or its name.
      data_dir: TFDS's data directory, in which a name is looked up; None is the usual one.

    Raises:
      OptionError: A name is not there, may be that of a folder as well, or a data directory has several data sets.
      SourceError: A data set is not finished, or a folder cannot be read.
    """
    require_local(source)
    path = without_dots(Path(source).expanduser())
    if not is_name(source):
        return path if is_prepared(path) or _has_images(path, prepared_in(path)) else folder_of(path)
    if data_dir is not None or not path.is_dir():
        return folder_of(source, data_dir)
    try:
        named = folder_of(source)
    except (OptionError, SourceError):
        return path
    raise OptionError(
        f"{os.fspath(source)!r} is a folder here, and the name of the data set {named}. Write ./{path} for the folder, "
        "or name the data directory as well (--data-dir, data_dir=)."
    )


def _has_images(folder: Path, prepared: list[Path]) -> bool:
    """Returns whether a folder has images besides those in prepared data sets, which an alias may name too."""
    if not prepared:
        return True
    own = set(map(os.path.realpath, prepared))
    try:
        return any(os.path.realpath(place.path) not in own for place in find_layout([folder]).places)
    except NotFoundError:
        return False
