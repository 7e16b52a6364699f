"""Options that several commands share, and how their values are parsed."""

import argparse
import os
from pathlib import Path

from ilsvrc_tfds import synsets
from ilsvrc_tfds.formats.naming import own_split
from ilsvrc_tfds.runners import RUNNERS
from ilsvrc_tfds.shards.writer import SKIP, STOP

DEFAULT_DATA_DIR = os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets"


def add_source(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "source", metavar="SOURCE", type=named, help="folder with the archives or images, in any layout"
    )


def add_folder(
    command: argparse.ArgumentParser, name: str = "DIR", text: str = "a prepared or exported folder"
) -> None:
    command.add_argument("folder", metavar=name, type=path, help=text)


def add_data(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "data", metavar="DATA", type=named, help="a prepared or exported folder, or a name as ilsvrc2012/raw256"
    )
    command.add_argument(
        "--data-dir", type=path, metavar="DIR", help="where a name is looked for (default: TFDS's data directory)"
    )
    command.add_argument(
        "--label-offset",
        type=int,
        choices=[0, 1],
        help="the first class's label, of exported TFRecords where nothing in them tells it",
    )


def add_data_dir(command: argparse.ArgumentParser, text: str) -> None:
    command.add_argument(
        "--data-dir", metavar="DIR", type=named, default=DEFAULT_DATA_DIR, help=f"{text} (default: %(default)s)"
    )


def add_out(command: argparse.ArgumentParser) -> None:
    command.add_argument("--out", type=path, required=True, metavar="DIR", help="folder to make")


def add_runner(command: argparse.ArgumentParser) -> None:
    runners = list(RUNNERS)
    command.add_argument(
        "--runner", choices=runners, default="local", help="what writes the shards (default: %(default)s processes)"
    )
    command.add_argument(
        "--beam-options",
        metavar="WORDS",
        help='for Beam: --beam-options="--runner=… --…" (default: all cores of this machine)',
    )
    command.add_argument(
        "--scheduler",
        metavar="tcp://HOST:8786",
        help="Dask's, whose workers see the same folders (default: workers started here)",
    )


def add_splits(command: argparse.ArgumentParser, text: str = "only these") -> None:
    text = f"{text}, of train, val, test (default: all that are there; train and val must be)"
    command.add_argument("--splits", type=splits, metavar="S,S", help=text)


def add_allow_incomplete(
    command: argparse.ArgumentParser,
    text: str = "train or val, or images of any split, may be missing; that is recorded",
) -> None:
    command.add_argument("--allow-incomplete", action="store_true", help=text)


def add_on_error(command: argparse.ArgumentParser) -> None:
    text = (
        "what to do about a damaged image (default: %(default)s); skipped ones are listed, and the result is incomplete"
    )
    command.add_argument("--on-error", choices=[STOP, SKIP], default=STOP, help=text)


def add_no_sync(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--no-sync",
        dest="sync",
        action="store_false",
        help="do not wait until all is on disk, for scratch disks: what a power failure leaves may not be whole",
    )


def path(text: str) -> Path:
    return Path(os.path.expanduser(named(text)))


def named(text: str) -> str:
    """Returns a path as it was given. An empty one, as of a shell variable that is not set, would be the current folder."""
    if not text:
        raise argparse.ArgumentTypeError("expected a path, got ''")
    return text


def count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, got {text!r}")
    return int(text)


def splits(text: str) -> list[str]:
    return [classic_split(name) for name in text.split(",")]


def shards(text: str) -> dict[str, int]:
    """Returns `{"train": 256}` of `train=256`."""
    counts = _counts(text)
    if not counts.keys() <= synsets.OFFICIAL_COUNTS.keys():
        raise argparse.ArgumentTypeError(f"expected train=N,val=N,test=N or some of them, got {text!r}")
    return {split: count(number) for split, number in counts.items()}


def classic_shards(text: str) -> dict[str, int]:
    return {classic_split(split): count(number) for split, number in _counts(text).items()}


def _counts(text: str) -> dict[str, str]:
    """Returns `{"train": "256"}` of `train=256`. A split that is named twice, by either of its names, is wrong usage."""
    pairs = [part.partition("=") for part in text.split(",")]
    splits = [own_split(split) or split for split, _, _ in pairs]
    if len(set(splits)) < len(splits):
        raise argparse.ArgumentTypeError(f"expected each split once, got {text!r}")
    return {split: number for split, _, number in pairs}


def classic_split(name: str) -> str:
    if own_split(name) is None:
        raise argparse.ArgumentTypeError(f"expected train, validation or test, got {name!r}")
    return name
