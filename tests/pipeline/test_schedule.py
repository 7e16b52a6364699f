"""Which records each host reads, where a stream starts, and the seed of each example: compared with counting."""

import itertools
import json

import numpy as np
import pytest
import tensorflow as tf

from ilsvrc_tfds.errors import OptionError
from ilsvrc_tfds.pipeline import batches
from ilsvrc_tfds.pipeline.epochs import key_of, records_in_order, share_of
from ilsvrc_tfds.pipeline.examples import examples_of
from ilsvrc_tfds.pipeline.reading import shuffled
from ilsvrc_tfds.pipeline.schedule import Course, Host, as_host, deal
from ilsvrc_tfds.pipeline.split import find_split


@pytest.mark.parametrize("count", range(1, 8))
def test_hosts_share_examples_one_behind_the_other_and_evenly(count):
    for n in range(30):
        hosts = [Host(index, count) for index in range(count)]
        assert list(itertools.chain(*(range(*host.bounds(n)) for host in hosts))) == list(range(n))
        sizes = [host.examples(n) for host in hosts]
        assert sizes == [len(range(*host.bounds(n))) for host in hosts]
        assert max(sizes) - min(sizes) <= 1 and {host.most(n) for host in hosts} == {max(sizes)}


@pytest.mark.parametrize("lengths", [(4, 4, 4), (1, 0, 7, 2), (0, 0, 3), (9,), (0,)], ids=str)
@pytest.mark.parametrize("count", [1, 2, 3, 5, 12])
def test_pieces_of_a_host_are_its_records(lengths, count):
    records = [(shard, number) for shard, length in enumerate(lengths) for number in range(length)]
    for index in range(count):
        host = Host(index, count)
        pieces = deal(lengths, host)
        start, stop = host.bounds(len(records))
        assert [(p.shard, p.first + k) for p in pieces for k in range(p.length)] == records[start:stop]
        assert len({piece.shard for piece in pieces}) == len(pieces)


@pytest.mark.parametrize("index, count", [(-1, 2), (2, 2), (0, 0), (1, 0)])
def test_host_out_of_range_is_an_option_error(index, count):
    with pytest.raises(OptionError, match=rf"shard must be \(i, n\) with 0 <= i < n, got \({index}, {count}\)\."):
        Host(index, count)


@pytest.mark.parametrize("shard", [3, (1,), (0, 1, 2), None, (0.0, 2), (True, 2), ("0", "2")], ids=str)
def test_what_is_no_host_is_an_option_error(shard):
    with pytest.raises(OptionError, match=r"shard"):
        as_host(shard)


def test_host_may_be_given_as_integers_of_numpy():
    host = as_host(np.array([1, 4]))
    assert host == Host(1, 4) and type(host.index) is type(host.count) is int


def course(examples: int, batch_size: int, epochs: int | None, **options) -> Course:
    return Course(
        **{"examples": examples, "fewest": examples, "batch_size": batch_size, "epochs": epochs, "start_step": 0}
        | {"drop_remainder": True, **options}
    )


@pytest.mark.parametrize("examples, batch_size, epochs", [*itertools.product((5, 6, 10), (1, 2, 4, 5), (1, 2, 3))])
def test_course_has_the_batches_of_its_epochs_one_behind_the_other(examples, batch_size, epochs):
    stream = [(epoch, example) for epoch in range(epochs) for example in range(examples)]
    batches = [stream[k : k + batch_size] for k in range(0, len(stream), batch_size)]
    full = sum(len(batch) == batch_size for batch in batches)
    assert course(examples, batch_size, epochs).steps == full
    assert course(examples, batch_size, epochs, drop_remainder=False).steps == len(batches)
    assert course(examples, batch_size, None).steps is None
    for step in range(full):
        later = course(examples, batch_size, epochs, start_step=step)
        assert (later.first_epoch, later.skipped) == batches[step][0] and later.steps == full
    assert course(examples, batch_size, epochs, start_step=full).steps == full


def test_all_hosts_have_the_batches_of_the_smallest_share():
    assert [course(n, 2, 3, fewest=5).steps for n in (5, 6)] == [7, 7]
    assert [course(n, 2, 3, fewest=5, drop_remainder=False).steps for n in (5, 6)] == [8, 9]


@pytest.mark.parametrize(
    "options, message",
    [
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
        ({"epochs": 0}, "epochs must be at least 1, or None for an endless stream, got 0"),
        (
            {"batch_size": 11},
            "batch_size=11 is larger than the 10 examples of a host. Choose a smaller one, or pass dr",
        ),
        ({"batch_size": 10, "fewest": 9}, "batch_size=10 is larger than the 9 examples of a host"),
        ({"fewest": 0, "drop_remainder": False}, "batch_size=4 is larger than the 0 examples of a host"),
        ({"start_step": -1}, r"start_step must be in \[0, 5\], got -1\."),
        ({"start_step": 6}, r"start_step must be in \[0, 5\], got 6\."),
        ({"start_step": -1, "epochs": None}, r"start_step must be at least 0, got -1\."),
    ],
)
def test_impossible_course_is_an_option_error(options, message):
    with pytest.raises(OptionError, match=message):
        course(**{"examples": 10, "batch_size": 4, "epochs": 2, **options})


def test_course_at_its_limits_is_possible():
    assert course(10, 10, 1).steps == course(10, 1, 1, start_step=10).first_epoch == 1
    assert course(10, 11, 1, drop_remainder=False).steps == 1
    assert course(10, 4, None, start_step=10**9).first_epoch == 4 * 10**8


def test_seed_of_an_example_follows_from_the_host_its_shard_and_its_number(prepare):
    """It must stay the same in later versions: a run that is resumed would see other augmentations."""
    split = find_split(prepare(num_shards={"train": 5}).data_dir, "train")
    key = key_of(7, Host())
    records = records_in_order(share_of(split, None, Host()), key)
    seeds = [example["seed"].numpy() for example in examples_of(records, split, ())]
    places = [(shard, number) for shard, length in enumerate(split.lengths) for number in range(length)]
    added = np.array([(shard * 0x9E3779B9 % 2**32, number) for shard, number in places], np.uint32)
    np.testing.assert_array_equal(np.array(seeds).view(np.uint32), key.numpy().view(np.uint32) + added)
    assert len(set(map(tuple, seeds))) == 12


def test_service_needs_a_stream_without_a_beginning_and_skipping():
    batches._require_plain(0, json.loads('"raise"'))  # equal to the constant, and another object
    for options in ((1, "raise"), (0, "skip")):
        with pytest.raises(OptionError, match="With service=…, start_step must be 0 and on_error 'raise'"):
            batches._require_plain(*options)


def test_order_of_a_shuffle_follows_from_both_halves_of_the_seed():
    numbers = tf.data.Dataset.range(50)
    seeds = [(3, 4), (3, 4), (4, 4), (3, 3), (4, 3)]
    orders = [[int(n) for n in shuffled(numbers, 20, tf.constant(seed, tf.int32))] for seed in seeds]
    assert orders[0] == orders[1] and len(set(map(tuple, orders))) == 4
    assert all(sorted(order) == list(range(50)) for order in orders)


@pytest.mark.parametrize("seed", [-1, 1 << 62])
def test_seed_out_of_range_is_an_option_error(seed):
    with pytest.raises(OptionError, match=rf"seed must be in \[0, 2\*\*62\), got {seed}\."):
        key_of(seed, Host())


def test_key_is_that_of_tensorflow_for_both_halves_of_the_seed():
    seed = (1 << 62) - 1 - (1 << 40)
    halves = tf.constant([seed % 2**31, seed // 2**31], tf.int32)
    np.testing.assert_array_equal(key_of(seed, Host(3, 4)), tf.random.fold_in(halves, 3))
