"""What a set records of its images: those that were skipped, and those that are not as the archives have them."""

import json
from collections.abc import Mapping
from pathlib import Path

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import shown, unreadable
from ilsvrc_tfds.formats.folder import Output
from ilsvrc_tfds.formats.info import MAX_INFO_BYTES, senseless
from ilsvrc_tfds.formats.json_values import is_names, is_skipped
from ilsvrc_tfds.storage.regular import open_regular

_NAME = "metadata.json"


def provenance_of(folder: Path) -> Mapping[str, object]:
    """Returns TFDS's `metadata.json` of a folder, with the provenance of its images; empty if there is none.

    Raises SourceError if it cannot be read or parsed.

    >>> provenance_of(Path("/data/tfds/ilsvrc2012/classification/1.0.0"))["images"]
    {'op': 'Original'}
    """
    path = folder / _NAME
    try:
        with open_regular(path) as file:
            found = json.loads(file.read(MAX_INFO_BYTES))
        if not isinstance(found, dict):
            raise ValueError("it is no object")
        return found
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise unreadable(path, error) from error
    except (ValueError, RecursionError) as error:
        raise senseless(path, error) from error


def skipped_of(output: Output, split: str) -> dict[str, str]:
    """Returns the images of a split that were skipped when a set of ours was made: the reason by file name."""
    if output.manifest is not None and output.manifest.skipped:
        return dict(output.manifest.skipped.get(split, {}))
    skipped = provenance_of(output.folder).get("skipped_images", {})
    return dict(skipped.get(split, {})) if isinstance(skipped, dict) and is_skipped(skipped) else {}


def repaired_of(output: Output, split: str) -> tuple[str, ...]:
    """Returns the names of the images of a split that a set of ours records as not being as the archives have them.

    They had been converted in the source of the set, or were converted when it was made.
    """
    described, provenance = output.manifest, provenance_of(output.folder)
    found = [provenance.get(key) for key in ("repaired_images", "converted_images")]
    found += [] if described is None else [described.repaired_images]
    names = [name for own in found if is_names(own) for name in own.get(split, ())]
    return tuple(dict.fromkeys(names))


def missing_of(folder: Path, split: str) -> str:
    """Returns what was missing of a split when a set was made, in words, as it records; empty if nothing was."""
    missing = provenance_of(folder).get("missing")
    text = missing.get(split, "") if isinstance(missing, dict) else ""
    return shown(text) if isinstance(text, str) else ""


def recorded_of(output: Output | None, split: str) -> int | None:
    """Returns the number of images that a set of ours records of a split, or None if it records none."""
    stated = None if output is None else output.stated_lengths(split)
    return None if stated is None else sum(stated)


def left_out_of(output: Output | None) -> tuple[str, ...]:
    """Returns the splits that a set of ours was made without, as it records; none if it records none."""
    if output is None or (output.manifest is None and output.info is None):
        return ()
    return tuple(split for split in synsets.OFFICIAL_COUNTS if split not in output.shards)


def changed_of(folder: Path, split: str) -> int:
    """Returns how many images of a split were changed when a set was made, as it records."""
    changed = provenance_of(folder).get("changed_images")
    count = changed.get(split, 0) if isinstance(changed, dict) else 0
    return count if isinstance(count, int) else 0
