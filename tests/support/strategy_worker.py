"""One of two processes of `tf.distribute.MultiWorkerMirroredStrategy`: prints which examples it got, of each way to read them.

    TF_CONFIG=… python tests/support/strategy_worker.py PREPARED …

A JSON line for each case: the number of shards, the case, the file names in the order in which they came; or the error's text.
"""

import dataclasses
import json
import sys

import keras
import tensorflow as tf
from pages import block_with, with_small

from ilsvrc_tfds import pipeline, preprocess
from ilsvrc_tfds import training as ilsvrc_training
from ilsvrc_tfds.errors import OptionError

BATCH = 6


@dataclasses.dataclass(frozen=True)
class Name(preprocess.Op):
    """The file name in place of the image."""

    def __call__(self, example, seed):
        return {**example, "image": example["file_name"]}


def training(folder: str, **options) -> tf.data.Dataset:
    return pipeline.for_training(folder, **{"batch_size": BATCH, "ops": (Name(),), "shuffle_buffer": 16, **options})


def evaluation(folder: str, **options) -> tf.data.Dataset:
    return pipeline.for_evaluation(folder, batch_size=BATCH, ops=(Name(),), **options)


def names(strategy, data, steps: int | None = None) -> list[str]:
    """Returns the names of this process's examples, of so many steps or up to the end; padding left out."""
    found, batches = [], iter(data)
    for _ in range(steps or 1 << 30):
        try:
            parts = [strategy.experimental_local_results(part) for part in next(batches)]
        except StopIteration:
            break
        for replica in zip(*parts):
            weights = replica[2].numpy() if len(replica) > 2 else [1] * len(replica[0])
            found += [name.decode() for name, weight in zip(replica[0].numpy(), weights) if weight]
    return found


def cases(strategy, folder: str, index: int):
    split = pipeline.find_split(folder, "train")
    whole, own = split.num_examples // BATCH, split.num_examples // 2 // BATCH
    share, distribute = (index, 2), strategy.experimental_distribute_dataset
    keep = {"epochs": 1, "batch_size": 8, "drop_remainder": False}
    yield "training, whole, an epoch", distribute(training(folder, epochs=1)), None
    yield "training, whole, an epoch and its remainder", distribute(training(folder, **keep)), None
    yield "training, whole, endless", distribute(training(folder)), whole
    yield "training, shares, an epoch", distribute(training(folder, epochs=1, shard=share)), None
    # TensorFlow takes a batch for that of all processes, and cuts it.
    yield "training, shares, endless", distribute(training(folder, shard=share)), 2 * own
    for name, options, steps in (("an epoch", {"epochs": 1}, None), ("endless", {}, own)):
        data = strategy.distribute_datasets_from_function(lambda context: training(folder, shard=context, **options))
        yield f"training, shares by function, {name}", data, steps
    yield "evaluation, whole", distribute(evaluation(folder)), None
    yield "evaluation, whole, padded", distribute(evaluation(folder, pad=True)), None
    yield "evaluation, shares", distribute(evaluation(folder, shard=share)), None
    data = strategy.distribute_datasets_from_function(lambda context: evaluation(folder, shard=context))
    yield "evaluation, shares by function", data, None


def main(folders: list[str]) -> None:
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    index = strategy.cluster_resolver.task_id
    print(json.dumps([0, "loop", losses_of_docs(folders[0], strategy)]), flush=True)
    for folder in folders:
        shards = len(pipeline.find_split(folder, "train").paths)
        for name, data, steps in cases(strategy, folder, index):
            print(json.dumps([shards, name, names(strategy, data, steps)]), flush=True)
    data = strategy.experimental_distribute_dataset(training(folder, epochs=1, deterministic=False))
    try:
        outcome = names(strategy, data)
    except tf.errors.InvalidArgumentError as error:
        outcome = error.message
    print(json.dumps([shards, "training, whole, in no order", outcome]), flush=True)
    try:
        ilsvrc_training.train(folder, "run", ilsvrc_training.Recipe(batch_size=BATCH))
    except OptionError as error:
        outcome = str(error)
    print(json.dumps([shards, "train", outcome]), flush=True)


def losses_of_docs(folder: str, strategy: tf.distribute.Strategy) -> list[float]:
    """Returns the losses of the loop in docs/hosts.md, with a small model and few images."""
    code = with_small(
        block_with("hosts.md", "MultiWorkerMirroredStrategy").code,
        {
            "/data/tfds/ilsvrc2012/raw256/1.0.0": folder,
            "tf.distribute.MultiWorkerMirroredStrategy()": "the_strategy",
            "256 //": f"{2 * BATCH} //",
            "/ 256": f"/ {2 * BATCH}",
            "90 * 5004": "3",
            '"resnet50"': '"small", image_size=224',
        },
    )
    names = {"the_strategy": strategy}
    keras.utils.set_random_seed(0)
    exec(code, names)
    return names["losses"] + [float(tf.reduce_sum(names["model"].trainable_variables[0].value))]


if __name__ == "__main__":
    main(sys.argv[1:])
