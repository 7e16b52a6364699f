"""The batches of a training: the same over all hosts, however many there are, and each image once in an epoch."""

import collections
import dataclasses

import drawing
import pytest
import tensorflow as tf

import ilsvrc_tfds
from ilsvrc_tfds import pipeline, preprocess, training
from ilsvrc_tfds.errors import OptionError
from ilsvrc_tfds.pipeline.schedule import Host
from ilsvrc_tfds.training.devices import Devices
from ilsvrc_tfds.training.streams import Streams

RECIPE = training.Recipe(model="small", batch_size=12, shuffle_buffer=16)
STEPS = 5


@dataclasses.dataclass(frozen=True)
class NameAndDice(preprocess.Op):
    """The file name and a random number in place of the image."""

    def __call__(self, example, seed):
        number = tf.random.stateless_uniform([], seed, maxval=1 << 30, dtype=tf.int32)
        return {**example, "image": tf.strings.join([example["file_name"], tf.strings.as_string(number)], " ")}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A prepared miniature: 60 images of train, 21 of val."""
    root = tmp_path_factory.mktemp("streams")
    source = drawing.official_archives(root / "source", drawing.miniature(train=20, val=7))
    shards = {"train": 3, "val": 1}
    options = {"num_shards": shards, "workers": 1, "allow_incomplete": True}
    return ilsvrc_tfds.prepare(source, root / "data", **options).data_dir


def streams(prepared, hosts: int, shares: int, index: int) -> Streams:
    recipe = dataclasses.replace(RECIPE, shares=shares)
    source = {"data_dir": None, "label_offset": None}
    return Streams(prepared, source, recipe, Devices(hosts, Host(index, hosts)))


def batches(prepared, hosts: int, shares: int, start_step: int = 0) -> list[list[str]]:
    """Returns what the batches of all hosts together have, from a step on to the end of the second epoch."""
    found = [[] for _ in range(2 * STEPS - start_step)]
    for index in range(hosts):
        stream = streams(prepared, hosts, shares, index).training((NameAndDice(),), start_step)
        for batch, (names, _) in zip(found, stream.as_numpy_iterator(), strict=False):
            assert len(names) == RECIPE.batch_size // hosts
            batch += [name.decode() for name in names]
    return [sorted(batch) for batch in found]


@pytest.mark.slow
@pytest.mark.parametrize("shares", [1, 2])
def test_hosts_together_have_the_batches_of_one(shares, prepared):
    alone = batches(prepared, 1, shares)
    assert batches(prepared, 2, shares) == batches(prepared, 4, shares) == alone
    assert batches(prepared, 2, shares, start_step=8) == alone[8:]
    for epoch in (alone[:STEPS], alone[STEPS:]):
        names = collections.Counter(name.split()[0] for batch in epoch for name in batch)
        assert len(names) == 60 and set(names.values()) == {1}


@pytest.mark.slow
def test_one_host_and_share_have_the_batches_of_for_training(prepared):
    train = pipeline.for_training(prepared, batch_size=12, ops=(NameAndDice(),), shuffle_buffer=16)
    names = [[name.decode() for name in batch] for batch, _ in train.take(3).as_numpy_iterator()]
    ours = streams(prepared, 1, 1, 0).training((NameAndDice(),), 0).take(3).as_numpy_iterator()
    assert [[name.decode() for name in batch] for batch, _ in ours] == names
    assert [sorted(batch) for batch in names] == batches(prepared, 1, 1)[:3]


@pytest.mark.slow
@pytest.mark.parametrize("hosts", [1, 3])
def test_hosts_validate_each_image_once_in_as_many_batches(hosts, prepared):
    found = collections.Counter()
    for index in range(hosts):
        own = list(streams(prepared, hosts, 1, index).validation((NameAndDice(),)).as_numpy_iterator())
        assert len(own) == 2
        for names, _, *weights in own:
            found.update(name for name, weight in zip(names, weights[0] if weights else [1] * 12) if weight)
    assert len(found) == 21 and set(found.values()) == {1}


def test_shares_that_hosts_do_not_divide_are_refused(prepared):
    with pytest.raises(OptionError, match="shares must be a multiple or a divisor of 3, the number of hosts, got 2"):
        streams(prepared, 3, 2, 0)


def test_service_is_for_one_host_and_share():
    source = {"data_dir": None, "label_offset": None}
    for recipe, devices in ((RECIPE, Devices(2, Host(0, 2))), (dataclasses.replace(RECIPE, shares=2), Devices())):
        with pytest.raises(OptionError, match="With service=….*, there must be one host, and shares must be 1"):
            Streams("x", source, recipe, devices, "grpc://localhost:5050")


@pytest.mark.parametrize(
    "options, message",
    [
        ({"part": (2, 2)}, r"part must be \(k, m\) with 0 <= k < m, got \(2, 2\)"),
        ({"part": 3}, r"part must be \(k, m\), got 3"),
        ({"part": (0, 5)}, "batch_size must be a multiple of 5, the number of parts, got 12"),
        ({"part": (0, 2), "deterministic": False}, "deterministic and drop_remainder must be True"),
        ({"part": (0, 2), "drop_remainder": False}, "all hosts must agree on the batches"),
        ({"part": (0, 2), "service": "grpc://localhost:1"}, "and service None"),
    ],
)
def test_impossible_part_is_refused(options, message, prepared):
    with pytest.raises(OptionError, match=message):
        pipeline.for_training(prepared, batch_size=12, **options)
