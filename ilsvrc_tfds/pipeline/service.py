"""Batches made by the workers of a tf.data service, TensorFlow's engine for preprocessing on other machines."""

import re
import socket

import tensorflow as tf
from tensorflow.data.experimental import service as tf_service

from ilsvrc_tfds.errors import OptionError, SourceError

_ADDRESS = re.compile(r"grpc://(?P<host>[^/:]+|\[[0-9a-fA-F:]+\]):(?P<port>\d+)")
_SECONDS_TO_ANSWER = 10


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
        socket.create_connection((match["host"].strip("[]"), int(match["port"])), timeout=_SECONDS_TO_ANSWER).close()
    except (OSError, OverflowError) as error:
        raise SourceError(
            f"No tf.data service answers at {address} ({error}). Start tf.data.experimental.service.DispatchServer there."
        ) from error
