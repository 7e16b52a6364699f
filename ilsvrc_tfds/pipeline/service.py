"""Batches from the workers of a tf.data service, TensorFlow's engine for preprocessing on other machines."""

import re
import socket

import tensorflow as tf
from tensorflow.data.experimental import service as tf_service

from ilsvrc_tfds.errors import OptionError, SourceError

_ADDRESS = re.compile(r"grpc://(?P<host>[^/:]+|\[[0-9a-fA-F:]+\]):(?P<port>\d+)")
_SECONDS_TO_ANSWER = 10
# gRPC is HTTP/2: the client first sends this and an empty SETTINGS frame, the server its own SETTINGS (RFC 9113, 3.4).
_HTTP2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
_FRAME_BYTES, _TYPE, _SETTINGS = 9, 3, b"\x04"


def made_by_service(data: tf.data.Dataset, address: str, batch_size: int, drop_remainder: bool) -> tf.data.Dataset:
    """Returns the batches of `data`, made by the workers of a service, as soon as they are ready.

    Each element of the source of `data` goes to one of the workers.

    Args:
      data: Batches to make. The graph must not contain Python functions.
      address: Address of the dispatcher, `grpc://host:port`.
      batch_size: Number of examples in a batch.
      drop_remainder: Whether to leave out a last batch that is not full.

    Raises:
      OptionError: The address has another form.
      SourceError: No dispatcher answers at the address within 10 s. TensorFlow would wait forever.

    >>> made_by_service(tf.data.Dataset.range(4).batch(2), "localhost:5050", 2, True)
    Traceback (most recent call last):
    ilsvrc_tfds.errors.OptionError: service must be grpc://HOST:PORT, the address of a tf.data dispatcher, got ...
    """
    _require_dispatcher(address)
    data = data.apply(tf_service.distribute(processing_mode=tf_service.ShardingPolicy.DYNAMIC, service=address))
    # The last batch of each worker may not be full.
    return data.rebatch(batch_size, drop_remainder=drop_remainder)


def _require_dispatcher(address: str) -> None:
    match = _ADDRESS.fullmatch(address)
    if match is None:
        raise OptionError(f"service must be grpc://HOST:PORT, the address of a tf.data dispatcher, got {address!r}.")
    try:
        place = (match["host"].strip("[]"), int(match["port"]))
        with socket.create_connection(place, timeout=_SECONDS_TO_ANSWER) as connection:
            connection.sendall(_HTTP2)
            answer = connection.recv(_FRAME_BYTES, socket.MSG_WAITALL)
        if answer[_TYPE : _TYPE + 1] != _SETTINGS:
            raise OSError(f"another kind of server answers: {answer!r}")
    except (OSError, OverflowError) as error:
        raise SourceError(
            f"No tf.data service answers at {address} ({error}). Start "
            "tf.data.experimental.service.DispatchServer there."
        ) from error
