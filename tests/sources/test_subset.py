"""Subsets by lists of classes and of images: how lists are read, and what is left of an index."""

import dataclasses

import drawing
import pytest
import xxhash

from ilsvrc_tfds.errors import IncompleteError, OptionError, SourceError
from ilsvrc_tfds.sources import find_layout, index_images
from ilsvrc_tfds.sources.completeness import shortfalls
from ilsvrc_tfds.sources.subset import Subset
from ilsvrc_tfds.sources.subset_lists import as_subset

TENCH, GOLDFISH, SHARK = drawing.WNIDS
IMAGES = (f"{TENCH}_9.JPEG", f"{SHARK}_10.JPEG")


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    images = drawing.miniature(test=2)
    return index_images(find_layout([drawing.official_archives(tmp_path_factory.mktemp("source"), images)]))


def listed(folder, text, encoding="utf-8"):
    path = folder / "list.txt"
    path.write_bytes(text.encode(encoding))
    return path


def names(index, split="train"):
    return [name.decode() for name in index.splits[split].name.tolist()]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("text", ["{1}\n{0}\n", "# of a paper\n\n {1} tiger shark\r\n{0}, tench", "{1}\r{0}"])
def test_list_of_classes_is_read_in_its_order(text, encoding, tmp_path):
    path = listed(tmp_path, text.format(TENCH, SHARK), encoding)
    assert as_subset(path, True, None).classes == as_subset([SHARK, 0], True, None).classes == (3, 0)


@pytest.mark.parametrize(
    "line", ["{}", "{}.JPEG", "train/n01440764/{}.JPEG", "{}_n01440764.JPEG", "# no name\n\n{}.jpeg"]
)
def test_list_of_images_is_read_in_its_usual_forms(line, tmp_path, index):
    subset = as_subset(None, False, listed(tmp_path, line.format("n01440764_9") + "\n"))
    assert names(subset.of(index)) == ["n01440764_9.JPEG"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"{TENCH}\nn00007846\n", r"list\.txt: line 2: n00007846 is not one of the 1000 classes"),
        ("tench\n", r"line 1: tench is not one of the 1000 classes.*Expected a wnid in each line"),
        (f"{TENCH}\n{SHARK}\n{TENCH}\n", rf"1 comes twice: {TENCH}\."),
        ("# nothing\n\n", "list of classes is empty"),
    ],
)
def test_wrong_list_of_classes_is_an_error(text, message, tmp_path):
    with pytest.raises(OptionError, match=message):
        as_subset(listed(tmp_path, text), False, None)


def test_wrong_list_of_images_is_an_error(tmp_path, index):
    with pytest.raises(OptionError, match=r"images must name each once, but 1 comes twice: n01440764_9\."):
        as_subset(None, False, ["n01440764_9", "n01440764_9.JPEG"])
    with pytest.raises(OptionError, match=r"names none of train, val, test of .*begins with photo\.JPEG"):
        as_subset(None, False, ["photo"]).of(index)
    with pytest.raises(OptionError, match="list of file names, got 3"):
        as_subset(None, False, [3])
    for classes, images in ((tmp_path / "gone", None), (None, tmp_path / "gone")):
        with pytest.raises(SourceError, match="gone"):
            as_subset(classes, False, images)


@pytest.mark.parametrize(
    ("classes", "message"), [({TENCH}, "fixed order"), (None, "Name the list"), ([1000], r"in \[0, 1000\), got 1000")]
)
def test_relabelling_needs_classes_in_an_order(classes, message):
    with pytest.raises(OptionError, match=message):
        as_subset(classes, True, None)


def test_digests_are_those_of_the_lists_as_files(tmp_path):
    files = {"classes": f"{SHARK}\n{TENCH}\n", "images": "".join(f"{name}\n" for name in IMAGES)}
    described = as_subset([SHARK, TENCH], False, IMAGES).described()
    for what, text in files.items():
        assert described[what] == {"listed": 2, "xxh3_128": xxhash.xxh3_128_hexdigest(text.encode())}


def test_subset_of_classes_keeps_class_indices_and_has_no_test_split(index):
    part = Subset(classes=(3, 0), relabel=True).of(index)
    assert {split: sorted(set(own.label.tolist())) for split, own in part.splits.items()} == {
        "train": [0, 3],
        "val": [0, 3],
    }
    with pytest.raises(OptionError, match="Leave test out"):
        Subset(classes=(3, 0)).require_splits(("train", "test"))


def test_list_of_train_images_leaves_the_other_splits_whole(index):
    part = Subset(images=IMAGES).of(index)
    assert names(part) == list(IMAGES)
    assert [len(part.splits[split]) for split in ("val", "test")] == [6, 2]


def test_both_lists_give_the_images_of_the_one_that_are_of_the_classes_of_the_other(index):
    part = Subset(classes=(3, 1), images=IMAGES).of(index)
    assert names(part) == [IMAGES[1]]
    assert sorted(set(part.splits["val"].label.tolist())) == [1, 3]


def test_listed_images_that_are_not_there_are_an_error_unless_allowed(index):
    gone = Subset(images=(*IMAGES, "n01440764_1.JPEG", f"{GOLDFISH}_2.JPEG"))
    with pytest.raises(IncompleteError, match=r"does not have 2 images of the list: n01440764_1, n01443537_2\."):
        gone.of(index)
    part = gone.of(index, allow_incomplete=True)
    assert names(part) == list(IMAGES)
    assert shortfalls(part)["train"] == "2 of 4 images, 1 class missing"
    assert names(Subset(classes=(3,), images=gone.images).of(index)) == [IMAGES[1]]  # those are of other classes


def test_subset_is_whole_if_all_that_is_listed_is_there(index):
    part = Subset(images=(*IMAGES, *names(index, "val"), *names(index, "test"))).of(index)
    assert shortfalls(part) == {}
    assert shortfalls(Subset(classes=(3, 0)).of(index)) == {
        "train": "8 of at least 1,464 images",
        "val": "4 of 100 images",
    }


def test_subset_is_taken_once(index):
    subset = Subset(classes=(3, 0), images=(*IMAGES, "n01440764_1.JPEG"))
    part = subset.of(index, allow_incomplete=True)
    assert dict(part.subset) == subset.described() and index.subset == {}
    assert subset.of(part) is Subset().of(part) is part
    assert shortfalls(part)["train"] == "2 of 3 images"
    assert names(Subset(classes=(3,)).of(part)) == [IMAGES[1]]  # another one is taken of the part


def test_split_without_an_image_of_the_subset_is_an_error(index):
    with pytest.raises(IncompleteError, match="split train has no image of the subset.*--splits"):
        Subset(classes=(7,)).of(index, allow_incomplete=True)


def test_listed_images_of_other_classes_only_leave_nothing_of_their_split(index):
    images = (f"{GOLDFISH}_9.JPEG", f"{GOLDFISH}_10.JPEG", *names(index, "val"))
    subset = Subset(classes=(0,), images=images)
    with pytest.raises(IncompleteError, match="split train has no image of the subset.*--splits"):
        subset.of(index, allow_incomplete=True)
    only_val = dataclasses.replace(index, splits={"val": index.splits["val"]})
    assert set(subset.of(only_val).splits["val"].label.tolist()) == {0}
