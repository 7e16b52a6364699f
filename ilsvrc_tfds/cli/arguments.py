"""The arguments of each command: one function a command, which adds them to its parser."""

import argparse
import dataclasses

from ilsvrc_tfds.cli.options import (
    add_allow_incomplete,
    add_data,
    add_data_dir,
    add_folder,
    add_no_sync,
    add_on_error,
    add_out,
    add_runner,
    add_source,
    add_splits,
    classic_shards,
    count,
    path,
    shards,
)
from ilsvrc_tfds.images import CONFIGS
from ilsvrc_tfds.outputs.builder import Ilsvrc2012
from ilsvrc_tfds.training.recipe import OPTIMIZERS, Recipe

_SPLITS = ["train", "val", "validation", "test"]


def doctor(command: argparse.ArgumentParser) -> None:
    add_source(command)
    add_data_dir(command, "where the data would go")
    command.add_argument("--deep", action="store_true", help="also check the archives' sums and look at every image")
    command.add_argument("--decode", action="store_true", help="also decode every image; implies --deep")
    add_splits(command, "the only ones that are wanted")


def prepare(command: argparse.ArgumentParser) -> None:
    add_source(command)
    add_data_dir(command, "where the data goes")
    configs = [*Ilsvrc2012.builder_configs, "all"]
    command.add_argument(
        "--config", default="classification", choices=configs, help="what to make (default: %(default)s)"
    )
    command.add_argument(
        "--num-shards",
        type=shards,
        metavar="train=N,val=N",
        help="shards of each split (default: by the size of the data)",
    )
    formats = ["tfrecord", "array_record", "riegeli", "parquet"]
    command.add_argument("--file-format", choices=formats, help="of the shards (default: tfrecord)")
    command.add_argument("--max-examples", type=count, metavar="N", help="only N of each split, for a trial")
    add_splits(command)
    add_runner(command)
    add_allow_incomplete(command)
    add_on_error(command)
    command.add_argument(
        "--overwrite", action="store_true", help="replace data that is there, once the new one is finished"
    )
    add_no_sync(command)


def metadata(command: argparse.ArgumentParser) -> None:
    add_source(command)
    command.add_argument("--out", type=path, required=True, metavar="FILE", help="the HDF5 file to write")
    command.add_argument("--image-root", default="", metavar="DIR", help="put in front of each path")
    add_splits(command)
    add_allow_incomplete(command, "train or val may be missing")


def export(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "source", metavar="FROM", type=path, help="folder with the archives or images, or a prepared data set"
    )
    add_out(command)
    command.add_argument(
        "--config", choices=list(CONFIGS), help="what to make of a source's images (default: classification)"
    )
    command.add_argument(
        "--num-shards",
        type=classic_shards,
        metavar="train=N,validation=N",
        help="shards of each split (default: train=1024,validation=128, which readers hard-code)",
    )
    add_splits(command)
    command.add_argument(
        "--label-offset",
        type=int,
        choices=[0, 1],
        default=1,
        help="the first class's label (default: 1; 0 is the background)",
    )
    command.add_argument(
        "--bbox",
        nargs="+",
        default=[],
        type=path,
        metavar="FILE",
        help="bounding boxes: archives, folders of XML, Kaggle's tables",
    )
    command.add_argument("--index", action="store_true", help="write an index for DALI and tfrecord beside each shard")
    add_runner(command)
    add_allow_incomplete(command)
    add_on_error(command)
    command.add_argument(
        "--overwrite", action="store_true", help="replace an earlier export, once the new one is finished"
    )
    add_no_sync(command)


def index(command: argparse.ArgumentParser) -> None:
    add_folder(command)


def verify(command: argparse.ArgumentParser) -> None:
    add_folder(command)
    command.add_argument("--decode", action="store_true", help="also decode every image")


def unpack(command: argparse.ArgumentParser) -> None:
    add_folder(command, "PREPARED", "a prepared data set: …/ilsvrc2012/<config>/1.0.0")
    add_out(command)
    command.add_argument(
        "--overwrite", action="store_true", help="replace what was unpacked earlier, once all is finished"
    )
    add_no_sync(command)


def show(command: argparse.ArgumentParser) -> None:
    add_folder(command)
    command.add_argument("--split", choices=_SPLITS, help="of which split (default: the first)")
    command.add_argument("--num", type=count, default=8, metavar="N", help="how many records (default: %(default)s)")
    command.add_argument("--out", type=path, metavar="FILE.png", help="draw a contact sheet, too")


def train(command: argparse.ArgumentParser) -> None:
    add_data(command)
    command.add_argument("--out", type=path, metavar="DIR", help="folder of the training (default: ilsvrc2012-MODEL)")
    for field in dataclasses.fields(Recipe):
        kind, metavar, text = _RECIPE_WORDS[field.name]
        default = "" if field.default is None else f" (default: {field.default})"
        word = f"--{field.name.replace('_', '-')}"
        command.add_argument(word, type=kind, default=field.default, metavar=metavar, help=text + default)
    command.add_argument(
        "--overwrite", action="store_true", help="throw a finished or other training in the folder away"
    )


_RECIPE_WORDS = {
    "model": (str, "MODEL", "of keras.applications in small letters, or small"),
    "image_size": (int, "N", "side in pixels (default: the model's)"),
    "epochs": (int, "N", "how many"),
    "batch_size": (int, "N", "examples of a batch"),
    "ops": (str, "PRESET", "resnet_train or randaugment_train"),
    "optimizer": (str, "NAME", f"{' or '.join(OPTIMIZERS)}"),
    "learning_rate": (
        float,
        "RATE",
        "its peak (default: 0.1 for 256 examples of a batch with sgd, 0.001 for 1024 with adamw)",
    ),
    "weight_decay": (float, "RATE", "of a step, times the learning rate (default: 0.001 with sgd, 0.05 with adamw)"),
    "warmup_epochs": (int, "N", "in which the learning rate rises (default: 5, fewer than half of the epochs)"),
    "label_smoothing": (float, "SHARE", "of the label, goes to all classes"),
    "shuffle_buffer": (int, "N", "records in the shuffle buffer"),
    "seed": (int, "N", "of weights, order and augmentation"),
}


def evaluate(command: argparse.ArgumentParser) -> None:
    add_data(command)
    command.add_argument(
        "--model", required=True, metavar="MODEL", help="a .keras file, the folder of train, or a name as there"
    )
    command.add_argument("--weights", metavar="FILE", help="weights of the model, or imagenet for Keras's own")
    command.add_argument(
        "--split", choices=["train", "val", "validation"], default="val", help="of which split (default: val)"
    )
    command.add_argument(
        "--batch-size", type=count, default=256, metavar="N", help="examples of a batch (default: %(default)s)"
    )


def bench(command: argparse.ArgumentParser) -> None:
    add_data(command)
    command.add_argument(
        "--ops", metavar="PRESET", help="which ops (default: resnet_train for train, resnet_eval for others)"
    )
    command.add_argument(
        "--split",
        choices=_SPLITS,
        default="train",
        help="train as for a training, others as for an evaluation (default: %(default)s)",
    )
    command.add_argument(
        "--batch-size", type=count, default=128, metavar="N", help="images of a batch (default: %(default)s)"
    )
    command.add_argument(
        "--seconds",
        type=float,
        default=2,
        metavar="N",
        help="of the whole job in each of 5 rounds (default: %(default)s)",
    )
    command.add_argument("--json", type=path, metavar="FILE", help="write the figures as JSON, too")


def demo(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "folder",
        metavar="DIR",
        nargs="?",
        default="ilsvrc2012-demo",
        type=path,
        help="to draw into (default: %(default)s)",
    )
