"""Order, number of shards and cuts are compared with TFDS's own."""

import dataclasses
import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorflow_datasets.core import hashing, shuffle
from tensorflow_datasets.core.utils import shard_utils

from ilsvrc_tfds import synsets
from ilsvrc_tfds.checks import doctor
from ilsvrc_tfds.errors import IncompleteError, OptionError
from ilsvrc_tfds.formats import naming
from ilsvrc_tfds.shards import plan
from ilsvrc_tfds.sources import Index, completeness
from ilsvrc_tfds.sources.layouts.archives import KIND
from ilsvrc_tfds.sources.members import Container, Members

GIB = 2**30
TRAIN, VAL = 1_281_167, 50_000


def members(n: int, split: str = "train", size: int = 1000) -> Members:
    """Returns n images of two containers and ten classes."""
    rows = np.arange(n)
    return Members(
        split=split,
        containers=(Container("/a.tar", f"{split}/a", "1", KIND), Container("/b.tar", f"{split}/b", "2", KIND)),
        name=np.array([b"n%08d_%d.JPEG" % (k % 10, k) for k in range(n)], np.bytes_),
        label=(rows % 10).astype(np.int16),
        container=(rows % 2).astype(np.int32),
        offset=rows * 1024,
        size=np.full(n, size, np.int64),
    )


@settings(max_examples=50, deadline=None)
@given(
    st.sampled_from(["train", "val", "test"]),
    st.lists(st.from_regex(r"[A-Za-z0-9_. -]{1,30}", fullmatch=True), min_size=1, max_size=60, unique=True),
)
def test_disk_order_is_that_of_tfds_hasher(split, names):
    hasher = hashing.Hasher(split)
    expected = sorted(range(len(names)), key=lambda row: hasher.hash_key(names[row]))
    assert naming.disk_order(split, np.array(names, np.bytes_)).tolist() == expected


def test_disk_order_is_that_of_tfds_shuffler(tmp_path):
    names = [f"ILSVRC2012_val_{k:08d}.JPEG" for k in range(1, 1001)]
    shuffler = shuffle.Shuffler(tmp_path, hash_salt="val")
    for name in names:
        shuffler.add(name, name.encode())
    theirs = [data for _, data in shuffler]
    ours = np.array(names, np.bytes_)
    assert ours[naming.disk_order("val", ours)].tolist() == theirs


def test_md5_is_taken_where_it_is_refused_for_security(monkeypatch, tmp_path):
    """As OpenSSL of a FIPS machine refuses it."""
    (tmp_path / "archive").write_bytes(b"data")
    names = np.array([b"a", b"b"], np.bytes_)
    expected, md5, new = naming.disk_order("val", names).tolist(), hashlib.md5, hashlib.new

    def refusing(function):
        def call(*arguments, usedforsecurity=True):
            if usedforsecurity:
                raise ValueError("[digital envelope routines] unsupported")
            return function(*arguments, usedforsecurity=False)

        return call

    monkeypatch.setattr(hashlib, "md5", refusing(md5))
    monkeypatch.setattr(hashlib, "new", refusing(new))
    assert naming.disk_order("val", names).tolist() == expected
    assert doctor._sum(str(tmp_path / "archive"), "md5") == "8d777f385d3dfec8815d20f7496026dc"


def test_disk_order_depends_on_the_split_and_not_on_the_order_given():
    names = members(100).name
    order = naming.disk_order("train", names)
    assert order.tolist() != naming.disk_order("val", names).tolist()
    np.testing.assert_array_equal(names[::-1][naming.disk_order("train", names[::-1])], names[order])


@pytest.mark.parametrize(
    "name, num_bytes, n, expected",
    [
        ("imagenet train, 137 GiB", 137 * GIB, TRAIN, 1024),
        ("imagenet val, 6.3 GiB", int(6.3 * GIB), VAL, 64),
        ("raw256 train, 52 GiB", TRAIN * 44_000, TRAIN, 512),
        ("raw256 val, 2 GiB", VAL * 44_000, VAL, 32),
        ("imagenet test, 12.7 GiB", int(12.7 * GIB), 100_000, 128),
        ("demo, 4 MB", 4_000_000, 480, 1),
        ("one large image", GIB, 1, 1),
        ("few large images", 100 * GIB, 100, 1),  # 128 would fit the size, but there are only 100
        ("1.5 TiB", 1536 * GIB, 10**7, 2048),
    ],
)
def test_shard_count_of_real_numbers(name, num_bytes, n, expected):
    assert plan.shard_count(num_bytes, n) == expected
    assert shard_utils.ShardConfig.calculate_number_shards(num_bytes, n) == expected


@settings(max_examples=500)
@given(st.integers(0, 10**13), st.integers(1, 10**7))
def test_shard_count_is_that_of_tfds(num_bytes, n):
    if (num_bytes + 16 * n) // GIB > 1024:
        n += 20_000  # with fewer images than shards, TFDS's rule never ends
    assert plan.shard_count(num_bytes, n) == shard_utils.ShardConfig.calculate_number_shards(num_bytes, n)


@pytest.mark.parametrize("unit", [64 << 20, GIB])
@pytest.mark.parametrize("power", range(13))
def test_shard_count_at_its_limits_is_that_of_tfds(unit, power):
    for n in (1 << power, (1 << power) - 1, 10**7):
        for num_bytes in ((unit << power) - 16 * n + more for more in (-1, 0, 1, GIB - 1, GIB)):
            if num_bytes < 0 or n < 10**7 and num_bytes >= 1024 * GIB:
                continue  # with fewer images than shards, TFDS's rule never ends
            expected = shard_utils.ShardConfig.calculate_number_shards(num_bytes, n) if n else 1
            assert plan.shard_count(num_bytes, n) == expected


@settings(max_examples=100)
@given(st.integers(1, 3000), st.data())
def test_shards_differ_by_one_image_at_most(n, data):
    count = data.draw(st.integers(1, n))
    sizes = np.diff(plan.plan_split(members(n), num_shards=count).bounds)
    assert sizes.sum() == n and sizes.max() - sizes.min() <= 1


@settings(max_examples=100)
@given(st.integers(1, 3000), st.data())
def test_bounds_are_those_of_tfds(n, data):
    count = data.draw(st.integers(1, n))
    bounds = plan.plan_split(members(n), num_shards=count).bounds
    assert bounds[0] == 0
    assert list(bounds[1:]) == shard_utils.get_shard_boundaries(n, count)


@pytest.mark.parametrize("count", [1, 2, 7, 50])
def test_shards_one_behind_the_other_are_the_order(count):
    whole = plan.plan_split(members(50), num_shards=count)
    shards = list(whole.shards())
    assert [(s.split, s.index, s.count) for s in shards] == [("train", k, count) for k in range(count)] and len(
        whole
    ) == count
    names = np.concatenate([s.members.name for s in shards])
    np.testing.assert_array_equal(names, whole.planned_members().name)
    np.testing.assert_array_equal(names, members(50).name[whole.order])


def test_shards_keep_each_image_with_its_own_label_and_place():
    source = members(40)
    truth = {source.name[k]: (source.label[k], source.place(k), source.offset[k]) for k in range(40)}
    for shard in plan.plan_split(source, num_shards=9).shards():
        for row, name in enumerate(shard.members.name):
            assert (shard.members.label[row], shard.members.place(row), shard.members.offset[row]) == truth[name]


def test_plan_estimates_bytes_from_the_images_or_their_mean_size():
    assert plan.plan_split(members(50)).num_bytes == 50_000
    assert plan.plan_split(members(50), image_bytes=7).num_bytes == 350
    assert plan.plan_split(members(50), max_examples=3).num_bytes == 3000


def test_plan_takes_the_number_of_shards_from_the_rule_or_the_user():
    large = members(200, size=5 * 2**20)  # 1000 MiB: 15.6 shards of 64 MiB at most, 1 at least
    assert len(plan.plan_split(large)) == 8
    assert len(plan.plan_split(large, num_shards=3)) == 3
    assert len(plan.plan_split(large, image_bytes=1000)) == 1


def test_max_examples_keeps_the_first_of_the_order():
    whole = plan.plan_split(members(50))
    first = plan.plan_split(members(50), max_examples=12, num_shards=5)
    np.testing.assert_array_equal(first.order, whole.order[:12])
    assert first.bounds[-1] == 12
    assert len(plan.plan_split(members(50), max_examples=1000).order) == 50


@pytest.mark.parametrize("count", [0, -1, 51])
def test_num_shards_out_of_range_is_an_option_error(count):
    with pytest.raises(
        OptionError, match=rf"num_shards must be in \[1, 50\] for split 'val' of 50 images, got {count}\."
    ):
        plan.plan_split(members(50, "val"), num_shards=count)


def test_num_shards_is_measured_against_max_examples():
    with pytest.raises(OptionError, match=r"num_shards must be in \[1, 5\]"):
        plan.plan_split(members(50), num_shards=6, max_examples=5)


@pytest.mark.parametrize("value", [0, -5])
def test_max_examples_out_of_range_is_an_option_error(value):
    with pytest.raises(OptionError, match=f"max_examples must be at least 1, got {value}"):
        plan.plan_split(members(50), max_examples=value)


def index(**counts: int) -> Index:
    return Index("/data", "official archives", {split: members(n, split) for split, n in counts.items()})


def test_shortfalls_count_images_and_classes():
    found = completeness.shortfalls(index(train=1000, val=VAL + 1, test=5))
    assert found["train"] == "1,000 of 1,281,167 images, 990 classes missing"
    assert found["val"] == "50,001 of 50,000 images, 990 classes missing"
    assert found["test"] == "5 of 100,000 images"


def test_shortfalls_pass_over_splits_that_are_not_there():
    assert completeness.shortfalls(index()) == completeness.shortfalls(index(val=VAL)) == {}


@pytest.fixture
def warnings(caplog):
    """The warnings that are logged."""
    caplog.set_level("WARNING", "ilsvrc_tfds")
    return caplog


def test_shortfalls_are_refused_with_source_and_remedy_or_allowed_with_a_warning(warnings):
    completeness.log_shortfalls(index(val=VAL), False, ["val"])
    assert warnings.messages == []
    few = index(train=7, val=VAL)
    message = r"/data is not the whole of ILSVRC2012 \(train: 7 of 1,281,167 images.*\).*--allow-incomplete"
    with pytest.raises(IncompleteError, match=message):
        completeness.log_shortfalls(few, False)
    assert warnings.messages == []
    completeness.log_shortfalls(few, True)
    completeness.log_missing_splits(few, False)
    text = "train has 7 of 1,281,167 images, 993 classes missing."
    assert warnings.messages == [f"Incomplete, and allowed: {text}", f"Incomplete: {text}"]


@pytest.mark.parametrize("log", [completeness.log_shortfalls, completeness.log_missing_splits])
def test_train_and_val_are_expected_where_no_splits_are_named(log, warnings):
    log(index(train=synsets.OFFICIAL_COUNTS["train"], val=VAL), False)
    found = dataclasses.replace(index(val=VAL), missing={"train": "seen: train.tar.part", "test": "found: nothing"})
    message = r"/data is not the whole of ILSVRC2012 \(train: not there; seen: train.tar.part\).* --splits val \(splits=\['val'\]\)"
    with pytest.raises(IncompleteError, match=message):
        log(found, False)
    log(found, False, ("val",))
    with pytest.raises(IncompleteError, match=r"\(test: not there; found: nothing\)"):
        log(found, False, ("val", "test"))
    assert warnings.messages == []
    log(found, True)
    assert warnings.messages == ["Incomplete, and allowed: the split train is not there; seen: train.tar.part."]


def test_plans_are_immutable():
    with pytest.raises(dataclasses.FrozenInstanceError):
        plan.plan_split(members(5)).bounds = (0, 5)


def test_plans_and_shards_are_compared_by_identity():
    """Their arrays could not be compared or hashed."""
    whole = plan.plan_split(members(5))
    for value in (whole, next(whole.shards())):
        again = dataclasses.replace(value)
        assert value != again and len({value, again}) == 2
