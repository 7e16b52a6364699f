"""The commands that examine a source and write data sets."""

import argparse
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypedDict, cast

import ilsvrc_tfds
from ilsvrc_tfds.checks.doctor import examine
from ilsvrc_tfds.checks.findings import Report
from ilsvrc_tfds.cli.findings import source_lines, source_values
from ilsvrc_tfds.cli.next_steps import (
    Step,
    call,
    check,
    command,
    look_and_train,
    make_alias,
    read_as,
    read_as_image_folder,
    read_tfrecords,
    read_with_dali,
)
from ilsvrc_tfds.cli.options import subset_of
from ilsvrc_tfds.cli.prepared_sets import prepared, prepared_lines
from ilsvrc_tfds.cli.results import tell
from ilsvrc_tfds.errors import OptionError, counted
from ilsvrc_tfds.formats import hdf5, manifest
from ilsvrc_tfds.formats.folder import find_output
from ilsvrc_tfds.formats.kinds import CLASSIC, IMAGENET2012, KINDS
from ilsvrc_tfds.formats.manifest import Manifest
from ilsvrc_tfds.formats.naming import own_splits
from ilsvrc_tfds.formats.nearby import MARK_NAME
from ilsvrc_tfds.formats.record_index import PREFIX
from ilsvrc_tfds.outputs.alias_place import require_free
from ilsvrc_tfds.outputs.index import index_records
from ilsvrc_tfds.outputs.metadata import write_metadata
from ilsvrc_tfds.runners import BeamRunner, DaskRunner, Runner
from ilsvrc_tfds.storage.bucket import bucket_url
from ilsvrc_tfds.storage.bucket_path import place
from ilsvrc_tfds.storage.files import default_data_dir
from ilsvrc_tfds.terminal.tables import wrapped
from ilsvrc_tfds.terminal.units import in_bytes


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
        allow_incomplete=True if options.allow_incomplete else None,
    )
    same: list[str | Path] = [Path(options.source)]
    same += ["--data-dir", Path(options.data_dir)] if options.data_dir != default_data_dir() else []
    same += ["--splits", ",".join(options.splits)] if options.splits else []
    same += ["--scratch", options.scratch] if options.scratch is not None else []
    same += ["--allow-incomplete"] if options.allow_incomplete else []
    if report.problems:
        as_it_is = [*_as_it_is(options, report, same)]
        same += [f"--{name}" for name in ("deep", "decode") if getattr(options, name)]
        steps = [Step("examine it again, once the problems are solved", command("doctor", *same))]
        steps += as_it_is
    else:
        config = report.config_with_room(between_elsewhere=options.scratch is not None)
        purpose = "prepare both configs" if config == "all" else f"prepare the config {config}"
        steps = [Step(purpose, command("prepare", *same, "--config", config))]
    values = {"source": options.source, "data_dir": str(options.data_dir), **source_values(report)}
    return tell(options, source_lines(report, options.data_dir), values, steps, ok=not report.problems)


def _as_it_is(options: argparse.Namespace, report: Report, words: list[str | Path]) -> Iterator[Step]:
    """Yields the step that prepares a source in spite of its problems, if options of `prepare` allow all of them."""
    marks = {"--allow-incomplete": ["--allow-incomplete"], "Get it again": ["--on-error", "skip"], "was repacked": []}
    ways = [next((mark for mark in marks if mark in problem), None) for problem in report.problems]
    given = [word for mark, own in marks.items() if mark in ways for word in own]
    if report.configs and given and None not in ways:
        config = report.config_with_room(between_elsewhere=options.scratch is not None)
        purpose = "or prepare what is there" + (", without damaged images" if "skip" in given else "")
        yield Step(purpose, command("prepare", *words, "--config", config, *given))


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
    sets = [prepared(builder, root) for builder in builders]
    lines = [line for one in sets for line in prepared_lines(one)]
    folders, configs = [place(builder.data_dir) for builder in builders], [b.builder_config for b in builders]
    made = ilsvrc_tfds.alias(folders[-1], overwrite=options.overwrite) if options.alias else None
    lines += [_alias_line(made)] if made else []
    splits = list(builders[-1].info.splits)
    other = read_as(IMAGENET2012, root, splits) if made else make_alias(root, configs[-1].name)
    others = [] if configs[-1].relabel or bucket_url(root) else [other]  # an alias is a local folder
    steps = [*map(check, folders), *look_and_train(folders[-1]), *others]
    values = {"data_dir": str(root), "data_sets": sets, "alias": None if made is None else str(made)}
    return tell(options, lines, values, steps)


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
    splits = list(find_output(folder).shards)
    steps = [check(folder), read_as(options.name, folder.parents[1], splits)]
    values = {"folder": str(folder), "name": options.name, "alias_of": str(find_output(folder).folder)}
    return tell(options, [_alias_line(folder), steps[-1].line], values, steps[:1])


def _alias_line(folder: Path) -> str:
    output = find_output(folder)
    counts = [f"{sum(output.stated_lengths(s) or ()):,} {KINDS[CLASSIC].splits[s]}" for s in output.shards]
    return wrapped(f"{folder}: {', '.join(counts)} examples, an alias of {output.folder}")


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
    write_metadata(
        options.source,
        options.out,
        image_root=options.image_root,
        splits=_splits(options),
        workers=options.workers,
        allow_incomplete=True if options.allow_incomplete else None,
        overwrite=options.overwrite,
    )
    size = os.path.getsize(options.out)
    images = {split: len(table.image_filenames) for split, table in hdf5.read(options.out).items()}
    step = Step("read it in Python, after `import ilsvrc_tfds`", call("ilsvrc_tfds.metadata.read", options.out))
    counts = ", ".join(f"{count:,} {split}" for split, count in images.items())
    line = f"{options.out}: {counts} images, {in_bytes(size)}"
    return tell(options, [wrapped(line)], {"file": str(options.out), "bytes": size, "images": images}, [step])


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
    lines = [f"{out}: {', '.join(counts)}; labels {made.label_offset} to {made.label_offset + made.num_classes - 1}"]
    lines = [*map(wrapped, lines), *(step.line for step in read_tfrecords(out, made))]
    write_indexes = Step("write the indexes that NVIDIA DALI reads", command("index", out))
    values = {
        "folder": str(out),
        "label_offset": made.label_offset,
        "classes": made.num_classes,
        "splits": [
            {
                "split": split,
                "records": sum(shard.records for shard in shards),
                "shards": len(shards),
                "bytes": sum(shard.bytes for shard in shards),
                "boxed": None if made.boxes is None else made.boxes.get(split),
            }
            for split, shards in made.shards.items()
        ],
    }
    steps = [check(out), *look_and_train(out), *([] if options.index else [write_indexes])]
    return tell(options, lines, values, steps)


def _records(made: Manifest, split: str) -> str:
    """Returns the number of records of a split in words, and of those with bounding boxes if the export has boxes."""
    records = sum(shard.records for shard in made.shards[split])
    counts = made.boxes or {}
    boxes = f" ({manifest.boxes_in_words(counts[split], records)})" if split in counts else ""
    return f"{records:,} {KINDS[CLASSIC].splits[split]}{boxes}"


def index(options: argparse.Namespace) -> int:
    paths = index_records(options.folder, out=options.out, workers=options.workers)
    names = f"{PREFIX}*" if options.out is None else "with the names of the shards"
    folder = find_output(options.folder).folder
    place = options.out or folder
    line = f"{place}: {counted(len(paths), 'index', 'indexes')}, {names}"
    values = {"folder": str(place), "shards_in": str(folder), "indexes": len(paths)}
    return tell(options, [wrapped(line)], values, read_with_dali(paths, folder))


def unpack(options: argparse.Namespace) -> int:
    out = ilsvrc_tfds.unpack(
        options.folder, options.out, workers=options.workers, overwrite=options.overwrite, sync=options.sync
    )
    counts = json.loads((out / MARK_NAME).read_text())["files"]
    first = next(iter(counts), None)
    numbers = {folder: counted(count, "image") if folder == first else f"{count:,}" for folder, count in counts.items()}
    images = ", ".join(f"{number} in {folder}" for folder, number in numbers.items())
    return tell(
        options, [wrapped(f"{out}: {images}")], {"folder": str(out), "images": counts}, read_as_image_folder(out)
    )
