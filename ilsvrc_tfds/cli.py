"""The command `ilsvrc-tfds`: words to calls."""

import argparse
import logging
import os
import sys
from pathlib import Path

from ilsvrc_tfds import metadata, synsets
from ilsvrc_tfds.builder import Ilsvrc2012, prepare, prepare_all
from ilsvrc_tfds.doctor import examine
from ilsvrc_tfds.errors import IlsvrcError
from ilsvrc_tfds.preparation import find_images
from ilsvrc_tfds.runners import LocalRunner

_DEFAULT_DATA_DIR = os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets"
_CONTINUE = "Interrupted. What is finished is kept: run the same command again to continue."


def main(arguments: list[str] | None = None) -> int:
    """Runs a command and returns its exit status: 0; 1 for what the user can mend; 2 for usage; 130 for Ctrl-C."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(format="%(message)s", level=logging.WARNING, stream=sys.stderr)
    logging.getLogger("ilsvrc_tfds").setLevel(logging.INFO)
    try:
        return options.command(options)
    except IlsvrcError as error:
        print(f"ilsvrc-tfds: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"ilsvrc-tfds: {_CONTINUE}", file=sys.stderr)
        return 130


def _doctor(options) -> int:
    with LocalRunner(options.workers) as runner:
        report = examine(options.source, options.data_dir, runner, deep=options.deep)
    print(*report.facts, *(f"PROBLEM {line}" for line in report.problems), sep="\n")
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
    parser = argparse.ArgumentParser(prog="ilsvrc-tfds", description="ImageNet (ILSVRC2012) from the archives on disk to tfds.load.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    doctor = _command(commands, "doctor", _doctor, "say what lies in a source and what is wrong with it")
    doctor.add_argument("source", metavar="SOURCE", help="folder with the archives or images, in any layout")
    doctor.add_argument("--data-dir", default=_DEFAULT_DATA_DIR, help="where the data would go (default: TFDS's)")
    doctor.add_argument("--deep", action="store_true", help="also check the archives' sums and look at every image")

    prepare = _command(commands, "prepare", _prepare, "make a TFDS data set; continues where an earlier run stopped")
    prepare.add_argument("source", metavar="SOURCE", help="folder with the archives or images, in any layout")
    prepare.add_argument("--data-dir", default=_DEFAULT_DATA_DIR, help="TFDS's data directory (default: TFDS's)")
    prepare.add_argument("--config", default="classification", choices=[*Ilsvrc2012.builder_configs, "all"])
    prepare.add_argument("--num-shards", type=_shards, metavar="train=N,val=N", help="default: by the size of the data")
    prepare.add_argument("--file-format", metavar="F", choices=["tfrecord", "array_record", "riegeli", "parquet"])
    prepare.add_argument("--max-examples", type=int, metavar="N", help="of each split, for a trial")
    prepare.add_argument("--allow-incomplete", action="store_true", help="splits may lack images; what is missing is recorded")
    prepare.add_argument("--overwrite", action="store_true", help="replace a data set that is there, once the new one is finished")

    describe = _command(commands, "metadata", _metadata, "write the HDF5 metadata (dbcollection's layout) alone")
    describe.add_argument("source", metavar="SOURCE", help="folder with the archives or images, in any layout")
    describe.add_argument("--out", type=Path, required=True, metavar="FILE")
    describe.add_argument("--image-root", default="", metavar="R", help="put in front of each path")

    demo = _command(commands, "demo", _demo, "draw a miniature ILSVRC2012, prepare it and read it back")
    demo.add_argument("folder", metavar="DIR", nargs="?", default="ilsvrc2012-demo", type=Path)
    return parser


def _command(commands, name: str, function, text: str) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=text, description=text)
    command.set_defaults(command=function)
    command.add_argument("--workers", type=int, metavar="N", help="processes (default: all cores)")
    return command


def _shards(text: str) -> dict[str, int]:
    """Returns `{"train": 256}` of `train=256`."""
    pairs = [part.partition("=") for part in text.split(",")]
    if not all(split and count.isdigit() for split, _, count in pairs):
        raise argparse.ArgumentTypeError(f"expected train=N,val=N, got {text!r}")
    return {split: int(count) for split, _, count in pairs}


if __name__ == "__main__":
    sys.exit(main())
