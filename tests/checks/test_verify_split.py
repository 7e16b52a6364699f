"""The records of a split as a whole, as tables: where a rule begins to hold, and what is said of the split test."""

import numpy as np
import pytest
from tensorflow_datasets.proto import tf_example_pb2

from ilsvrc_tfds import synsets
from ilsvrc_tfds.checks import verify_split
from ilsvrc_tfds.checks.verify_record import UNKNOWN, Rules, check_record
from ilsvrc_tfds.checks.verify_shard import Rows
from ilsvrc_tfds.checks.verify_split import SplitRows
from ilsvrc_tfds.formats.kinds import KINDS
from ilsvrc_tfds.formats.naming import disk_order


def rows_of(names: list[bytes], labels: list[int], told: list[int], *, split: str = "train", shards=None) -> SplitRows:
    """Returns the table of a split; record k lies at byte 100 k of its shard."""
    n = len(names)
    shard = np.zeros(n, np.int32) if shards is None else np.array(shards, np.int32)
    number = np.array([int((shard[:k] == shard[k]).sum()) for k in range(n)], np.int32)
    columns = (np.array(names, np.bytes_), np.array(labels, np.int64), np.array(told, np.int16), np.arange(n) % 3 == 1)
    return SplitRows(split, ("one", "two", "three"), Rows(*columns, shard, number, number.astype(np.int64) * 100))


def named(count: int, start: int = 0) -> list[bytes]:
    return [b"n01440764_%d.JPEG" % k for k in range(start, start + count)]


def labelled(labels: list[int], told: list[int], split: str = "train") -> SplitRows:
    return rows_of(named(len(labels)), labels, told, split=split)


@pytest.mark.parametrize(
    "labels, told, stated, expected",
    [
        ([0, 5], [0, 5], None, 0),
        ([1, 6], [0, 5], None, 1),
        ([0, 6], [0, 5], None, 1),  # as many for one as for the other
        ([0, 6, 9], [0, 5, 9], None, 0),
        ([7], [UNKNOWN], None, 1),
        ([1, 6, 0], [0, 5, 0], 0, 1),  # most contradict it
        ([1, 6, 0, 5], [0, 5, 0, 5], 0, 0),  # a half does
        ([0, 5, 1], [0, 5, 0], 1, 0),
        ([7, 8, 9], [0, 5, 0], 0, 0),  # as wrong with the other
        ([1, 6, 7, 7], [0, 5, UNKNOWN, UNKNOWN], 0, 1),
        ([1, 6, 7, 8], [0, 5, 0, 0], 0, 0),  # wrong with either: no more than half fit the other
    ],
)
def test_label_offset_is_the_stated_one_unless_most_names_contradict_it(labels, told, stated, expected):
    assert verify_split.label_offset([labelled(labels, told)], stated) == expected
    test = labelled([-1] * 9, [-1] * 9, split="test")
    assert verify_split.label_offset([test, labelled(labels, told)], stated) == expected


@pytest.mark.parametrize("offset", [0, 1])
def test_labels_out_of_range_are_named_with_what_was_expected(offset):
    labels = [offset - 1, offset, offset + 999, offset + 1000, offset + 4]
    split = labelled(labels, [UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, 3])
    assert list(verify_split.label_problems(split, offset)) == [
        f"one: record 0, byte 0: n01440764_0.JPEG has the label {offset - 1}, expected {offset} to {offset + 999}",
        f"one: record 3, byte 300: n01440764_3.JPEG has the label {offset + 1000}, expected {offset} to {offset + 999}",
        f"one: record 4, byte 400: n01440764_4.JPEG has the label {offset + 4}, expected {offset + 3} "
        f"({synsets.wnids()[3]})",
    ]


@pytest.mark.parametrize("offset", [0, 1])
def test_label_of_the_split_test_is_minus_one_whatever_the_offset(offset):
    split = labelled([-1, 0, -2], [-1, -1, -1], split="test")
    assert [line.split(" has ")[1] for line in verify_split.label_problems(split, offset)] == [
        "the label 0, expected -1 in the split test",
        "the label -2, expected -1 in the split test",
    ]


def test_names_that_occur_twice_are_named_with_both_places():
    split = rows_of([b"b", b"a", b"c", b"b", b"b"], [0] * 5, [0] * 5, shards=[0, 0, 1, 1, 2])
    assert list(verify_split.double_problems(split)) == [
        "two: record 1, byte 100: b occurs twice, first as one: record 0, byte 0",
        "three: record 0, byte 0: b occurs twice, first as two: record 1, byte 100",
    ]


def in_order(count: int, moved: int = 0) -> list[bytes]:
    """Returns names in the order of records, of which so many times two neighbours have changed places."""
    names = np.array(named(count), np.bytes_)
    names = names[disk_order("train", names)].tolist()
    for k in range(0, 2 * moved, 2):
        names[k : k + 2] = names[k + 1], names[k]
    return names


def test_records_out_of_order_are_named_with_the_one_before():
    names = in_order(20, moved=1)
    split = rows_of(names, [0] * 20, [0] * 20, shards=[0] * 10 + [1] * 10)
    facts, (problem,) = verify_split.order_problems(split, True, split.split)
    before, after = (name.decode() for name in names[:2])
    assert facts == [] and problem.startswith(
        f"one: record 1, byte 100: {after} does not belong after {before} (one: record 0, byte 0): the order is md5("
    )


@pytest.mark.parametrize("moved", [2, 3])
def test_order_of_another_tool_is_checked_if_at_most_a_tenth_is_out_of_it(moved):
    split = rows_of(in_order(20, moved), [0] * 20, [0] * 20, shards=[0] * 10 + [1] * 10)
    assert len(verify_split.order_problems(split, True, split.split)[1]) == moved
    facts, problems = verify_split.order_problems(split, False, split.split)
    assert (len(facts), len(problems)) == ((0, 2) if moved == 2 else (1, 0))
    assert not facts or facts[0].startswith("train: the records are in another order than TFDS's, so")


@pytest.mark.parametrize(
    "first, problems", [(11, []), (12, ["train: the shards have 8 to 12 whole records, expected"])]
)
def test_shards_of_another_tool_differ_by_one_record(first, problems):
    counts = (first, 10) if first == 11 else (first, 8)
    split = rows_of(in_order(sum(counts)), [0] * sum(counts), [0] * sum(counts), shards=[0] * first + [1] * counts[1])
    facts, found = verify_split.order_problems(split, False, split.split)
    assert facts == [] and [line[: len(problems[0])] for line in found] == problems
    assert verify_split.order_problems(split, True, split.split) == ([], [])


@pytest.mark.parametrize(
    "split, few, ours", [("val", 2, False), ("val", 3, False), ("val", 3, True), ("train", 3, False)]
)
def test_names_of_another_split_are_a_problem_unless_another_tool_made_it_so(split, few, ours):
    own, other = [b"my_%d.JPEG" % k for k in range(20 - few)], named(few)
    if split == "train":
        other = [b"ILSVRC2012_val_%08d.JPEG" % k for k in range(1, few + 1)]
    facts, problems = verify_split.name_problems(rows_of(other + own, [0] * 20, [0] * 20, split=split), ours)
    if few == 2:
        assert facts == [] and [line.split(" has ")[1] for line in problems] == ["the form of another split's name"] * 2
        assert problems[1].startswith("one: record 1, byte 100: n01440764_1.JPEG")
    else:
        ((line,), none) = (facts, problems) if (split, ours) == ("val", False) else (problems, facts)
        assert none == [] and line.startswith(f"{split}: 3 names have the form of another split's: {other[0].decode()}")
    assert verify_split.name_problems(rows_of(own, [0] * len(own), [0] * len(own), split=split), ours) == ([], [])


def test_number_of_boxes_is_compared_with_the_manifest_if_no_record_is_missing():
    split = labelled([0] * 5, [0] * 5)  # records 1 and 4 have boxes
    line = "train: 2 of 5 images have bounding boxes, 40.0%"
    assert verify_split.box_lines(split, None, True) == verify_split.box_lines(split, 2, True) == ([line], [])
    assert verify_split.box_lines(split, 3, False) == ([line], [])
    assert verify_split.box_lines(split, 3, True) == ([], [f"{line}, manifest.json says 3"])
    none = labelled([0], [0])
    assert verify_split.box_lines(none, None, True) == ([], [])
    assert verify_split.box_lines(none, 0, True) == (["train: 0 of 1 image have bounding boxes, 0.0%"], [])


def classic(**values: bytes) -> bytes:
    """Returns a payload with these bytes as `image/class/…` and the name of an image of test."""
    example = tf_example_pb2.Example()
    example.features.feature["image/filename"].bytes_list.value.append(b"ILSVRC2012_test_00000001.JPEG")
    example.features.feature["image/class/label"].int64_list.value.append(-1)
    for key, value in values.items():
        example.features.feature[f"image/class/{key}"].bytes_list.value.append(value)
    return example.SerializeToString()


@pytest.mark.parametrize("values", [{"synset": b"n01440764"}, {"synset": b"", "text": b"tench"}])
def test_record_of_the_split_test_states_no_class(values):
    rules = Rules("classic", KINDS["classic"].keys, exact=True)
    row, problems = check_record(classic(**values), rules, "test")
    assert row == (b"ILSVRC2012_test_00000001.JPEG", -1, -1, False)
    assert "its image/class/synset and text are b'" in problems and "expected none in the split test" in problems
    assert "synset" not in check_record(classic(synset=b"", text=b""), rules, "test")[1]
