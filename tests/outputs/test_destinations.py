"""Destinations that are links, or hold something of the user's: nothing of others is replaced."""

import json
import os
import shutil
from pathlib import Path

import pytest
import tensorflow_datasets as tfds

import ilsvrc_tfds
from ilsvrc_tfds.errors import DestinationError
from ilsvrc_tfds.outputs.unpack import unpack


@pytest.fixture
def export(archives, tmp_path):
    def export_miniature(source=archives, out=tmp_path / "out", **options):
        options = {"workers": 1, "allow_incomplete": True, "num_shards": {"train": 2, "val": 1}, **options}
        return ilsvrc_tfds.export(source, out, **options)

    return export_miniature


def test_export_through_a_link_leaves_the_link_and_can_be_done_again(export, tmp_path):
    (tmp_path / "disk/real").mkdir(parents=True)
    (tmp_path / "link").symlink_to("disk/real")
    assert export(out=tmp_path / "link") == tmp_path / "disk/real"
    export(out=tmp_path / "link", overwrite=True)
    assert (tmp_path / "link").is_symlink() and os.listdir(tmp_path / "disk") == ["real"]
    assert (tmp_path / "disk/real/manifest.json").exists()
    assert sorted(os.listdir(tmp_path)) == ["disk", "link", "source"]


def test_prepare_through_a_link_leaves_the_link_and_can_be_done_again(prepare, tmp_path):
    parent = tmp_path / "data/ilsvrc2012/classification"
    parent.mkdir(parents=True), (tmp_path / "disk").mkdir()
    (parent / "1.0.0").symlink_to(tmp_path / "disk/imagenet")  # is not there yet
    prepare(max_examples=3)
    builder = prepare(overwrite=True)
    assert (parent / "1.0.0").is_symlink() and os.listdir(parent) == ["1.0.0"]
    assert os.listdir(tmp_path / "disk") == ["imagenet"]
    assert len(list(tfds.builder_from_directory(builder.data_dir).as_dataset(split="train"))) == 12
    assert prepare().info.splits["train"].num_examples == 12
