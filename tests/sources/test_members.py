"""The table of a split's images: its digest, and the images that it says cannot be used. What a reader says of them."""

import dataclasses
import hashlib
import os
import resource
import struct
from pathlib import Path

import drawing
import numpy as np
import pytest

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import ImageError, SourceError
from ilsvrc_tfds.sources import find_layout, index_images
from ilsvrc_tfds.sources.members import LARGEST_IMAGE, Members, join_members
from ilsvrc_tfds.sources.reader import Reader, read_images, require_sizes


def train_of(source: Path) -> Members:
    return index_images(find_layout([source])).splits["train"]


@pytest.fixture
def members(archives) -> Members:
    return train_of(archives)


def test_digest_is_that_of_names_labels_and_sizes_in_the_order_of_the_names(members):
    rows = sorted(zip(members.name.tolist(), members.label.tolist(), members.size.tolist()))
    names, labels, sizes = zip(*rows)
    data = b"\0".join(names) + struct.pack("<12h", *labels) + struct.pack("<12q", *sizes)
    # It is recorded with a data set, so another one would make all of them differ from their source.
    assert members.digest() == hashlib.blake2b(data, digest_size=16).hexdigest()


def test_digest_depends_on_names_labels_and_sizes_and_not_on_places_or_order(members, images, tmp_path):
    assert train_of(drawing.folders(tmp_path / "folders", images)).digest() == members.digest()
    assert members.take(np.arange(12)[::-1]).digest() == members.digest()
    others = [
        dataclasses.replace(members, name=np.char.replace(members.name, b"_9.", b"_8.")),
        dataclasses.replace(members, label=members.label + np.int16(1)),
        dataclasses.replace(members, size=members.size + 1),
        members.take(np.arange(11)),
    ]
    assert len({members.digest(), *(other.digest() for other in others)}) == 5


def test_tables_are_joined_row_by_row(members):
    parts = [members.take(rows) for rows in (np.arange(3), np.arange(3, 12))]
    joined = join_members(parts)
    assert [joined.place(row) for row in range(12)] == [members.place(row) for row in range(12)]
    assert joined.digest() == members.digest() and joined.container.dtype == np.int32


def test_tables_are_compared_by_identity(members):
    """Their arrays could not be compared or hashed."""
    again = dataclasses.replace(members)
    assert members != again and len({members, again}) == 2
    with pytest.raises(dataclasses.FrozenInstanceError):
        members.split = "val"


def resized(members: Members, *sizes: int) -> Members:
    """Returns the table with other sizes of the first rows."""
    return dataclasses.replace(members, size=np.concatenate([sizes, members.size[len(sizes) :]]))


def test_sizes_that_no_image_has_are_named(members):
    require_sizes(resized(members, 1, LARGEST_IMAGE))
    odd = resized(members, 1, 0, LARGEST_IMAGE + 1, LARGEST_IMAGE)
    assert odd.odd_sizes() == [
        f"{members.place(1)}: it is an empty file (0 bytes)",
        f"{members.place(2)}: it has 1,073,741,825 bytes, over the limit of 1,073,741,824",
    ]
    with pytest.raises(ImageError, match=rf"^2 images of train cannot be used: {members.place(1)}: it is.*--on-error"):
        require_sizes(odd)


@pytest.mark.parametrize("size, reason", [(0, "an empty file"), (LARGEST_IMAGE + 1, "over the limit")])
def test_image_of_such_a_size_is_not_read(members, size, reason):
    with Reader() as reader, pytest.raises(ImageError, match=rf"^it .*{reason}.*\. Get it again$"):
        reader.read(resized(members, size), 0)


def refuse_second(file_name: bytes, data: bytes, label: int) -> tuple[bytes, int]:
    if file_name.endswith(b"_10.JPEG"):
        raise ImageError("it is odd. Get it again")
    return file_name, label


def test_images_are_given_with_name_and_label_and_damaged_ones_are_named(members, images):
    skipped: dict[str, str] = {}
    read = list(read_images(members, refuse_second, skipped))
    assert skipped == dict.fromkeys(["n01440764_10.JPEG", "n01443537_10.JPEG", "n01491361_10.JPEG"], "it is odd")
    for data, (name, label) in read:
        assert images.train[synsets.wnids()[label]][name.decode()] == data
    assert len(read) == 9
    place = members.place(members.name.tolist().index(b"n01440764_10.JPEG"))
    with pytest.raises(ImageError, match=f"^{place}: it is odd. Get it again. Damaged images are left out with --on-"):
        list(read_images(members, refuse_second))


def test_archive_that_changes_after_it_was_opened_is_an_error(members, archives):
    with Reader() as reader:
        reader.read(members, 0)
        reader.require_unchanged()
        os.utime(archives / "ILSVRC2012_img_train.tar", (1, 1))
        with pytest.raises(SourceError, match="ILSVRC2012_img_train.tar has changed since it was indexed. Run the"):
            reader.require_unchanged()


def test_reader_closes_its_archives_if_no_more_files_may_be_open(images, tmp_path):
    members = train_of(drawing.class_archives(tmp_path, images))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with Reader() as reader:
        first = reader.read(members, 0)
        with open(os.devnull) as file:
            limit = file.fileno()
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
        try:
            last = reader.read(members, 11)
            assert reader.read(members, 0) == first
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    names = members.name.tolist()
    assert images.train["n01491361"][names[11].decode()] == last
