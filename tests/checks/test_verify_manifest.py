"""Every kind of fault of the manifest: what `verify` reports of it, and that it goes on."""

import re
from collections.abc import Callable

import pytest
from set_faults import MANIFEST, Set, in_json, report_of, write


def in_manifest(change: Callable[[dict], object]) -> Callable[[Set], None]:
    return in_json("manifest.json", change)


# The faults of the manifest itself, likewise; `{n}` as above.
MANIFEST_FAULTS = {
    "damaged": (
        write("manifest.json", '{"format": 1'),
        [".*manifest.json cannot be used: Expecting ',' delimiter.*Make the data"],
    ),
    "of a later version": (
        in_manifest(lambda values: values.update(format=2)),
        [".*manifest.json cannot be used: it has format 2"],
    ),
    "of other digests": (
        in_manifest(lambda values: values["shards"]["train"][1].update(xxh3_64="0123456789abcdef")),
        [f"{{1}}: its xxh3_64 is [0-9a-f]{{{{16}}}}, {MANIFEST} 0123456789abcdef"],
    ),
    "of other sizes": (
        in_manifest(lambda values: values["shards"]["train"][1].update(bytes=7)),
        [f"{{1}}: it has [0-9,]+ bytes, {MANIFEST} 7"],
    ),
    "of other numbers of records": (
        in_manifest(lambda values: values["shards"]["train"][1].update(records=7)),
        [f"{{1}}: it has 12 records, {MANIFEST} 7"],
    ),
    "of other keys": (
        in_manifest(lambda values: values["keys"].update({next(iter(values["keys"])): "float", "caption": "bytes"})),
        [
            ".*record .*: it has no caption",
            "manifest.json: the type of (file_name|image/channels) is float, expected (bytes|int64)",
        ],
    ),
    "of another kind": (
        in_manifest(lambda values: values.update(kind={"tfds": "classic", "classic": "tfds"}[values["kind"]])),
        [
            ".*: record [0-9]+, byte [0-9,]+: it has no",
            ".*dataset_info.json is missing",
            "manifest.json: the type of",
            ".*metadata",
        ],
    ),
    "of another offset": (
        in_manifest(lambda values: values.update(label_offset=1 - values["label_offset"])),
        [r"labels are the class index \+ [01], according to most file names; expected \+ [01]"],
    ),
    "of fewer splits": (
        in_manifest(lambda values: values["shards"].pop("val")),
        [
            ".*val.* is a shard that does not belong to this set",
            "dataset_info.json has the split val",
            "metadata.h5 has a split",
        ],
    ),
    "of more shards": (
        in_manifest(lambda values: values["shards"]["train"].append({**values["shards"]["val"][0], "name": "more"})),
        ["more is missing", "dataset_info.json: train has 4 shards, manifest.json says 5"],
    ),
    "of another size of images": (
        in_manifest(lambda values: values.update(config={"op": "Resized", "shorter_side": 30})),
        [".*: its image has [0-9]+ x [0-9]+ pixels; expected a shorter side of 30"],
    ),
}


@pytest.mark.parametrize("fault", MANIFEST_FAULTS)
@pytest.mark.parametrize("name", ["prepared", "exported"])
def test_fault_of_the_manifest_is_named_and_the_check_goes_on(name, fault, copy_of):
    shards = copy_of(name)
    damage, patterns = MANIFEST_FAULTS[fault]
    damage(shards)
    patterns = [pattern.format(*(shards.shard(index).name for index in range(4))) for pattern in patterns]
    report = report_of(shards.folder)
    assert all(any(re.match(pattern, problem) for pattern in patterns) for problem in report.problems), report.problems
    assert any(re.match(patterns[0], problem) for problem in report.problems), report.problems
    assert any("train: 48 records" in fact for fact in report.facts)
