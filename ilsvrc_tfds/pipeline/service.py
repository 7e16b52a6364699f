"""Batches made by the workers of a tf.data service, TensorFlow's engine for preprocessing on other machines."""

import re
import socket

import tensorflow as tf
from tensorflow.data.experimental import service as tf_service

from ilsvrc_tfds.errors import OptionError, SourceError

_ADDRESS = re.compile(r"grpc://(?P<host>[^/:]+|\[[0-9a-fA-F:]+\]):(?P<port>\d+)")
_SECONDS_TO_ANSWER = 10
# gRPC is HTTP/2: a client begins with this and an empty frame of settings, a server with its own settings (RFC 9113, 3.4).
_HTTP2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
_FRAME_BYTES, _TYPE, _SETTINGS = 9, 3, b"\x04"


def made_by_service(data: tf.data.Dataset, address: str, batch_size: int, drop_remainder: bool) -> tf.data.Dataset:
    """Returns the batches that the workers make of `data`, as they come; the workers deal its source out among themselves.

    Raises OptionError for what is no address, and SourceError where nobody answers: TensorFlow would wait for ever.
    """
    _require_dispatcher(address)
    data = data.apply(tf_service.distribute(processing_mode=tf_service.ShardingPolicy.DYNAMIC, service=address))
    # The last batch of each worker may lack some.
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
            raise OSError(f"what answers there is another server: {answer!r}")
    except (OSError, OverflowError) as error:
        raise SourceError(
            f"No tf.data service answers at {address} ({error}). Start tf.data.experimental.service.DispatchServer there."
        ) from error
