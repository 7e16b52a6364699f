"""Options that several commands share, and the functions that parse their values."""

import argparse
from pathlib import Path
from typing import Any

from ilsvrc_tfds import synsets
from ilsvrc_tfds.formats.naming import own_split
from ilsvrc_tfds.runners import RUNNERS
from ilsvrc_tfds.shards.writer import SKIP, STOP
from ilsvrc_tfds.storage.bucket_path import BucketPath, place
from ilsvrc_tfds.storage.files import default_data_dir, without_dots


def add_source(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "source", metavar="SOURCE", type=named, help="folder with the archives or images, in any layout"
    )


# In place of the name of a file.
STANDARD_OUTPUT = "-"

_FORMS = "its folder, a data directory that has one, or a name such as ilsvrc2012/raw256"


def add_folder(command: argparse.ArgumentParser, what: str = "a prepared or exported data set") -> None:
    """Adds an argument for a data set. Before the command runs, its folder takes the place of a name."""
    command.add_argument("folder", metavar="DATA", type=named, help=f"{what}: {_FORMS}")
    add_names_dir(command)
    command.set_defaults(names_folder=True)


def add_data(command: argparse.ArgumentParser, needed: bool = True) -> None:
    text = f"a prepared or exported data set: {_FORMS}"
    command.add_argument("data", metavar="DATA", type=named, nargs=None if needed else "?", help=text)
    add_names_dir(command)
    command.add_argument(
        "--label-offset",
        type=int,
        choices=[0, 1],
        help="label of the first class, if exported TFRecords do not state it",
    )


def add_names_dir(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--data-dir",
        type=path,
        metavar="DIR",
        help="data directory in which a name is looked up (default: TFDS's data directory)",
    )


def add_data_dir(command: argparse.ArgumentParser, text: str) -> None:
    command.add_argument(
        "--data-dir", metavar="DIR", type=named, default=default_data_dir(), help=f"{text} (default: %(default)s)"
    )


def add_out(command: argparse.ArgumentParser) -> None:
    command.add_argument("--out", type=path, required=True, metavar="DIR", help="folder to write")


def add_json_file(command: argparse.ArgumentParser, what: str) -> None:
    command.add_argument(
        "--json",
        type=path,
        nargs="?",
        const=STANDARD_OUTPUT,
        metavar="FILE",
        help=f"also write the {what} into this JSON file; without FILE, print them as JSON and nothing else",
    )


def add_runner(command: argparse.ArgumentParser) -> None:
    runners = list(RUNNERS)
    command.add_argument(
        "--runner",
        choices=runners,
        default="local",
        help="engine that writes the shards (default: %(default)s processes)",
    )
    command.add_argument(
        "--beam-options",
        metavar="WORDS",
        help='options for Beam: --beam-options="--runner=… --…" (default: all cores of this machine)',
    )
    command.add_argument(
        "--scheduler",
        metavar="tcp://HOST:8786",
        help="address of a Dask scheduler whose workers see the same folders (default: workers on this machine)",
    )


def add_splits(command: argparse.ArgumentParser, text: str = "only these splits") -> None:
    text = f"{text}, of train, val, test (default: all that exist; train and val must exist)"
    command.add_argument("--splits", type=splits, metavar="S,S", help=text)


def add_subset(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--classes", type=path, metavar="FILE", help="only the classes in this list, a wnid in each line; no test split"
    )
    command.add_argument(
        "--relabel",
        action="store_true",
        help="number the classes 0, 1, … in the order of the list (default: labels stay 0 to 999)",
    )
    text = "only the images in this list, an official file name in each line; splits of which it names none stay whole"
    command.add_argument("--images", type=path, metavar="FILE", help=text)


def subset_of(options: argparse.Namespace) -> dict[str, Any]:
    """Returns the arguments of `prepare` and `export` that choose a subset."""
    return {"classes": options.classes, "relabel": options.relabel, "images": options.images}


def add_allow_incomplete(
    command: argparse.ArgumentParser,
    text: str = "allow that train or val, or images of any split, are missing; the result records it",
) -> None:
    command.add_argument("--allow-incomplete", action="store_true", help=text)


def add_on_error(command: argparse.ArgumentParser) -> None:
    text = (
        "what to do with a damaged image (default: %(default)s); skipped ones are listed, and the result is incomplete"
    )
    command.add_argument("--on-error", choices=[STOP, SKIP], default=STOP, help=text)


def add_no_sync(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--no-sync",
        dest="sync",
        action="store_false",
        help="do not wait for the disk, for scratch disks: after a power failure files may be incomplete",
    )


def add_scratch(command: argparse.ArgumentParser, what: str = "what is written there is removed at the end") -> None:
    text = (
        f"folder for the images of sources without random access, such as parquet, and for shards until they "
        f"are in a bucket; {what} (default: beside the result; for buckets the system's temporary folder)"
    )
    command.add_argument("--scratch", type=path, metavar="DIR", help=text)


def add_bbox(command: argparse.ArgumentParser, text: str) -> None:
    command.add_argument("--bbox", nargs="+", default=[], type=path, metavar="FILE", help=text)


def add_break_lock(command: argparse.ArgumentParser) -> None:
    text = "take the place of a run that was killed on another machine while it wrote to the same bucket"
    command.add_argument("--break-lock", action="store_true", help=text)


def path(text: str) -> Path:
    """Returns a path, with `~` expanded, and without `..`; of a URL, one whose text is that URL."""
    found = place(named(text))
    return found if isinstance(found, BucketPath) else without_dots(found)


def named(text: str) -> str:
    """Returns a path as it was given. An empty one, such as an unset shell variable, would be the current folder."""
    if not text:
        raise argparse.ArgumentTypeError("expected a path, got ''")
    return text


def set_at(text: str) -> tuple[str, str]:
    """Returns the name of a row and the path of its evaluation set.

    >>> set_at("a=/data/imagenet-a")
    ('a', '/data/imagenet-a')
    """
    name, separator, place = text.partition("=")
    if not separator or not name.strip() or not place:
        raise argparse.ArgumentTypeError(f"expected NAME=PATH, such as a=/data/imagenet-a, got {text!r}")
    return name, place


def count(text: str) -> int:
    """Returns a whole number of at least 1.

    >>> count("8")
    8
    """
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, got {text!r}")
    return int(text)


def splits(text: str) -> list[str]:
    """Returns the names of splits that commas separate.

    >>> splits("train,validation")
    ['train', 'validation']
    """
    return [classic_split(name) for name in text.split(",")]


def shards(text: str) -> dict[str, int]:
    """Returns the number of shards of each split, by the names of a TFDS data set.

    >>> shards("train=256,val=8")
    {'train': 256, 'val': 8}
    """
    counts = _counts(text)
    if not counts.keys() <= synsets.OFFICIAL_COUNTS.keys():
        raise argparse.ArgumentTypeError(f"expected train=N,val=N,test=N or some of them, got {text!r}")
    return {split: count(number) for split, number in counts.items()}


def classic_shards(text: str) -> dict[str, int]:
    """Returns the number of shards of each split, by the names of classic TFRecords.

    >>> classic_shards("train=256,validation=8")
    {'train': 256, 'validation': 8}
    """
    return {classic_split(split): count(number) for split, number in _counts(text).items()}


def _counts(text: str) -> dict[str, str]:
    """Returns `{"train": "256"}` for `train=256`. It is wrong usage to name a split twice, even by different names."""
    pairs = [part.partition("=") for part in text.split(",")]
    splits = [own_split(split) or split for split, _, _ in pairs]
    if len(set(splits)) < len(splits):
        raise argparse.ArgumentTypeError(f"expected each split once, got {text!r}")
    return {split: number for split, _, number in pairs}


def classic_split(name: str) -> str:
    """Returns the name if it is one of a split: train, val, validation or test."""
    if own_split(name) is None:
        raise argparse.ArgumentTypeError(f"expected train, val (or validation) or test, got {name!r}")
    return name
