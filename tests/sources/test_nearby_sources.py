"""A folder that is not a source: the message names the right folder, or the commands that read what is there."""

import drawing
import pytest

import ilsvrc_tfds
from ilsvrc_tfds.errors import NotFoundError
from ilsvrc_tfds.sources import find_layout


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """`archives` and `folders` with a miniature, and what is made of it: `data`, `out` and `files`."""
    root, images = tmp_path_factory.mktemp("nearby"), drawing.miniature(train=1, val=1)
    archives = drawing.official_archives(root / "sources/archives", images)
    drawing.folders(root / "sources/folders", images)
    options = {"workers": 1, "allow_incomplete": True}
    builder = ilsvrc_tfds.prepare(archives, root / "data", config="raw256", **options)
    ilsvrc_tfds.export(builder.data_dir, root / "out", **options)
    ilsvrc_tfds.unpack(builder.data_dir, root / "files", workers=1)
    return root


@pytest.mark.parametrize(
    "folder, words",
    [
        ("sources", "ILSVRC2012 is in {}/archives, {}/folders: name one of them."),
        ("sources/folders/train", "{} is the split train of {root}/sources/folders: name {root}/sources/folders."),
        ("sources/folders/val", "{} is the split val of {root}/sources/folders: name "),
        ("sources/folders/train/n01440764", "{} is a part of the split train of {root}/sources/folders: name "),
        ("data/ilsvrc2012", "ILSVRC2012 is in {}/raw256: name that folder."),
        ("data", "ILSVRC2012 is in {}/ilsvrc2012/raw256: name that folder."),
        ("files", "{} holds image files that `unpack` wrote, not a source: readers of image folders read them"),
        ("files/train256", "{} is one of the folders of image files that `unpack` wrote: readers of image folders"),
    ],
)
def test_message_begins_with_the_folder_to_name_or_what_reads_this_one(folder, words, root):
    with pytest.raises(NotFoundError, match="No ILSVRC2012 found") as caught:
        find_layout([root / folder])
    first = str(caught.value).splitlines()[0].removeprefix("No ILSVRC2012 found. ")
    assert first.startswith(words.replace("{root}", str(root)).replace("{}", str(root / folder)))


def test_alias_does_not_choose_between_two_configs(archives, tmp_path):
    for config in ("classification", "raw256"):
        ilsvrc_tfds.prepare(archives, tmp_path / "data", config=config, workers=1, allow_incomplete=True)
        ilsvrc_tfds.alias(tmp_path / "data", config=config, overwrite=True)
        if config == "classification":
            assert find_layout([tmp_path / "data"]).places  # an alias is not a second set to choose from
    both = f"{tmp_path}/data/ilsvrc2012/classification, {tmp_path}/data/ilsvrc2012/raw256: name one of them."
    with pytest.raises(NotFoundError, match=f"ILSVRC2012 is in {both}"):
        find_layout([tmp_path / "data"])


def test_message_without_anything_near_says_where_to_get_the_archives(root, tmp_path):
    (tmp_path / "photos").mkdir()
    with pytest.raises(NotFoundError, match="Get the archives from https://image-net.org"):
        find_layout([tmp_path])


@pytest.mark.usefixtures("permissions_count")
def test_folder_that_cannot_be_read_is_passed_over(tmp_path):
    (tmp_path / "locked").mkdir(mode=0)
    with pytest.raises(NotFoundError, match="Get the archives"):
        find_layout([tmp_path])
