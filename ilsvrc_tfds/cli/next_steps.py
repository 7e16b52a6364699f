"""What to run next: the lines that a command prints to standard error at its end, complete and ready to copy.

They are not part of the result, and scripts parse standard output.
"""

import contextlib
import glob
import json
import os
import shlex
import sys
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import SourceError
from ilsvrc_tfds.formats.folder import Output, find_output
from ilsvrc_tfds.formats.kinds import CLASSIC, IMAGENET2012, KINDS, TFDS
from ilsvrc_tfds.formats.manifest import Manifest
from ilsvrc_tfds.formats.naming import ARRAY_RECORD
from ilsvrc_tfds.formats.record_index import PREFIX
from ilsvrc_tfds.images import CONFIGS
from ilsvrc_tfds.storage.bucket import bucket_url, is_read_by_tensorflow
from ilsvrc_tfds.terminal.console import console

# With fewer train images than this, not the default recipe, which is for 1.2 million.
_FEW = 20_000
_SMALL_TRAINING = (
    *("--model", "small", "--optimizer", "adamw", "--learning-rate", "0.004", "--epochs", "20"),
    *("--warmup-epochs", "2", "--batch-size", "32", "--out", "ilsvrc2012-small"),
)


class Step(NamedTuple):
    """A line to copy.

    Attributes:
      purpose: Text that says what the line does; it is printed above it as a comment.
      line: Command of a shell, or expression of Python.
    """

    purpose: str
    line: str


def say_next(steps: Iterable[Step], title: str = "Next:") -> None:
    """Prints steps to standard error, unless `--quiet` was given, there are none, or it cannot be written.

    >>> say_next([Step("check every record", command("verify", Path("/data/tfrecords")))])

    Args:
      steps: Steps to print.
      title: Line above them.
    """
    if console().quiet:
        return
    lines = [line for step in steps for line in (f"  # {step.purpose}", f"  {step.line}")]
    with contextlib.suppress(OSError):
        print(title, *lines, sep="\n", file=sys.stderr, flush=True) if lines else None


def command(*words: str | Path) -> str:
    """Returns a line for a shell that runs `ilsvrc-tfds` with these words, quoted where a shell needs it.

    >>> command("verify", Path("/data/my set"))
    "ilsvrc-tfds verify '/data/my set'"
    >>> command("verify", Path("-set"))
    'ilsvrc-tfds verify ./-set'
    """
    return shlex.join(["ilsvrc-tfds", *(_as_word(word) for word in words)])


def _as_word(word: str | Path) -> str:
    if isinstance(word, str):
        return word
    text = os.fspath(word.expanduser())
    return os.path.join(".", text) if text.startswith("-") else text


def call(function: str, *values: str | Path, **options: str | Path | bool | None) -> str:
    """Returns an expression of Python that calls a function. Options that are None are left out.

    >>> call("tfds.load", "ilsvrc2012/raw256", data_dir=Path("/data/tfds"))
    'tfds.load("ilsvrc2012/raw256", data_dir="/data/tfds")'
    """
    arguments = [
        *map(_literal, values),
        *(f"{name}={_literal(value)}" for name, value in options.items() if value is not None),
    ]
    return f"{function}({', '.join(arguments)})"


def _literal(value: str | Path | bool) -> str:
    if isinstance(value, bool):
        return repr(value)
    text = os.fspath(value.expanduser()) if isinstance(value, Path) else value
    return json.dumps(text, ensure_ascii=False) if text.isprintable() else ascii(text)


def check(folder: Path) -> Step:
    """Returns the step that checks a folder that was prepared or exported.

    >>> check(Path("/data/tfrecords")).line
    'ilsvrc-tfds verify /data/tfrecords'
    """
    return Step("check every record", command("verify", folder))


def read_as(name: str, data_dir: Path, splits: Collection[str]) -> Step:
    """Returns the step that reads a split of an alias with TFDS: the validation split, if it has one.

    >>> read_as("imagenet2012", Path("/data/tfds"), ["train", "val"]).line
    'tfds.load("imagenet2012", data_dir="/data/tfds", split="validation")'
    """
    split = "val" if "val" in splits else next(iter(splits), "train")
    line = call("tfds.load", name, data_dir=data_dir, split=KINDS[CLASSIC].splits[split])
    return Step(f"read it in Python, as code written for {name} does", line)


def make_alias(data_dir: Path, config: str) -> Step:
    """Returns the step that makes a config readable as `imagenet2012`.

    >>> make_alias(Path("/data/tfds"), "raw256").line
    'ilsvrc-tfds alias /data/tfds --config raw256'
    """
    purpose = f"let code written for TFDS's {IMAGENET2012} read it"
    return Step(purpose, command("alias", data_dir, "--config", config))


def look_and_train(folder: Path) -> Iterator[Step]:
    """Yields the steps for a prepared or exported folder without problems: show and train, if they can read it.

    >>> import ilsvrc_tfds
    >>> for step in look_and_train(ilsvrc_tfds.export("/data/imagenet", "/data/tfrecords")):
    ...     print(step.line)
    ilsvrc-tfds show /data/tfrecords --out contact-sheet.png
    ilsvrc-tfds train /data/tfrecords --model small --optimizer adamw ...
    """
    try:
        output = find_output(folder)
        if output.file_format == ARRAY_RECORD:
            yield from _read_array_records(output)
        output = output.in_tfrecord()
    except SourceError:
        return
    yield Step("draw a contact sheet of some of the images", command("show", folder, "--out", "contact-sheet.png"))
    if {"train", "val"} <= output.shards.keys() and is_read_by_tensorflow(folder):
        yield train(folder, few=has_few(output))


def _read_array_records(output: Output) -> Iterator[Step]:
    yield Step("decode every image, which verify does not", command("doctor", output.folder, "--decode"))
    version, config = output.folder, output.folder.parent
    if config.parent.name == "ilsvrc2012":
        line = call("tfds.data_source", f"ilsvrc2012/{config.name}", data_dir=version.parents[2])
        yield Step("read it in Python, by number", line)


def has_few(output: Output) -> bool:
    """Returns whether a set has so few train images that the default recipe, which is for 1.2 million, learns nothing.

    >>> import ilsvrc_tfds
    >>> has_few(find_output(ilsvrc_tfds.export("/data/imagenet", "/data/few")))
    True
    """
    return sum(output.stated_lengths("train") or (_FEW,)) < _FEW


def train(folder: Path, *, few: bool = True) -> Step:
    """Returns the step that trains a model on a prepared or exported folder.

    >>> train(Path("/data/tfrecords"), few=False).line
    'ilsvrc-tfds train /data/tfrecords --model resnet50'

    Args:
      folder: Folder of the data.
      few: Whether it has so few images that the default recipe, which is for 1.2 million, learns nothing.
    """
    model = "a small model on these few images" if few else "a model"
    return Step(f"train {model}", command("train", folder, *recipe_words(few=few)))


def recipe_words(*, few: bool) -> tuple[str, ...]:
    """Returns the options of `train` for few images, or for many.

    >>> recipe_words(few=False)
    ('--model', 'resnet50')
    """
    return _SMALL_TRAINING if few else ("--model", "resnet50")


def make_again(folder: Path) -> Iterator[Step]:
    """Yields the step after `verify` has found problems: make the data anew, from its source.

    >>> import ilsvrc_tfds
    >>> for step in make_again(ilsvrc_tfds.export("/data/imagenet", "/data/damaged")):
    ...     print(step.line)
    ilsvrc-tfds export SOURCE --out /data/damaged --overwrite --allow-incomplete
    """
    folder = folder.expanduser()
    purpose = (
        "make it again; SOURCE is the folder of the images. Add the other options that it was made with. The old files "
        "stay until that is finished"
    )
    try:
        output = find_output(folder)
    except SourceError:
        return
    again = ["--overwrite", *(["--allow-incomplete"] if _is_short(output) else [])]
    config = output.folder.parent.name  # of a subset, `--config` does not take it
    if output.folder.parent.parent.name == "ilsvrc2012" and output.kind == TFDS and config in CONFIGS:
        folder = output.folder
        words: list[str | Path] = ["--data-dir", folder.parents[2], "--config", config, *again]
        yield Step(purpose, command("prepare", "SOURCE", *words))
    elif output.kind == CLASSIC:
        yield Step(purpose, command("export", "SOURCE", "--out", folder, *again))
    else:
        yield Step("check it again, once the problems are solved", command("verify", folder))


def _is_short(output: Output) -> bool:
    """Returns whether a split was made with fewer images than there are officially."""
    lengths = {split: output.stated_lengths(split) for split in output.shards}
    return any(own is not None and sum(own) < synsets.OFFICIAL_COUNTS[split] for split, own in lengths.items())


def read_tfrecords(folder: Path, made: Manifest) -> Iterator[Step]:
    """Yields the step after `export`: tf.data's reader of the first split.

    >>> import ilsvrc_tfds
    >>> from ilsvrc_tfds.formats import manifest
    >>> out = ilsvrc_tfds.export("/data/imagenet", "/data/exported", num_shards={"train": 2})
    >>> for step in read_tfrecords(out, manifest.read(out)):
    ...     print(step.line)
    tf.data.TFRecordDataset(sorted(tf.io.gfile.glob("/data/exported/train-*-of-00002")))
    """
    for split, shards in list(made.shards.items())[:1]:
        names = f"{KINDS[CLASSIC].splits[split]}-*-of-{len(shards):05d}"
        pattern = _literal(os.path.join(glob.escape(os.fspath(folder)), names))
        yield Step("read it with tf.data", f"tf.data.TFRecordDataset(sorted(tf.io.gfile.glob({pattern})))")


def read_with_dali(indexes: Iterable[Path], folder: Path) -> Iterator[Step]:
    """Yields the step after `index`: the arguments with which NVIDIA DALI reads the shards of the first split.

    >>> for step in read_with_dali([Path("/data/new/index-train-00000-of-00002")], Path("/data/new")):
    ...     print(step.line)
    path=sorted(glob("/data/new/train-*")), index_path=sorted(glob("/data/new/index-train-*"))

    Args:
      indexes: Paths of the indexes.
      folder: Folder of the shards.
    """
    for path in list(indexes)[:1]:
        if bucket_url(path):
            return  # DALI reads local files
        stem = path.name.rpartition("-of-")[0].rpartition("-")[0]
        places = (folder.absolute(), stem.removeprefix(PREFIX)), (path.parent.absolute(), stem)
        patterns = (os.path.join(glob.escape(os.fspath(place)), f"{name}-*") for place, name in places)
        shards, indexes_of = map(_literal, patterns)
        line = f"path=sorted(glob({shards})), index_path=sorted(glob({indexes_of}))"
        yield Step("read it with NVIDIA DALI: arguments of fn.readers.tfrecord", line)


def read_as_image_folder(folder: Path) -> Iterator[Step]:
    """Yields the step after `unpack`: torchvision's reader for the train split, or else for val.

    >>> list(read_as_image_folder(Path("/data/nowhere")))
    []
    """
    splits = [path for split in ("train", "val") for path in sorted(folder.glob(f"{split}*")) if path.is_dir()]
    for path in splits[:1]:
        # torchvision refuses folders without images, unless it is told to accept them.
        has_empty = any(map(_is_empty, path.iterdir()))
        line = call("torchvision.datasets.ImageFolder", path, allow_empty=True if has_empty else None)
        yield Step("read it in Python, with torchvision", line)


def _is_empty(folder: Path) -> bool:
    with os.scandir(folder) as entries:  # stops at the first of 1,300 files
        return not any(entries)
