"""Every kind of fault of a shard or a folder, put into a copy of a whole set: what `verify` reports, and nothing else."""

import re
from itertools import chain

import pytest
from set_faults import (
    COUNTS,
    INFO,
    MANIFEST,
    SYNSETS,
    another_shard,
    doubled,
    exchanged,
    in_info,
    in_metadata,
    moved_from_val,
    removed,
    renamed_row,
    renumbered,
    report_of,
    swapped,
    unlink,
    write,
)

# The faults of shards and folders. All lines that are said of them match these patterns, and each pattern one of them: what
# only the manifest tells, what is said with it and without it, and what is said without it. `{n}` is shard n of train.
PREPARED_FAULTS = {
    "record removed": (
        removed,
        [f"{{1}}: it has 11 records, {MANIFEST} 12", f"{{1}}: it has [0-9,]+ bytes, {MANIFEST}"],
        [
            f"{{1}}: it has 11 records, {INFO} 12",
            "dataset_info.json: train has [0-9,]+ bytes of data; there are [0-9,]+",
            "metadata.h5: n01.* is in no whole record of train",
        ],
    ),
    "record doubled": (
        doubled,
        [f"{{1}}: it has 13 records, {MANIFEST} 12", f"{{1}}: it has [0-9,]+ bytes, {MANIFEST}"],
        [
            f"{{1}}: it has 13 records, {INFO} 12",
            "{1}: record 4, byte [0-9,]+: n01.* occurs twice, first as {1}: record 3, byte",
            "dataset_info.json: train has [0-9,]+ bytes of data; there are [0-9,]+",
        ],
    ),
    "two records exchanged": (
        exchanged,
        [f"{{1}}: its xxh3_64 is .*, {MANIFEST}|{{1}}: it has [0-9,]+ bytes, {MANIFEST}", f"{{2}}: .*, {MANIFEST}"],
        ["{1}: record 4, byte [0-9,]+: n01.* does not belong after n01.*{1}: record 3,", "{2}: record 5, byte .* after"],
    ),
    "record of another split": (
        moved_from_val,
        [f"{{1}}: .*, {MANIFEST}", f".*-val.*: .*, {MANIFEST}"],
        [
            f"{{1}}: it has 13 records, {INFO} 12",
            ".*-val.*: it has 5 records, dataset_info.json says 6",
            "dataset_info.json: (train|val) has",
            "{1}: record [34], .* does not belong after",
            "{1}: record 3, .*: ILSVRC2012_val_.* has the form of another split's name",
            "{1}: record 3, byte [0-9,]+: ILSVRC2012_val_.* is not in metadata.h5",
            "metadata.h5: ILSVRC2012_val_.* is in no whole record of val",
        ],
    ),
    "two shards exchanged": (
        swapped,
        [f"{{1}}: .*, {MANIFEST}", f"{{2}}: .*, {MANIFEST}"],
        [r"{2}: record 0, byte 0: n01.* does not belong after n01.* \({1}: record 11, byte"],
    ),
    "labels from 1": (
        renumbered,
        [f".*: its xxh3_64 is .*, {MANIFEST}"],
        [r"labels are the class index \+ 1, according to most file names; expected \+ 0"],
    ),
    "shard missing": (unlink("{shard}"), [], ["{1} is missing", SYNSETS]),
    "shard without records": (
        write("{shard}", ""),
        [f"{{1}}: it has 0 records, {MANIFEST} 12", f"{{1}}: it has 0 bytes, {MANIFEST} [0-9,]+"],
        [f"{{1}}: it has 0 records, {INFO} 12", SYNSETS, "dataset_info.json: train has"],
    ),
    "bytes appended": (
        lambda shards: shards.change_bytes(lambda data, *place: data.extend(b"garbage" * 9)),
        [f"{{1}}: it has [0-9,]+ bytes, {MANIFEST}", f"{{1}}: it has 13 records, {MANIFEST} 12"],
        ["{1}: record 12, byte [0-9,]+: 63 bytes are not a record, up to the file's end", f"{{1}}: it has 13 .*{INFO} 12"],
    ),
    "shard of another number": (
        lambda shards: shards.shard().rename(shards.folder / "ilsvrc2012-train.tfrecord-00009-of-00004"),
        [],
        ["{1} is missing", "ilsvrc2012-train.tfrecord-00009-of-00004 is a shard that does not belong to this set", SYNSETS],
    ),
    "shards of another set": (
        another_shard("ilsvrc2012-train.tfrecord-00001-of-00005"),
        [],
        ["ilsvrc2012-train.tfrecord-00001-of-00005 is a shard that does not belong to this set"],
    ),
    "unfinished file": (
        another_shard("ilsvrc2012-train.tfrecord-00001-of-00004.12ab.partial"),
        [],
        ["{1}.12ab.partial was left over by a run that was stopped"],
    ),
    "info missing": (unlink("dataset_info.json"), [], ["dataset_info.json is missing"]),
    "info damaged": (write("dataset_info.json", "{"), [], [".*dataset_info.json makes no sense .JSONDecodeError"]),
    "info of other shards": (
        in_info(lambda split: split.update(shardLengths=["11", "13", "12", "12"])),
        [],
        [f"{{0}}: it has 12 records, {INFO} 11", f"{{1}}: it has 12 records, {INFO} 13"],
    ),
    "info of other bytes": (
        in_info(lambda split: split.update(numBytes="7")),
        [],
        ["dataset_info.json: train has 7 bytes of data; there are [0-9,]+"],
    ),
    "metadata damaged": (write("metadata.h5", "HDF5"), [], [".*metadata.h5 cannot be read as HDF5"]),
    "metadata of another class": (
        in_metadata(lambda file: file["train/object_ids"].__setitem__((0, 1), 7)),
        [],
        [r".*: record [0-9]+, byte [0-9,]+: n01440764_10.JPEG has class 0; metadata.h5 says 7 \(n01514668\)"],
    ),
    "metadata of another image": (
        in_metadata(renamed_row),
        [],
        [
            ".*: record [0-9]+, byte [0-9,]+: n01440764_10.JPEG is not in metadata.h5",
            "metadata.h5: n014.*7.*JPEG is in no whole record of train",
        ],
    ),
    "metadata of fewer splits": (
        in_metadata(lambda file: file.__delitem__("val")),
        [],
        ["metadata.h5 does not have the split: val"],
    ),
    "metadata of other images": (
        in_metadata(lambda file: file["train/image_filenames"].__setitem__((slice(None), 19), ord("x"))),
        [],
        ["metadata.h5: none of its images of train .48. is in a whole record: it belongs to other data"],
    ),
    "metadata of other classes": (
        in_metadata(lambda file: file["train/classes"].__setitem__((0, 8), ord("9"))),
        [],
        ["metadata.h5: the classes of train are not the 1000 of ILSVRC2012 in their order"],
    ),
}  # fmt: skip

EXPORTED_FAULTS = {
    "record removed": (*PREPARED_FAULTS["record removed"][:2], []),  # nothing else tells how many there were
    "record doubled": (*PREPARED_FAULTS["record doubled"][:2], [PREPARED_FAULTS["record doubled"][2][1]]),
    "two records exchanged": PREPARED_FAULTS["two records exchanged"],
    "two shards exchanged": PREPARED_FAULTS["two shards exchanged"],
    "shard missing": (unlink("{shard}"), [], ["{1} is missing"]),
    "shard without records": (
        PREPARED_FAULTS["shard without records"][0],
        PREPARED_FAULTS["shard without records"][1],
        [],
        ["{1}: it has no records"],
    ),
    "several records removed": (
        lambda shards: shards.write(shards.payloads()[:4]),
        [f"{{1}}: it has 4 records, {MANIFEST} 12", f"{{1}}: it has [0-9,]+ bytes, {MANIFEST}"],
        [],
        [
            "train: the shards have 4 to 12 whole records, expected a difference of at most 1: records are missing or "
            "were added"
        ],
    ),
    "record of another split": (
        moved_from_val,
        [f"{{1}}: .*, {MANIFEST}", f"validation-.*: .*, {MANIFEST}"],
        [
            "{1}: record [34], .* does not belong after",
            "{1}: record 3, .*: ILSVRC2012_val_.* has the form of another split's name",
        ],
    ),
    "bytes appended": (*PREPARED_FAULTS["bytes appended"][:2], [PREPARED_FAULTS["bytes appended"][2][0]]),
    "shard of another number": (
        lambda shards: shards.shard().rename(shards.folder / "train-00009-of-00004"),
        [],
        ["{1} is missing", "train-00009-of-00004 is a shard that does not belong to this set"],
    ),
    "unfinished file": (
        another_shard("train-00001-of-00004.12ab.partial"),
        [],
        [r"{1}.12ab.partial was left over by a run that was stopped"],
    ),
}


@pytest.mark.parametrize("with_manifest", [True, False], ids=["manifest", "no manifest"])
@pytest.mark.parametrize(
    "name, fault",
    [("prepared", fault) for fault in PREPARED_FAULTS] + [("exported", fault) for fault in EXPORTED_FAULTS],
)
def test_fault_of_a_folder_is_named_and_nothing_else(name, fault, with_manifest, copy_of):
    shards = copy_of(name, with_manifest)
    damage, by_manifest, always, *otherwise = {"prepared": PREPARED_FAULTS, "exported": EXPORTED_FAULTS}[name][fault]
    names = [shards.shard(index).name for index in range(COUNTS["train"])]
    damage(shards)
    problems = report_of(shards.folder).problems
    patterns = [pattern.format(*names) for pattern in always + (by_manifest if with_manifest else [*chain(*otherwise)])]
    assert all(any(re.match(pattern, problem) for pattern in patterns) for problem in problems), problems
    assert all(any(re.match(pattern, problem) for problem in problems) for pattern in patterns), problems
