"""The commands that examine a source and write data sets, and `demo`, which draws a source first."""

import argparse
import logging
import os
from pathlib import Path
from typing import Any, TypedDict, cast

import ilsvrc_tfds
from ilsvrc_tfds import synsets
from ilsvrc_tfds.checks.doctor import examine
from ilsvrc_tfds.cli.next_steps import (
    Step,
    call,
    check,
    command,
    look_and_train,
    make_alias,
    read_as,
    read_as_image_folder,
    read_with_dali,
    say_next,
)
from ilsvrc_tfds.cli.options import subset_of
from ilsvrc_tfds.cli.streams import say, say_report
from ilsvrc_tfds.errors import DestinationError, OptionError, counted
from ilsvrc_tfds.formats import hdf5, manifest
from ilsvrc_tfds.formats.alias import IMAGENET2012
from ilsvrc_tfds.formats.folder import find_output
from ilsvrc_tfds.formats.kinds import CLASSIC, KINDS
from ilsvrc_tfds.formats.manifest import Manifest
from ilsvrc_tfds.formats.naming import own_splits
from ilsvrc_tfds.formats.record_index import PREFIX
from ilsvrc_tfds.outputs.alias_place import require_free
from ilsvrc_tfds.outputs.index import index_records
from ilsvrc_tfds.runners import BeamRunner, DaskRunner, LocalRunner, Runner
from ilsvrc_tfds.sources.completeness import incomplete_is_allowed, log_missing_splits
from ilsvrc_tfds.sources.demo import draw
from ilsvrc_tfds.sources.find import find_images
from ilsvrc_tfds.storage.bucket import bucket_url
from ilsvrc_tfds.storage.bucket_path import place
from ilsvrc_tfds.storage.files import file_to_replace

_log = logging.getLogger(__name__)


def doctor(options: argparse.Namespace) -> int:
    """Prints the report on a source. Returns 1 if it has problems."""
    report = examine(
        options.source,
        options.data_dir,
        deep=options.deep,
        decode=options.decode,
        splits=_splits(options),
        workers=options.workers,
        scratch=options.scratch,
    )
    status = say_report(report.facts, report.problems, "No problems found.")
    same: list[str | Path] = [Path(options.source), "--data-dir", Path(options.data_dir)]
    same += ["--splits", ",".join(options.splits)] if options.splits else []
    same += ["--scratch", options.scratch] if options.scratch is not None else []
    if status:
        same += [f"--{name}" for name in ("deep", "decode") if getattr(options, name)]
        say_next([Step("examine it again, once the problems are solved", command("doctor", *same))])
    else:
        say_next([Step("prepare both configs", command("prepare", *same, "--config", "all"))])
    return status


def prepare(options: argparse.Namespace) -> int:
    arguments: dict[str, Any] = {  # `prepare` and `prepare_all` share them
        **_engine(options),
        "num_shards": options.num_shards,
        "file_format": options.file_format,
        "max_examples": options.max_examples,
        "splits": options.splits,
        **subset_of(options),
        "name": options.name,
        "allow_incomplete": True if options.allow_incomplete else None,
        "on_error": options.on_error,
        "overwrite": options.overwrite,
        "sync": options.sync,
        "scratch": options.scratch,
        "break_lock": options.break_lock,
    }
    if options.alias:
        _require_alias(options)
    if options.config == "all":
        builders = list(ilsvrc_tfds.prepare_all(options.source, options.data_dir, **arguments).values())
    else:
        builders = [ilsvrc_tfds.prepare(options.source, options.data_dir, config=options.config, **arguments)]
    root = place(builders[0].data_dir).parents[2]
    for builder in builders:
        splits = ", ".join(f"{info.num_examples:,} {split}" for split, info in builder.info.splits.items())
        name = f"{builder.name}/{builder.builder_config.name}"
        say(f"{builder.data_dir}: {splits} examples; {call('tfds.load', name, data_dir=root)}")
    folders, configs = [place(builder.data_dir) for builder in builders], [b.builder_config for b in builders]
    if options.alias:
        _say_alias(ilsvrc_tfds.alias(folders[-1], overwrite=options.overwrite))
    other = read_as(IMAGENET2012, root) if options.alias else make_alias(root, configs[-1].name)
    others = [] if configs[-1].relabel or bucket_url(root) else [other]  # an alias is a local folder
    say_next([*(check(folder) for folder in folders), *look_and_train(folders[-1]), *others])
    return 0


def _require_alias(options: argparse.Namespace) -> None:
    """Raises an error if the alias that `prepare` was asked for cannot be made: now, rather than after the work."""
    if options.config == "all":
        raise OptionError(
            "--alias is for one config, and --config all makes several. Leave it out, and run `ilsvrc-tfds alias` at "
            "the end, with --config raw256 or classification."
        )
    config = options.config if options.name is None else f"{options.name}-{options.config}"
    require_free(options.data_dir, config, relabel=options.relabel, overwrite=options.overwrite)


def alias(options: argparse.Namespace) -> int:
    folder = ilsvrc_tfds.alias(
        options.folder,
        data_dir=options.data_dir,
        config=options.config,
        name=options.name,
        overwrite=options.overwrite,
    )
    _say_alias(folder)
    say_next([check(folder), read_as(options.name, folder.parents[1])])
    return 0


def _say_alias(folder: Path) -> None:
    output = find_output(folder)
    counts = [f"{sum(output.stated_lengths(s) or ()):,} {KINDS[CLASSIC].splits[s]}" for s in output.shards]
    say(f"{folder}: {', '.join(counts)} examples, an alias of {output.folder}")


class _Engine(TypedDict):
    workers: int | None
    runner: Runner | None


def _engine(options: argparse.Namespace) -> _Engine:
    """Returns the arguments that choose the engine. Raises OptionError for an option that belongs to another engine."""
    for word, value, name in (
        ("--beam-options", options.beam_options, "beam"),
        ("--scheduler", options.scheduler, "dask"),
    ):
        if value is not None and options.runner != name:
            raise OptionError(f"{word} is for --runner {name}, not --runner {options.runner}.")
    runner: Runner | None = None
    if options.runner == "beam":
        runner = BeamRunner(options.beam_options, workers=options.workers)
    elif options.runner == "dask":
        runner = DaskRunner(options.scheduler, workers=options.workers)
    elif options.runner != "local":
        raise NotImplementedError(f"no options are known for --runner {options.runner}")
    return {"workers": options.workers, "runner": runner}


def metadata(options: argparse.Namespace) -> int:
    splits, out = _splits(options), file_to_replace(options.out)
    with LocalRunner(options.workers) as runner:
        index = find_images([options.source], runner, splits)
    log_missing_splits(index, incomplete_is_allowed(True if options.allow_incomplete else None), splits)
    hdf5.write(out, index.splits.values(), image_root=options.image_root)
    say(f"{options.out}: {counted(os.path.getsize(options.out), 'byte')}")
    say_next([Step("read it in Python, after `import ilsvrc_tfds`", call("ilsvrc_tfds.metadata.read", options.out))])
    return 0


def _splits(options: argparse.Namespace) -> tuple[str, ...] | None:
    """Returns the chosen splits by the names of the data set (`val`), or None if none were chosen."""
    return None if options.splits is None else own_splits(options.splits)


def export(options: argparse.Namespace) -> int:
    out = ilsvrc_tfds.export(
        options.source,
        options.out,
        data_dir=options.data_dir,
        config=options.config,
        splits=options.splits,
        **subset_of(options),
        num_shards=options.num_shards,
        label_offset=options.label_offset,
        bbox=options.bbox,
        index=options.index,
        **_engine(options),
        allow_incomplete=True if options.allow_incomplete else None,
        on_error=options.on_error,
        overwrite=options.overwrite,
        sync=options.sync,
        scratch=options.scratch,
        break_lock=options.break_lock,
    )
    made = cast(Manifest, manifest.read(out))  # export has just written it
    counts = [f"{_records(made, split)} in {counted(len(shards), 'shard')}" for split, shards in made.shards.items()]
    say(f"{out}: {', '.join(counts)}; labels {made.label_offset} to {made.label_offset + made.num_classes - 1}")
    write_indexes = Step("write the indexes that NVIDIA DALI reads", command("index", out))
    say_next([check(out), *look_and_train(out), *(() if options.index else (write_indexes,))])
    return 0


def _records(made: Manifest, split: str) -> str:
    """Returns the number of records of a split in words, and of those with bounding boxes if the export has boxes."""
    records = sum(shard.records for shard in made.shards[split])
    counts = made.boxes or {}
    boxes = f" ({manifest.boxes_in_words(counts[split], records)})" if split in counts else ""
    return f"{records:,} {KINDS[CLASSIC].splits[split]}{boxes}"


def index(options: argparse.Namespace) -> int:
    paths = index_records(options.folder, out=options.out, workers=options.workers)
    names = f"{PREFIX}*" if options.out is None else "with the names of the shards"
    say(f"{options.out or options.folder}: {counted(len(paths), 'index', 'indexes')}, {names}")
    say_next(read_with_dali(paths, find_output(options.folder).folder))
    return 0


def unpack(options: argparse.Namespace) -> int:
    out = ilsvrc_tfds.unpack(
        options.folder, options.out, workers=options.workers, overwrite=options.overwrite, sync=options.sync
    )
    say(out)
    say_next(read_as_image_folder(out))
    return 0


def demo(options: argparse.Namespace) -> int:
    archives, data_dir = options.folder / "archives", options.folder / "data"
    draw(archives)
    _log.info("Drew a miniature ILSVRC2012, in the layout of the official archives: %s", archives)
    try:
        builders = ilsvrc_tfds.prepare_all(archives, data_dir, workers=options.workers, allow_incomplete=True)
    except DestinationError as error:
        raise DestinationError(
            f"{error} The demo itself replaces nothing. Name another folder: `ilsvrc-tfds demo OTHER_DIR`."
        ) from error
    batch = _first_batch(data_dir)
    # All output comes at the end: if it cannot be printed, the work is done all the same.
    say(
        f"Drew a miniature ILSVRC2012, in the layout of the official archives: {archives}",
        *(f"Prepared ilsvrc2012/{name}, shards and metadata.h5: {b.data_dir}" for name, b in builders.items()),
        f"Read back with tfds.load: {batch}",
    )
    own_images = Step("examine your own images, where FOLDER has them", command("doctor", "FOLDER"))
    say_next([*look_and_train(data_dir / "ilsvrc2012/raw256/1.0.0"), own_images])
    return 0


def _first_batch(data_dir: Path) -> str:
    """Returns a description of the first batch of a prepared data set: dtype, shape and classes."""
    import tensorflow as tf
    import tensorflow_datasets as tfds

    def crop(image: tf.Tensor, label: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return tf.image.resize_with_crop_or_pad(image, 224, 224), label

    data = tfds.load("ilsvrc2012/raw256", data_dir=data_dir, split="train", as_supervised=True)
    images, labels = next(iter(data.map(crop).batch(8)))
    words = [synsets.synsets()[label].words.partition(",")[0] for label in labels.numpy()]
    return f"{images.dtype.name} {tuple(images.shape)}, {', '.join(words)}"
