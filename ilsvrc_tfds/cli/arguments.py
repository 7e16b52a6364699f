"""The arguments of each command. One function for each command adds them to its parser."""

import argparse

from ilsvrc_tfds.cli.options import (
    add_allow_incomplete,
    add_bbox,
    add_break_lock,
    add_data,
    add_data_dir,
    add_folder,
    add_json_file,
    add_names_dir,
    add_no_sync,
    add_on_error,
    add_out,
    add_runner,
    add_scratch,
    add_source,
    add_splits,
    add_subset,
    classic_shards,
    count,
    named,
    path,
    set_at,
    shards,
)
from ilsvrc_tfds.cli.recipe_options import add_recipe
from ilsvrc_tfds.formats.kinds import IMAGENET2012
from ilsvrc_tfds.images import CONFIGS
from ilsvrc_tfds.outputs.builder import Ilsvrc2012

_SPLITS = ["train", "val", "validation", "test"]


def doctor(command: argparse.ArgumentParser) -> None:
    add_source(command)
    add_data_dir(command, "data directory whose disk is checked for room")
    command.add_argument(
        "--deep", action="store_true", help="also compare the archives' checksums and read the header of every image"
    )
    command.add_argument("--decode", action="store_true", help="also decode every image; implies --deep")
    add_splits(command, "the splits that are needed")
    add_scratch(command, "checked for room too")
    add_allow_incomplete(command, "missing splits and images are facts, not problems")


def prepare(command: argparse.ArgumentParser) -> None:
    add_source(command)
    add_data_dir(command, "folder for the data set, or its URL: gs://… or s3://…")
    configs = [*Ilsvrc2012.builder_configs, "all"]
    command.add_argument(
        "--config", default="classification", choices=configs, help="config to prepare (default: %(default)s)"
    )
    command.add_argument(
        "--num-shards",
        type=shards,
        metavar="train=N,val=N",
        help="number of shards of each split (default: chosen by the size of the data)",
    )
    formats = ["tfrecord", "array_record", "riegeli", "parquet"]
    command.add_argument("--file-format", choices=formats, help="format of the shards (default: tfrecord)")
    command.add_argument(
        "--max-examples", type=count, metavar="N", help="prepare only N images of each split, for a trial"
    )
    add_splits(command)
    add_subset(command)
    command.add_argument(
        "--name", metavar="NAME", help="name of the subset: imagenet100 makes the config imagenet100-raw256"
    )
    add_runner(command)
    add_allow_incomplete(command)
    add_on_error(command)
    command.add_argument(
        "--overwrite", action="store_true", help="replace an existing data set after the new one is finished"
    )
    command.add_argument(
        "--alias",
        action="store_true",
        help=f"also make it readable as {IMAGENET2012}, as `ilsvrc-tfds alias` does; with one config only",
    )
    add_no_sync(command)
    add_scratch(command)
    add_break_lock(command)


def alias(command: argparse.ArgumentParser) -> None:
    text = "data directory with prepared data sets, the folder of one, or a name such as ilsvrc2012/raw256"
    command.add_argument("folder", metavar="DATA", type=named, help=text)
    add_names_dir(command)
    command.add_argument(
        "--config",
        metavar="NAME",
        help="config to read under the other name (default: that of the existing alias, or the only one)",
    )
    command.add_argument(
        "--as", dest="name", default=IMAGENET2012, metavar="NAME", help="the other name (default: %(default)s)"
    )
    command.add_argument("--overwrite", action="store_true", help="replace an alias of another config")


def metadata(command: argparse.ArgumentParser) -> None:
    add_source(command)
    command.add_argument("--out", type=path, required=True, metavar="FILE", help="the HDF5 file to write")
    command.add_argument(
        "--image-root", default="", metavar="DIR", help="prefix of each image path in the file (default: none)"
    )
    add_splits(command)
    add_allow_incomplete(command, "allow that train or val is missing")
    command.add_argument("--overwrite", action="store_true", help="replace a file with another content")


def export(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "source",
        metavar="FROM",
        type=named,
        help="folder with the archives or images; or a prepared data set: its folder, a data directory that has one, "
        "or a name such as ilsvrc2012/raw256",
    )
    add_names_dir(command)
    add_out(command)
    command.add_argument(
        "--config", choices=list(CONFIGS), help="config for the images of a source (default: classification)"
    )
    command.add_argument(
        "--num-shards",
        type=classic_shards,
        metavar="train=N,validation=N",
        help="number of shards of each split (default: train=1024,validation=128, which many readers expect)",
    )
    add_splits(command)
    add_subset(command)
    command.add_argument(
        "--label-offset",
        type=int,
        choices=[0, 1],
        default=1,
        help="label of the first class (default: 1, since 0 is the background class)",
    )
    add_bbox(command, "sources of bounding boxes: archives, folders of XML files, or Kaggle's tables")
    command.add_argument(
        "--index", action="store_true", help="also write an index for DALI and tfrecord beside each shard"
    )
    add_runner(command)
    add_allow_incomplete(command)
    add_on_error(command)
    command.add_argument(
        "--overwrite", action="store_true", help="replace an earlier export after the new one is finished"
    )
    add_no_sync(command)
    add_scratch(command)
    add_break_lock(command)


def index(command: argparse.ArgumentParser) -> None:
    add_folder(command)
    command.add_argument(
        "--out",
        type=path,
        metavar="DIR",
        help="other folder for the indexes, under the names of their shards (default: beside the shards, as index-*)",
    )


def verify(command: argparse.ArgumentParser) -> None:
    add_folder(command)
    command.add_argument("--decode", action="store_true", help="also decode every image")


def unpack(command: argparse.ArgumentParser) -> None:
    add_folder(command, "a prepared data set")
    add_out(command)
    command.add_argument(
        "--overwrite", action="store_true", help="replace earlier unpacked files after all new ones are finished"
    )
    add_no_sync(command)


def show(command: argparse.ArgumentParser) -> None:
    add_folder(command)
    command.add_argument("--split", choices=_SPLITS, help="split to read (default: the first)")
    command.add_argument("--num", type=count, default=8, metavar="N", help="number of records (default: %(default)s)")
    command.add_argument("--out", type=path, metavar="FILE.png", help="also draw a contact sheet into this file")


def train(command: argparse.ArgumentParser) -> None:
    add_data(command)
    command.add_argument(
        "--out", type=path, metavar="DIR", help="folder of the training run (default: ilsvrc2012-MODEL)"
    )
    add_recipe(command)
    command.add_argument(
        "--backup-every",
        type=count,
        metavar="N",
        help="also back up after every N steps of an epoch (default: only at the end of each epoch)",
    )
    _add_devices(command)
    command.add_argument(
        "--service", metavar="grpc://HOST:PORT", help="tf.data service whose workers make the batches for training"
    )
    command.add_argument(
        "--overwrite",
        action="store_true",
        help="delete a finished or different training run in the folder, and start again",
    )
    command.epilog = (
        "The default recipe is for all of ImageNet and a GPU. For a few hundred images, `ilsvrc-tfds demo` prints a "
        "better one."
    )


def _add_devices(command: argparse.ArgumentParser) -> None:
    command.add_argument("--devices", type=count, metavar="N", help="devices of each host to use (default: all)")


def evaluate(command: argparse.ArgumentParser) -> None:
    add_data(command, needed=False)
    command.add_argument(
        "--model",
        required=True,
        metavar="MODEL",
        help="a .keras file, the output folder of train, or a model name as for train",
    )
    command.add_argument(
        "--weights",
        metavar="FILE",
        help="file with the weights of a named model, or imagenet for the weights that Keras publishes",
    )
    command.add_argument(
        "--split", choices=["train", "val", "validation"], default="val", help="split to evaluate (default: val)"
    )
    command.add_argument(
        "--batch-size", type=count, default=256, metavar="N", help="examples per batch (default: %(default)s)"
    )
    _add_devices(command)
    command.add_argument(
        "--on",
        nargs="+",
        action="extend",
        default=[],
        type=set_at,
        metavar="NAME=PATH",
        help="evaluation sets, and the name of the row of each: real=real.json, and folders of ImageNet-V2, -A, -R, "
        "-Sketch and -C, such as v2=DIR; without DATA only these are evaluated",
    )
    add_allow_incomplete(command, "allow that evaluation sets lack images, classes or severities")
    command.add_argument(
        "--report",
        type=path,
        metavar="FILE|DIR",
        help="also write an HTML page on DATA: calibration, classes, confusions and the worst images; in a folder its "
        "name is evaluation.html",
    )
    add_json_file(command, "exact scores")


def bench(command: argparse.ArgumentParser) -> None:
    add_data(command)
    command.add_argument(
        "--ops",
        metavar="PRESET",
        help="operations on each image (default: resnet_train for train, resnet_eval for other splits)",
    )
    command.add_argument(
        "--split",
        choices=_SPLITS,
        default="train",
        help="split to read: train as in a training, others as in an evaluation (default: %(default)s)",
    )
    command.add_argument(
        "--batch-size", type=count, default=128, metavar="N", help="images per batch (default: %(default)s)"
    )
    command.add_argument(
        "--seconds",
        type=float,
        default=1,
        metavar="N",
        help="seconds that the whole pipeline is measured in each of 9 rounds (default: %(default)s)",
    )
    command.add_argument("--chart", type=path, metavar="FILE.png", help="also draw the figures into this file")
    add_json_file(command, "figures")


def demo(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "folder",
        metavar="DIR",
        nargs="?",
        default="ilsvrc2012-demo",
        type=path,
        help="folder to draw into (default: %(default)s)",
    )
