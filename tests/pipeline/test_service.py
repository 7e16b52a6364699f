"""A tf.data service that makes the batches: a dispatcher, and two workers in processes of their own, on loopback."""

import collections
import contextlib
import dataclasses
import socket
import subprocess
import sys
import threading
import time

import drawing
import pytest
import tensorflow as tf

import ilsvrc_tfds
from ilsvrc_tfds import pipeline, preprocess
from ilsvrc_tfds.errors import OptionError, SourceError
from ilsvrc_tfds.pipeline import service as pipeline_service

pytestmark = pytest.mark.slow

TRAIN = 60
WORKER = """
import sys, tensorflow as tf
service = tf.data.experimental.service
service.WorkerServer(service.WorkerConfig(dispatcher_address=sys.argv[1], heartbeat_interval_ms=100)).join()
"""


@dataclasses.dataclass(frozen=True)
class NameAndProcess(preprocess.Op):
    """The file name and the process that read it (Linux) in place of the image."""

    def __call__(self, example, seed):
        process = tf.strings.split(tf.io.read_file("/proc/self/stat"))[0]
        return {**example, "image": tf.stack([example["file_name"], process])}


@dataclasses.dataclass(frozen=True)
class NameAndDice(preprocess.Op):
    """The file name and a random number in place of the image."""

    def __call__(self, example, seed):
        number = tf.random.stateless_uniform([], seed, maxval=1 << 30, dtype=tf.int32)
        return {**example, "image": tf.stack([example["file_name"], tf.strings.as_string(number)])}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    root = tmp_path_factory.mktemp("service")
    source = drawing.official_archives(root / "source", drawing.miniature(train=TRAIN // 3, val=7))
    shards = {"train": 6, "val": 2}
    builder = ilsvrc_tfds.prepare(source, root / "data", workers=1, allow_incomplete=True, num_shards=shards)
    return builder.data_path


@pytest.fixture(scope="module")
def service():
    """The address of a dispatcher with two workers."""
    dispatcher = tf.data.experimental.service.DispatchServer()
    address = dispatcher.target.partition("://")[2]
    with contextlib.ExitStack() as stack:
        for _ in range(2):
            stack.callback(stack.enter_context(subprocess.Popen([sys.executable, "-c", WORKER, address])).kill)
        while dispatcher._num_workers() < 2:
            time.sleep(0.1)
        yield dispatcher.target


def rows(data: tf.data.Dataset) -> list[tuple[str, str]]:
    return [tuple(text.decode() for text in row) for batch in data.as_numpy_iterator() for row in batch[0]]


@pytest.mark.parametrize("options", [{}, {"fraction": 1.0}], ids=["all", "subset"])
def test_workers_share_the_epochs_out(options, prepared, service):
    data = pipeline.for_training(
        prepared,
        batch_size=7,
        ops=(NameAndProcess(),),
        epochs=40,
        drop_remainder=False,
        shuffle_buffer=8,
        service=service,
        **options,
    )
    seen = rows(data)
    assert set(collections.Counter(name for name, _ in seen).values()) == {40}
    assert len(seen) == 40 * TRAIN
    assert len({process for _, process in seen}) == 2


def test_every_epoch_of_an_example_has_its_own_seed(prepared, service):
    seen = rows(
        pipeline.for_training(prepared, batch_size=6, ops=(NameAndDice(),), epochs=3, shuffle_buffer=8, service=service)
    )
    assert len(seen) == len(set(seen)) == 3 * TRAIN
    assert len({dice for _, dice in seen}) == 3 * TRAIN


def test_batches_are_whole_and_counted(prepared, service):
    data = pipeline.for_training(
        prepared, batch_size=8, ops="randaugment_train", epochs=2, shuffle_buffer=8, service=service
    )
    shapes = [(images.shape, images.dtype, labels.shape) for images, labels in data]
    assert shapes == [((8, 224, 224, 3), tf.uint8, (8, 1000))] * (2 * TRAIN // 8)
    assert data.cardinality() == len(shapes)


@pytest.fixture
def shard(prepared):
    """A shard of train, which a test may harm."""
    path = prepared / "ilsvrc2012-train.tfrecord-00003-of-00006"
    before = path.read_bytes()
    yield path
    path.write_bytes(before)


def test_damaged_record_is_named(prepared, service, shard):
    shard.write_bytes(shard.read_bytes()[:-30])
    data = pipeline.for_training(prepared, batch_size=6, ops=(NameAndDice(),), epochs=1, service=service)
    with pytest.raises(
        tf.errors.InvalidArgumentError, match=r"00003-of-00006\] \[record\] \[\d+\] \[or one before it is damaged"
    ):
        rows(data)
    with pytest.raises(SourceError, match=r"^.*00003-of-00006: record \d+ or one before it is damaged or missing"):
        with pipeline.source_errors(prepared):
            rows(data)


def test_image_that_cannot_be_decoded_is_named(prepared, service, shard):
    records = [tf.train.Example.FromString(record.numpy()) for record in tf.data.TFRecordDataset(str(shard))]
    features = records[1].features.feature
    features["image"].bytes_list.value[0] = features["image"].bytes_list.value[0][:100]
    with tf.io.TFRecordWriter(str(shard)) as writer:
        for record in records:
            writer.write(record.SerializeToString())
    data = pipeline.for_training(
        prepared, batch_size=6, ops=preprocess.preset("resnet_train", size=32), epochs=1, service=service
    )
    name = features["file_name"].bytes_list.value[0].decode()
    with pytest.raises(SourceError, match=rf"^{shard}: record 1 \({name}\): its image cannot be decoded"):
        with pipeline.source_errors(prepared):
            list(data)


@pytest.mark.parametrize("options", [{}, {"fraction": 1.0}], ids=["all", "subset"])
def test_shard_that_the_workers_do_not_see_is_an_error(options, prepared, service, shard):
    data = pipeline.for_training(prepared, batch_size=6, ops=(NameAndDice(),), epochs=1, service=service, **options)
    shard.unlink()
    with pytest.raises(tf.errors.NotFoundError, match=f"{shard}; No such file or directory"):
        rows(data)
    with pytest.raises(SourceError, match=f"^{shard} cannot be read by a worker of the tf.data service: No such file"):
        with pipeline.source_errors(prepared):
            rows(data)


@pytest.mark.parametrize("options", [{}, {"fraction": 1.0}], ids=["all", "subset"])
def test_shard_that_was_replaced_is_an_error(options, prepared, service, shard):
    data = pipeline.for_training(prepared, batch_size=6, ops=(NameAndDice(),), epochs=1, service=service, **options)
    shard.write_bytes(shard.with_name(shard.name.replace("00003", "00001")).read_bytes())
    with pytest.raises(SourceError, match=f"^{shard} has changed since reading began. If the data set was replaced"):
        with pipeline.source_errors(prepared):
            rows(data)


def test_address_where_nobody_answers_is_an_error(prepared):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(SourceError, match=f"No tf.data service answers at grpc://127.0.0.1:{port} .*Start tf.data"):
        pipeline.for_training(prepared, batch_size=6, service=f"grpc://127.0.0.1:{port}")


@pytest.mark.parametrize("answer", [b"HTTP/1.0 400 Bad request\r\n\r\n", b"", None], ids=["http", "closed", "silent"])
def test_another_server_is_an_error(answer, prepared, monkeypatch):
    monkeypatch.setattr(pipeline_service, "_SECONDS_TO_ANSWER", 1)

    def serve(server):
        connection, _ = server.accept()
        with connection:
            connection.recv(100)
            if answer is None:
                connection.recv(1)
            else:
                connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, args=(server,), daemon=True).start()
        address = f"grpc://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(
            SourceError, match=rf"No tf.data service answers at {address} \((another kind of server answers|timed out)"
        ):
            pipeline.for_training(prepared, batch_size=6, service=address)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"service": "localhost:5000"}, "service must be grpc://HOST:PORT"),
        ({"service": "grpc://localhost:1", "start_step": 3}, "start_step must be 0"),
        ({"service": "grpc://localhost:1", "on_error": "skip"}, "on_error 'raise'"),
    ],
)
def test_impossible_options_are_refused(options, message, prepared):
    with pytest.raises(OptionError, match=message):
        pipeline.for_training(prepared, batch_size=6, **options)
