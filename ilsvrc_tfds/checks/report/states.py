"""The state of the checks: what this report has checked on its way, what it has not, and how to check that."""

import os
from collections.abc import Iterator, Sequence

from ilsvrc_tfds.checks.report.looking import Looked, Part
from ilsvrc_tfds.checks.report.values import Check, Duplicates, Odd, Split
from ilsvrc_tfds.errors import counted, first_few, shown
from ilsvrc_tfds.formats import manifest
from ilsvrc_tfds.formats.folder import Output
from ilsvrc_tfds.formats.info import INFO_NAME

PASSED, FAILED, OPEN = "passed", "failed", "open"


def checks_of_shards(output: Output, parts: Sequence[Part], found: Sequence[Looked]) -> Iterator[Check]:
    """Yields the state of the shards: present, of the stated size and digest, with the stated number of records.

    Args:
      output: Folder of the shards.
      parts: Shards that were looked at.
      found: Result of each of them.
    """
    missing = [name for names in output.shards.values() for name in names if not os.path.isfile(output.folder / name)]
    total = sum(map(len, output.shards.values()))
    yield _check("All shards are there", missing, f"{counted(total, 'shard')}", "missing: ")
    if output.manifest is None:
        yield Check("Digests of the shards", OPEN, f"not compared: {manifest.NAME} is missing")
    else:
        stated = {entry.name: entry.xxh3_64 for own in output.manifest.shards.values() for entry in own}
        names = [part.file for part in parts]
        wrong = [name for name, looked in zip(names, found) if looked.digest != stated[name]]
        yield _check("Digests of the shards", wrong, f"all are those of {manifest.NAME}", "other bytes: ")
    yield _lengths(output, parts, found)
    damaged = [f"{fault.place}: {fault.reason}" for looked in found for fault in looked.faults]
    yield _check("Checksums of the records", damaged, "the checksum of every record was compared", "")


def _lengths(output: Output, parts: Sequence[Part], found: Sequence[Looked]) -> Check:
    where = manifest.NAME if output.manifest is not None else INFO_NAME
    wrong, open_splits = [], []
    for split in output.shards:
        stated = output.stated_lengths(split)
        if stated is None:
            open_splits.append(split)
            continue
        count = sum(len(r.table.label) + r.num_faults for part, r in zip(parts, found) if part.split == split)
        if count != sum(stated):
            wrong.append(f"{split} has {counted(count, 'record')}, stated are {sum(stated):,}")
    if open_splits and not wrong:
        return Check("Numbers of records", OPEN, f"not compared: nothing states those of {first_few(open_splits)}")
    return _check("Numbers of records", wrong, f"those of {where}", "")


def checks_of_images(
    splits: Sequence[Split], odd: Sequence[Odd], duplicates: Duplicates, faults: int, is_source: bool
) -> Iterator[Check]:
    """Yields the state of the images: readable, labelled as named, and of one split each.

    Args:
      splits: Numbers of the splits.
      odd: Unusual images.
      duplicates: Images that occur several times.
      faults: Number of images that cannot be read.
      is_source: Whether the data is a source, whose labels were compared when it was indexed.
    """
    total = sum(split.images for split in splits)
    if faults:
        yield Check("Headers and ends of the images", FAILED, f"{counted(faults, 'image')} cannot be read")
    else:
        yield Check("Headers and ends of the images", PASSED, f"{counted(total, 'image')}, none damaged")
    wrong = sum(sum(way.counts.values()) for way in odd if way.name in ("Label contradicts name", "No class"))
    where = "names, folders and lists of labels agree" if is_source else "labels agree with names and synsets"
    yield Check("Labels", FAILED, counted(wrong, "wrong label")) if wrong else Check("Labels", PASSED, where)
    across = ", ".join(f"{names}: {counted(count, 'group')}" for names, count in duplicates.across.items())
    if len(splits) > 1:
        state, detail = (FAILED, across) if across else (PASSED, "no two splits have an image with the same bytes")
        yield Check("No image in two splits", state, detail)
    yield Check("Pixels", OPEN, "the images were not decoded")


def checks_of_completeness(splits: Sequence[Split], subset: str, warnings: Sequence[str]) -> Iterator[Check]:
    """Yields whether everything is there, and whether everything that is there was read.

    >>> [check.detail for check in checks_of_completeness([], "", [])]
    ['no train, no val']

    Args:
      splits: Numbers of the splits.
      subset: Description of the subset that the data is; empty if it is not a subset.
      warnings: What a source has and is not read.
    """
    short = [f"{s.split} {s.images:,} of {s.official:,}" for s in splits if s.images != s.official]
    short += [f"no {split}" for split in ("train", "val") if split not in {s.split for s in splits}]
    if subset:
        yield Check("All of ILSVRC2012", OPEN, f"it is {subset}")
    else:
        yield _check("All of ILSVRC2012", short, "the official number of images in each split", "")
    if warnings:
        yield Check("Everything was read", FAILED, first_few(map(shown, warnings)))


def _check(name: str, wrong: Sequence[str], right: str, before: str) -> Check:
    return Check(name, FAILED, f"{before}{first_few(wrong)}") if wrong else Check(name, PASSED, right)
