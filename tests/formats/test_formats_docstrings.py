"""The examples in the docstrings of `formats` run, and the main functions have one."""

import doctest
import importlib

import docexamples
import drawing
import pytest

from ilsvrc_tfds import formats
from ilsvrc_tfds.formats import (
    alias,
    data_sets,
    example,
    example_in_place,
    folder,
    framing,
    hdf5,
    info,
    manifest,
    naming,
    record_index,
    tfrecord,
)
from ilsvrc_tfds.sources import find_layout, index_images


def set_in(data_dir, config):
    folder = data_dir / "ilsvrc2012" / config / "1.0.0"
    folder.mkdir(parents=True)
    (folder / "ilsvrc2012-val.tfrecord-00000-of-00001").touch()


@pytest.fixture
def names(tmp_path, archives) -> dict[str, object]:
    """Names that examples use: a JPEG, a folder, the index of a miniature's train split, a shard of two records, and a
    data directory with two sets."""
    for config in ("classification", "raw256"):
        set_in(tmp_path / "tfds", config)
    train = index_images(find_layout([archives])).splits["train"]
    shard = tmp_path / "train-00000-of-00001"
    shard.write_bytes(b"".join(framing.frame([b"first"]) + framing.frame([b"second"])))
    keys = {"encode_example": example.encode_example}
    keys |= {"data_dir": str(tmp_path / "tfds")}
    return {"jpeg": drawing.jpeg(), "folder": str(tmp_path), "train": train, "shard": str(shard), **keys}


@pytest.mark.parametrize("name", docexamples.modules_of(formats))
def test_examples_run(name, names):
    module = importlib.import_module(name)
    results = doctest.testmod(module, globs={**vars(module), **names}, optionflags=doctest.ELLIPSIS)
    assert results.failed == 0 and results.attempted > 0


@pytest.mark.parametrize(
    "function",
    [
        alias.followed, alias.read_alias, alias.shard_template,
        data_sets.folder_of, example.encode_example, example.parse_example, example_in_place.parse_payload, folder.Output,
        folder.find_output, folder.describe_output, folder.is_output, info.read_info, hdf5.read, hdf5.write,
        manifest.Manifest, naming.disk_order, naming.own_splits, naming.shard_name, record_index.is_index, record_index.shard_spans,
        record_index.write_index, framing.frame, tfrecord.read_record, tfrecord.read_records, tfrecord.read_spans,
    ],
    ids=lambda function: function.__name__,
)  # fmt: skip
def test_main_function_has_an_example(function):
    assert doctest.DocTestFinder(recurse=False).find(function, function.__name__)[0].examples
