"""The batches of `pipeline.py` as others make them: plain tf.data, and NVIDIA DALI on the processor."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

CORES = 2
BATCH_SIZE = 128
SIZE = 224


class Records(NamedTuple):
    """The train split of a prepared data set of original images or raw256.

    Attributes:
      folder: of the shards.
      paths: of the shards.
      epoch: full batches of an epoch.
    """

    folder: Path
    paths: list[str]
    epoch: int

    @property
    def timed(self) -> int:
        """Batches on the clock: few enough that a shuffle buffer goes on reading."""
        return max(1, self.epoch // 3)

    @property
    def warm_up(self) -> int:
        """Batches before the clock starts."""
        return max(2, self.timed // 8)

    @property
    def buffer(self) -> int:
        """Records of a shuffle buffer."""
        return max(BATCH_SIZE, self.epoch * BATCH_SIZE // 8)


def train_naively(records: Records) -> Iterable:
    """Returns batches of plain tf.data, float32: the whole image is decoded, then cropped."""
    import tensorflow as tf

    def crop(data):
        image = tf.io.decode_jpeg(data, channels=3)
        image = _resized(tf, tf.slice(image, *_random_window(tf, tf.shape(image))))
        return tf.image.random_flip_left_right(image)

    return _batches(tf, _shuffled(tf, records), crop)


def train_fused(records: Records) -> Iterable:
    """Returns batches of the recipe of the TPU and flax pipelines in one map, float32: the crop alone is decoded."""
    import tensorflow as tf

    def crop(data):
        return tf.image.random_flip_left_right(_resized(tf, _decoded_crop(tf, data)))

    return _batches(tf, _shuffled(tf, records), crop)


def train_fused_to_uint8(records: Records) -> Iterable:
    """Returns batches of the same recipe that is uint8 from the resizing on, as ours."""
    import tensorflow as tf

    def crop(data):
        return tf.image.random_flip_left_right(_as_uint8(tf, _resized(tf, _decoded_crop(tf, data))))

    return _batches(tf, _shuffled(tf, records), crop)


def train_with_dali(records: Records) -> Iterator:
    """Yields batches of DALI's fused decoder, bilinear without antialiasing as the other sides resize."""
    from nvidia.dali import fn, pipeline_def, types
    from nvidia.dali import tfrecord as tfrec

    from ilsvrc_tfds.formats.record_index import PREFIX

    @pipeline_def(batch_size=BATCH_SIZE, num_threads=CORES, device_id=None, prefetch_queue_depth=2)
    def crops():
        record = fn.readers.tfrecord(
            path=records.paths,
            index_path=[str(Path(path).with_name(PREFIX + Path(path).name)) for path in records.paths],
            features={
                "image": tfrec.FixedLenFeature((), tfrec.string, ""),
                "label": tfrec.FixedLenFeature((), tfrec.int64, -1),
            },
            random_shuffle=True,
            initial_fill=records.buffer,
        )
        image = fn.decoders.image_random_crop(
            record["image"],
            output_type=types.RGB,
            random_area=[0.08, 1],
            random_aspect_ratio=[3 / 4, 4 / 3],
            num_attempts=100,
        )
        image = fn.resize(image, size=[SIZE, SIZE], interp_type=types.INTERP_LINEAR, antialias=False)
        return fn.flip(image, horizontal=fn.random.coin_flip()), record["label"]

    pipe = crops()
    pipe.build()
    while True:
        yield pipe.run()


def evaluate_naively(records: Records) -> Iterable:
    """Returns batches of plain tf.data, float32: the whole image is decoded, then the same central square cut out."""
    import tensorflow as tf

    def crop(data):
        image = tf.io.decode_jpeg(data, channels=3)
        sides = tf.shape(image)[:2]
        side = tf.cast(tf.round(0.875 * tf.cast(tf.reduce_min(sides), tf.float32)), tf.int32)
        top, left = tf.unstack((sides - side) // 2)
        return _resized(tf, image[top : top + side, left : left + side])

    return _batches(tf, tf.data.TFRecordDataset(records.paths), crop)


def _shuffled(tf, records: Records):
    """Returns the records of endless epochs, 16 shards in turn and through a buffer."""
    data = tf.data.Dataset.from_tensor_slices(records.paths).shuffle(len(records.paths))
    data = data.interleave(tf.data.TFRecordDataset, cycle_length=16, num_parallel_calls=tf.data.AUTOTUNE)
    return data.shuffle(records.buffer).repeat()


def _batches(tf, data, crop: Callable):
    features = {"image": tf.io.FixedLenFeature([], tf.string), "label": tf.io.FixedLenFeature([], tf.int64)}

    def example(record):
        parsed = tf.io.parse_single_example(record, features)
        return crop(parsed["image"]), parsed["label"]

    data = data.map(example, num_parallel_calls=tf.data.AUTOTUNE)
    return data.batch(BATCH_SIZE, drop_remainder=True).prefetch(tf.data.AUTOTUNE)


def _random_window(tf, shape):
    """Returns begin and size, of three axes each, of Inception's crop."""
    begin, size, _ = tf.image.sample_distorted_bounding_box(
        shape,
        bounding_boxes=tf.constant([[[0.0, 0.0, 1.0, 1.0]]]),
        min_object_covered=0.0,
        aspect_ratio_range=(3 / 4, 4 / 3),
        area_range=(0.08, 1.0),
        max_attempts=100,
        use_image_if_no_bounding_boxes=True,
    )
    return begin, size


def _decoded_crop(tf, data):
    begin, size = _random_window(tf, tf.io.extract_jpeg_shape(data))
    return tf.io.decode_and_crop_jpeg(data, tf.concat([begin[:2], size[:2]], 0), channels=3)


def _resized(tf, image):
    """Returns the image as float32 of SIZE x SIZE, bilinear without antialiasing."""
    return tf.ensure_shape(tf.image.resize(image, (SIZE, SIZE)), (SIZE, SIZE, 3))


def _as_uint8(tf, image):
    return tf.cast(image + 0.5, tf.uint8)
