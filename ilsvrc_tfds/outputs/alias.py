"""Makes a prepared data set readable under another name, such as `imagenet2012`, for code that asks TFDS for that.

`formats.alias` describes the files.
"""

import json
import logging
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import IlsvrcError, SourceError, unreadable, unwritable
from ilsvrc_tfds.formats.alias import FILES, VERSION, read_alias, require_current, shard_template
from ilsvrc_tfds.formats.folder import Output, find_output
from ilsvrc_tfds.formats.info import INFO_NAME, MAX_INFO_BYTES
from ilsvrc_tfds.formats.kinds import ANEW, CLASSIC, IMAGENET2012, KINDS, TFDS
from ilsvrc_tfds.images import op_in_words
from ilsvrc_tfds.outputs.alias_place import located, renumbered, require_free
from ilsvrc_tfds.outputs.comparison import require_whole
from ilsvrc_tfds.sources.record_sets import recorded_op
from ilsvrc_tfds.sources.subset import in_words
from ilsvrc_tfds.storage.files import write_whole
from ilsvrc_tfds.storage.regular import open_regular
from ilsvrc_tfds.storage.staging import claim

# Fields of TFDS's info that only a data set with configs has.
_OF_CONFIG = ("configName", "configDescription", "configTags")

_log = logging.getLogger(__name__)


def alias(
    place: str | os.PathLike,
    *,
    data_dir: str | os.PathLike | None = None,
    config: str | None = None,
    name: str = IMAGENET2012,
    overwrite: bool = False,
) -> Path:
    """Makes a prepared data set readable as `imagenet2012`, with the split `validation`, and returns the new folder.

    The folder `<data_dir>/imagenet2012/5.1.0` gets three small files that name the shards of the data set. No shard is
    copied or linked. A data directory has one alias of each name. If the alias exists already, it is made again, unless
    it is the same.

    >>> import ilsvrc_tfds
    >>> import tensorflow_datasets as tfds
    >>> ilsvrc_tfds.alias("/data/tfds", config="classification")
    PosixPath('/data/tfds/imagenet2012/5.1.0')
    >>> len(tfds.load("imagenet2012", data_dir="/data/tfds", split="validation"))
    6

    Args:
      place: TFDS's data directory, the folder of the data set in it, `…/ilsvrc2012/<config>/1.0.0`, or a name such as
        `ilsvrc2012/raw256`.
      data_dir: TFDS's data directory, in which a name is looked up.
      config: Name of the config. None takes that of the existing alias, or else the only one in the data directory.
      name: Other name of the data set.
      overwrite: Whether an alias of another config is replaced.

    Raises:
      OptionError: `place` is a URL, or TFDS has another data set of that name, or there are several configs.
      SourceError: The data set does not exist, or has other labels than `imagenet2012`, as a relabelled subset has.
      DestinationError: Another data set has the name in this data directory, or the alias cannot be written.
    """
    root, target = located(place, config, name, data_dir)
    destination = require_free(root, target.parent.name, name=name, overwrite=overwrite)
    output = _aliased(target)
    files = _files(output, target, name)
    with claim(destination) as claimed:
        require_free(root, target.parent.name, name=name, overwrite=overwrite)
        folder, _ = claimed.folder_for("alias")
        try:
            if all(_has_content(destination / file, data) for file, data in files.items()):
                _log.info("%s is an alias of %s already.", destination, target)
            else:
                claimed.publish([write_whole(folder / file, data) for file, data in files.items()])
        finally:
            claimed.discard()  # the files would be taken for receipts of finished shards, which are kept
    if parts := list(_shortfalls(output)):
        _log.warning(
            "%s is not all of %s: %s. Code that counts on the official numbers, or on all classes, will be wrong.",
            destination, name, "; ".join(parts),
        )  # fmt: skip
    return destination


def renew_aliases(folder: Path) -> None:
    """Makes the aliases of a data set again that no longer fit it. Removes, with a warning, those that cannot be made.

    TFDS takes the numbers of records from an alias. If that states others than there are, TFDS fails, but not for
    every slice: some would have other examples without an error. So would a set whose classes are numbered anew.

    >>> renew_aliases(Path("/data/tfds/ilsvrc2012/classification/1.0.0"))

    Args:
      folder: Folder of the data set, `<data_dir>/ilsvrc2012/<config>/1.0.0`.
    """
    for path in sorted(folder.absolute().parents[2].glob(f"*/{VERSION}/{INFO_NAME}")):
        found = read_alias(path.parent)
        if found is None or found.target != Path(os.path.realpath(folder)):
            continue
        try:
            require_current(found)
        except SourceError as stale:
            try:
                alias(folder, name=found.info["name"])
                _log.info("The alias %s was made again.", found.folder)
            except IlsvrcError as error:
                _log.warning("%s It cannot be made now, and is removed: %s", stale, error)
                _remove(found.folder)


def _remove(folder: Path) -> None:
    """Removes an alias, the file that TFDS looks for first. Logs a warning if that fails."""
    try:
        for name in FILES:
            (folder / name).unlink(missing_ok=True)
        folder.rmdir()
    except OSError as error:
        _log.warning("%s", unwritable(folder, error))


def _aliased(target: Path) -> Output:
    """Returns the data set if it can have an alias. Raises SourceError or DestinationError if not."""
    output = find_output(target)
    if output.info is None or output.kind != TFDS:
        why = f"it has no {INFO_NAME}" if output.info is None else f"it is {KINDS[output.kind].words}"
        raise SourceError(f"{target} is not a prepared data set: {why}.")
    if output.wnids is not None:
        raise renumbered(target)
    require_whole(target)
    return output


def _files(output: Output, target: Path, name: str) -> dict[str, bytes]:
    """Returns the files of an alias by their names."""
    info = {field: value for field, value in dict(output.info or {}).items() if field not in _OF_CONFIG}
    own = "/".join(target.parts[-3:])
    info |= {
        "name": name,
        "version": VERSION,
        "releaseNotes": {VERSION: f"An alias of {own}."},
        "description": _description(output, own),
        "splits": [
            {
                **split,
                "name": KINDS[CLASSIC].splits[split["name"]],
                "filepathTemplate": shard_template(f"../../{own}", split["name"]),
            }
            for split in info["splits"]
        ],
    }
    beside = {file: _read(target / file) for file in FILES if file != INFO_NAME}
    return {INFO_NAME: json.dumps(info, indent=2).encode(), **beside}


def _has_content(path: Path, data: bytes) -> bool:
    return path.is_file() and _read(path) == data


def _read(path: Path) -> bytes:
    try:
        with open_regular(path) as file:
            return file.read(MAX_INFO_BYTES)
    except OSError as error:
        raise unreadable(path, error, missing=ANEW) from error


def _description(output: Output, own: str) -> str:
    sentences = [
        f"ILSVRC2012 as ilsvrc_tfds has prepared it: {_images(recorded_op(output))}.",
        f"This is an alias of {own}, whose shards it reads; the split val is called validation here.",
    ]
    parts = list(_shortfalls(output))
    return " ".join([*sentences, *([f"It is not all of ILSVRC2012: {'; '.join(parts)}."] if parts else [])])


def _images(made: Mapping[str, object]) -> str:
    """Returns the recorded operation on the images, in words."""
    if side := made.get("shorter_side"):
        return f"images with a shorter side of {side} pixels, JPEG quality {made.get('quality')}, not the original ones"
    return op_in_words(made) if made.get("op") != "Original" else "the original images, CMYK and PNG files as RGB JPEGs"


def _shortfalls(output: Output) -> Iterator[str]:
    """Yields what a data set lacks of the official one, in words."""
    if output.manifest is not None and output.manifest.subset:
        yield f"it is {in_words(output.manifest.subset)}"
    for split, official in synsets.OFFICIAL_COUNTS.items():
        count = sum(output.stated_lengths(split) or ()) if split in output.shards else 0
        if count != official and (count or split != "test"):
            yield f"{KINDS[CLASSIC].splits[split]} has {count:,} of {official:,} images"
