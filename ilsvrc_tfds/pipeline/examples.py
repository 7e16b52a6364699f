"""A record's payload to an example: `{image: JPEG bytes, label: class index, file_name}`, whatever wrote the record."""

from collections.abc import Callable

import tensorflow as tf

from ilsvrc_tfds.pipeline.splits import Split
from ilsvrc_tfds.pipeline.subsets import Subset
from ilsvrc_tfds.synsets import NUM_CLASSES

_KINDS = {"image": tf.string, "label": tf.int64, "file_name": tf.string}


def parser(split: Split, subset: Subset | None) -> Callable[[tf.Tensor], dict[str, tf.Tensor]]:
    """Returns a function from the payloads of a split to examples.

    Labels are in [0, 1000), or those of the subset; -1 in the test split. A label outside, as of a wrong `label_offset`, is an
    error when it is read.
    """
    keys = split.fields._asdict()
    features = {key: tf.io.FixedLenFeature([], _KINDS[name]) for name, key in keys.items()}
    labels = tf.range(NUM_CLASSES, dtype=tf.int64) if subset is None else tf.constant(subset.new_labels())

    def parse(payload: tf.Tensor) -> dict[str, tf.Tensor]:
        values = tf.io.parse_single_example(payload, features)
        example = {name: values[key] for name, key in keys.items()}
        if split.name == "test":
            return example
        # tf.gather refuses what is out of range.
        return {**example, "label": tf.gather(labels, example["label"] - split.label_offset)}

    return parse
