"""Whether what `export` or `unpack` is to make is there already: what was recorded then, compared with the source now.

The result records the images that it was made of: for one of our data sets with a manifest, a digest of the shards that
the manifest lists; for other sources, the number of images of each split, and digests of their names, labels and sizes.
"""

import hashlib
import json
import logging
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import DestinationError, counted, first_few, shown
from ilsvrc_tfds.formats import hdf5
from ilsvrc_tfds.formats.folder import Output, find_output
from ilsvrc_tfds.formats.kinds import CLASSIC, KINDS
from ilsvrc_tfds.formats.manifest import Manifest
from ilsvrc_tfds.formats.record_index import PREFIX
from ilsvrc_tfds.images import op_in_words
from ilsvrc_tfds.outputs.changed import changed_shards
from ilsvrc_tfds.outputs.comparison import require_whole
from ilsvrc_tfds.outputs.export_boxes import digest_of
from ilsvrc_tfds.outputs.exported_part import ExportedPart, part_of_set
from ilsvrc_tfds.outputs.replaceable import bytes_below, files_below
from ilsvrc_tfds.shards.image_folders import CLASSES_NAME
from ilsvrc_tfds.shards.writer import SKIP
from ilsvrc_tfds.sources import Index
from ilsvrc_tfds.sources.boxes import Boxes
from ilsvrc_tfds.sources.prepared import has_records_in_place, is_prepared
from ilsvrc_tfds.sources.record_sets import set_of
from ilsvrc_tfds.sources.spooling import streams
from ilsvrc_tfds.sources.subset import Subset, in_words

SHARDS, IMAGES, BOXES = "shards", "images", "boxes"
# The numbers that readers hard-code, except for test, a split that the original scripts did not write.
NUM_SHARDS = {"train": 1024, "val": 128, "test": 128}
# Keys in the mark of unpacked images: the record, and the size of all files in each folder.
MADE_OF, BYTES = "made_of", "bytes"
_NAMES, _DIGEST = "names", "digest"

_log = logging.getLogger(__name__)


class Asked(NamedTuple):
    """What a call of `export` asks for besides the images.

    Attributes:
      label_offset: Number that is added to a class index.
      has_boxes: Whether bounding boxes are asked for.
      indexes: Whether indexes are asked for.
      on_error: What is done with a damaged image, `stop` or `skip`.
    """

    label_offset: int
    has_boxes: bool
    indexes: bool
    on_error: str


class Source(NamedTuple):
    """What an export would be made of now.

    Attributes:
      config: Operation on the images, in JSON's types.
      part: Part of ILSVRC2012.
      made_of: Record of the images and boxes, as `record_of` returns it.
      shards: Number of shards of each split.
      skipped: Damaged images of each split that the source was made without: the reason by file name.
      repaired: Names of images that were skipped and can be used now.
      changed: Files of the source that are newer than the export.
    """

    config: Mapping[str, object]
    part: ExportedPart
    made_of: Mapping[str, object]
    shards: Mapping[str, int]
    skipped: Mapping[str, Mapping[str, str]]
    repaired: Collection[str] = ()
    changed: Iterable[str] = ()


def record_of(source: str | os.PathLike, found: Index, boxes: Mapping[bytes, Boxes] | None) -> dict[str, object]:
    """Returns a record, in JSON's types, of what an export is made of.

    >>> from ilsvrc_tfds.sources import find_layout, index_images
    >>> record = record_of("/data/imagenet", index_images(find_layout(["/data/imagenet"])), None)
    >>> record["images"]["val"]["images"]
    6

    Args:
      source: Folder of the source.
      found: Index of its images.
      boxes: Bounding boxes of the images; None if none were asked for.
    """
    own = find_output(source) if is_prepared(source) else None
    digest = None if own is None else digest_of_shards(own, found.splits)
    record: dict[str, object] = {} if boxes is None else {BOXES: digest_of(boxes)}
    if digest is not None:
        return {SHARDS: digest, **record}
    unsized = streams(found)
    return {
        IMAGES: {
            split: {
                IMAGES: len(members),
                _NAMES: members.digest(sizes=False),
                **({} if split in unsized else {_DIGEST: members.digest()}),
            }
            for split, members in found.splits.items()
        },
        **record,
    }


def digest_of_shards(output: Output, splits: Iterable[str]) -> str | None:
    """Returns a digest of the shards of splits, as the manifest lists them, or None if there is no manifest.

    >>> len(digest_of_shards(find_output("/data/tfds/ilsvrc2012/classification/1.0.0"), ["val"]))
    32
    """
    if output.manifest is None:
        return None
    shards = output.manifest.shards
    entries = [
        [split, entry.records, entry.bytes, entry.xxh3_64]
        for split in sorted(splits)
        if split in shards
        for entry in shards[split]
    ]
    return hashlib.blake2b(json.dumps(entries).encode(), digest_size=16).hexdigest()


def of_prepared(
    source: Path, splits: Collection[str] | None, subset: Subset, num_shards: Mapping[str, int], there: Manifest
) -> Source | None:
    """Returns what an export of a prepared data set would be made of. No record is read. None if that cannot be known.

    Args:
      source: Folder of the data set, or another source.
      splits: Splits that are asked for.
      subset: Subset that is asked for.
      num_shards: Number of shards of some splits, by the data set's own names.
      there: Export that is there.
    """
    if not is_prepared(source) or not has_records_in_place(source):
        return None
    output = find_output(source)
    if output.manifest is None or not {*(splits or ()), *num_shards} <= output.shards.keys():
        return None
    require_whole(output.folder)
    require_unchanged(output)
    wanted = [split for split in splits or output.shards if split != "test" or subset.classes is None]
    return Source(
        output.config(),
        part_of_set(set_of(output)).take(subset),
        {SHARDS: digest_of_shards(output, wanted)},
        {split: num_shards.get(split) or _usual_number(there, split, output.manifest.skipped) for split in wanted},
        output.manifest.skipped,
    )


def _usual_number(there: Manifest, split: str, skipped: Mapping[str, Mapping[str, str]]) -> int:
    """Returns the number of shards without `num_shards`, if the images are those of the export that is there."""
    left_out = there.skipped.get(split, {}).keys() - skipped.get(split, {}).keys()
    records = sum(entry.records for entry in there.shards.get(split, ()))
    return min(NUM_SHARDS[split], records + len(left_out))


def require_same(out: Path, there: Manifest, source: Source, asked: Asked) -> None:
    """Raises DestinationError unless an export that is there is whole, and what the call would make."""
    differing = [*_differing_options(out, there, source, asked), *differing_images(there.made_of, source.made_of)]
    if source.repaired:
        differing.append(f"without images that are sound now: {first_few(map(shown, source.repaired))}")
    if not differing and (changed := list(source.changed)):
        differing.append(
            f"before files of the source were changed, so that images may differ: {first_few(map(shown, changed))}"
        )
    if differing:
        raise DestinationError(
            f"{out} holds an export, made {'; '.join(differing)}. Replace it with --overwrite (overwrite=True), or "
            "choose another folder."
        )
    require_whole(out)
    require_unchanged(find_output(out))
    _log.info("%s is exported already.", out)


def require_unchanged(output: Output) -> None:
    """Raises DestinationError if a shard is newer than the manifest, and not the one that the manifest describes.

    >>> require_unchanged(find_output("/data/tfds/ilsvrc2012/classification/1.0.0"))
    """
    if changed := changed_shards(output):
        raise DestinationError(
            f"{output.folder} has shards that were changed after they were made: {first_few(changed)}. Run "
            "`ilsvrc-tfds verify` for details. Make it again with --overwrite (overwrite=True)."
        )


def require_same_files(out: Path, mark: Mapping[str, object], output: Output, images: Mapping[str, object]) -> None:
    """Raises DestinationError unless unpacked images that are there are all there, and what `unpack` would write.

    Args:
      out: Folder with the images.
      mark: What was recorded when they were written.
      output: Data set to unpack.
      images: Recorded operation on its images.
    """
    made_of, held = (own if isinstance(own, dict) else {} for own in (mark.get(MADE_OF), mark.get("files")))
    require_unchanged(output)
    digest = digest_of_shards(output, output.shards)
    differing = [*differing_images(made_of, {SHARDS: digest})] if digest else ["of a set that has no manifest.json"]
    if mark.get("images") != images:
        differing.append("of images that were processed otherwise")
    for name, count in held.items():
        if (lost := count - files_below(out / name)) > 0:
            differing.append(f"with {counted(count, 'file')} in {name}, of which {counted(lost, 'is', 'are')} missing")
    sizes = found if isinstance(found := mark.get(BYTES), dict) else {}
    for name, size in () if differing else sizes.items():
        if (now := bytes_below(out / name)) != size:
            differing.append(f"with {size:,} bytes in {name}, which has {now:,} now")
    labelled = [name for name in held if not name.startswith("test")]
    beside = [name for name in (hdf5.NAME, CLASSES_NAME) if labelled and not (out / name).is_file()]
    differing += [f"with {name}, which is missing" for name in beside]
    if any(len(os.listdir(out / name)) < synsets.NUM_CLASSES for name in labelled if (out / name).is_dir()):
        differing.append("with a folder for each class, some of which are missing")
    if differing:
        raise DestinationError(
            f"{out} holds unpacked images, made {'; '.join(differing)}. Replace them with --overwrite "
            "(overwrite=True), or choose another folder."
        )
    _log.info("%s is unpacked already. Its files were counted, not read.", out)


def _differing_options(out: Path, there: Manifest, source: Source, asked: Asked) -> Iterator[str]:
    names = KINDS[CLASSIC].splits
    pairs = {
        "images": (op_in_words(there.config), op_in_words(source.config)),
        "labels that begin at": (there.label_offset, asked.label_offset),
        "splits": tuple(",".join(names[split] for split in own) for own in (there.shards, source.shards)),
        "classes and images of": tuple(
            in_words(own) if own else "all of ILSVRC2012" for own in (there.subset, source.part.described)
        ),
        "bounding boxes": ("none" if there.boxes is None else "some", "some" if asked.has_boxes else "none"),
    }
    yield from (f"with {what} {then}, not {now}" for what, (then, now) in pairs.items() if then != now)
    for split in there.shards.keys() & source.shards.keys():
        if len(there.shards[split]) != source.shards[split]:
            shards = counted(len(there.shards[split]), "shard")
            yield f"with {shards} of {names[split]}, not {source.shards[split]:,}"
    if there.wnids != source.part.wnids:
        yield "with other numbers of the classes"
    if there.skipped and asked.on_error != SKIP:
        before = {split: own.keys() for split, own in source.skipped.items()}
        now = [name for split, own in there.skipped.items() for name in own if name not in before.get(split, ())]
        if now:
            yield f"without damaged images ({first_few(map(shown, now))}), which --on-error skip (on_error=) accepts"
    if asked.indexes and any(not (out / (PREFIX + e.name)).is_file() for own in there.shards.values() for e in own):
        yield "without indexes, which `ilsvrc-tfds index` writes"


def differing_images(then: Mapping[str, object], now: Mapping[str, object]) -> Iterator[str]:
    """Yields the differences between two records of what a result was made of, in words.

    >>> list(differing_images({"shards": "00"}, {"shards": "01"}))
    ['of other images than the source has now']
    """
    if not then:
        yield "by a version that did not record of which images"
    elif (SHARDS in then) != (SHARDS in now):
        yield "of another source"
    elif then.get(SHARDS) != now.get(SHARDS):
        yield "of other images than the source has now"
    elif texts := list(_differing_splits(then.get(IMAGES), now.get(IMAGES))):
        yield f"of other images than the source has now ({'; '.join(texts)})"
    if then and then.get(BOXES) != now.get(BOXES) and BOXES in then and BOXES in now:
        yield "with other bounding boxes"


def _differing_splits(then: object, now: object) -> Iterator[str]:
    before, after = (own if isinstance(own, Mapping) else {} for own in (then, now))
    for split, there in after.items():
        was = before.get(split)
        if not isinstance(was, Mapping):
            yield f"{split}: none then"
        elif was.get(IMAGES) != there[IMAGES]:
            yield f"{split}: {counted(there[IMAGES], 'image')} now, {was.get(IMAGES)} then"
        elif was.get(_NAMES) != there[_NAMES] or {_DIGEST} <= was.keys() & there and was[_DIGEST] != there[_DIGEST]:
            yield f"{split}: other images, by name, label or size"
