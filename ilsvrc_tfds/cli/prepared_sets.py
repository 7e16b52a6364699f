"""Prepared data sets as values and as lines: what `prepare` and `demo` have made."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ilsvrc_tfds.cli.next_steps import call
from ilsvrc_tfds.formats.naming import ARRAY_RECORD
from ilsvrc_tfds.terminal.tables import wrapped
from ilsvrc_tfds.terminal.units import in_bytes

if TYPE_CHECKING:
    from ilsvrc_tfds.outputs.builder import Ilsvrc2012


def prepared(builder: "Ilsvrc2012", data_dir: Path) -> dict[str, Any]:
    """Returns a prepared data set in JSON's types.

    >>> import ilsvrc_tfds
    >>> builder = ilsvrc_tfds.prepare("/data/imagenet", "/data/prepared", config="raw256")
    >>> made = prepared(builder, Path("/data/prepared"))
    >>> made["name"], made["splits"][1]["examples"]
    ('ilsvrc2012/raw256', 6)
    >>> list(prepared_lines(made))
    ['/data/prepared/ilsvrc2012/raw256/1.0.0: 12 train, 6 val examples, ... kB', 'tfds.load("ilsvrc2012/raw256", ...)']

    Args:
      builder: Builder of the data set.
      data_dir: Its data directory.
    """
    name = f"{builder.name}/{builder.builder_config.name}"
    splits = [
        {"split": split, "examples": info.num_examples, "shards": info.num_shards, "bytes": info.num_bytes}
        for split, info in builder.info.splits.items()
    ]
    # Records of this format have numbers: the sequence is what they are made for.
    reader = "tfds.data_source" if builder.info.file_format.value == ARRAY_RECORD else "tfds.load"
    load = call(reader, name, data_dir=data_dir)
    return {"name": name, "folder": str(builder.data_dir), "splits": splits, "load": load}


def prepared_lines(made: Mapping[str, Any]) -> Iterator[str]:
    """Yields two lines about a data set that `prepared` returned: what it has, and how to load it."""
    splits = ", ".join(f"{split['examples']:,} {split['split']}" for split in made["splits"])
    size = in_bytes(sum(split["bytes"] for split in made["splits"]))
    yield wrapped(f"{made['folder']}: {splits} examples, {size}")
    yield made["load"]
