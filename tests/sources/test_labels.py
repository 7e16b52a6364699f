"""A label follows from a name, and every second source of it that is there must agree."""

import gzip
import os
from pathlib import Path

import drawing
import numpy as np
import pytest

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import LabelError, SourceError
from ilsvrc_tfds.sources import find_layout, index_images
from ilsvrc_tfds.sources.label_tables import check_ground_truth, check_solution, check_synset_mapping
from ilsvrc_tfds.sources.labels import label_images

GROUND_TRUTH = "ILSVRC2012_validation_ground_truth.txt"
VAL_1 = synsets.wnids()[synsets.validation_labels()[0]]  # n01751748, of the first validation image


@pytest.mark.parametrize(
    "split, folder, name, label",
    [
        ("train", "n01440764", b"n01440764_10026.JPEG", 0),
        ("train", "n01440764", b"my own tench.jpg", 0),  # a name that says nothing does not contradict
        ("train", "", b"n01491361_10.JPEG", 3),
        ("train", "", b"n01440764_10026_n01440764.JPEG", 0),  # Hugging Face's
        (
            "train",
            "n01440764",
            b"ILSVRC2012_val_mine.JPEG",
            0,
        ),  # of the user's own, though it sounds like another split's
        ("val", "", b"ILSVRC2012_val_00000001.JPEG", 65),
        ("val", "", b"ILSVRC2012_val_1.jpg", 65),
        ("val", VAL_1, b"ILSVRC2012_val_00000001.JPEG", 65),
        ("val", "n01440764", b"n01440764_mine.JPEG", 0),  # a validation split of one's own
        ("test", "", b"ILSVRC2012_test_00000001.JPEG", -1),
        ("test", "n01440764", b"anything.JPEG", -1),
    ],
)
def test_label_follows_from_folder_and_name(split, folder, name, label):
    labels = label_images(split, folder, [name], "here")
    assert labels.dtype == np.int16 and labels.tolist() == [label]


@pytest.mark.parametrize(
    "split, folder, name",
    [
        ("train", "n01443537", b"n01440764_10026.JPEG"),
        ("val", "n01443537", b"ILSVRC2012_val_00000001.JPEG"),
        ("val", "n01443537", b"n01440764_mine.JPEG"),
    ],
)
def test_name_that_contradicts_its_folder_is_an_error(split, folder, name):
    with pytest.raises(LabelError, match=f"here: 1 image lies in class n01443537 but .* {os.fsdecode(name)} of n01"):
        label_images(split, folder, [b"first.JPEG", name], "here")


def test_first_of_many_contradictions_are_named():
    names = [b"n01440764_%d.JPEG" % k for k in range(9)]
    with pytest.raises(LabelError, match="9 images .* n01440764_0.JPEG of n01440764, .*_2.JPEG .* and 6 more"):
        label_images("train", "n01443537", names, "here")


@pytest.mark.parametrize(
    "split, folder, name, message",
    [
        (
            "train",
            "",
            b"cat.JPEG",
            "not in a class folder, and its name does not state a class: cat.JPEG. Expected .* n01440764_",
        ),
        ("val", "", b"cat.JPEG", "not state a class: cat.JPEG. Expected names like ILSVRC2012_val_00000001.JPEG"),
        ("val", "", b"n01440764_mine.JPEG", "split 'val' is not in a class folder"),
        ("val", "", b"ILSVRC2012_val_00000000.JPEG", "has the number 0; validation images have 1 to 50000"),
        ("val", VAL_1, b"ILSVRC2012_val_00050001.JPEG", "has the number 50001; validation images have 1 to 50000"),
        ("train", "", b"n99999999_1.JPEG", "n99999999_1.JPEG: 'n99999999' is not one of the 1000 classes"),
        ("train", "n01440764", b"n99999999_1.JPEG", "'n99999999' is not one of the 1000 classes"),
        ("train", "n99999999", b"cat.JPEG", "here: 'n99999999' is not one of the 1000 classes .* named by its wnid"),
        ("train", "tench", b"cat.JPEG", "here: 'tench' is not one of the 1000 classes"),
        ("val", "n99999999", b"ILSVRC2012_val_00000001.JPEG", "'n99999999' is not one of the 1000 classes"),
    ],
)
def test_names_that_mean_nothing_are_an_error(split, folder, name, message):
    with pytest.raises(SourceError, match=message):
        label_images(split, folder, [name], "here")


@pytest.mark.parametrize(
    "split, name, other",
    [
        ("train", b"ILSVRC2012_val_00000001.JPEG", "val"),
        ("train", b"ILSVRC2012_val_00000001_n01751748.JPEG", "val"),
        ("train", b"ILSVRC2012_test_00000001.jpg", "test"),
        ("val", b"n01440764_10026.JPEG", "train"),
        ("val", b"ILSVRC2012_test_00000001.JPEG", "test"),
        ("test", b"ILSVRC2012_val_00000001.JPEG", "val"),
        ("test", b"n01440764_10026_n01440764.png", "train"),
    ],
)
@pytest.mark.parametrize("folder", ["", "n01440764", VAL_1])
def test_official_name_of_another_split_is_an_error(split, name, other, folder):
    own = {
        "train": b"n01440764_1.JPEG",
        "val": b"ILSVRC2012_val_00000002.JPEG",
        "test": b"ILSVRC2012_test_00000002.JPEG",
    }
    message = f"here: 1 image of split '{split}' has the name of an image of split '{other}': {os.fsdecode(name)}. "
    message += "They belong in"
    with pytest.raises(SourceError, match=f"{message} {other}/: move them there, or remove them"):
        label_images(split, folder, [own[split], name], "here")


# The second sources.


def ground_truth(changes: dict[int, str] | None = None) -> str:
    """The development kit's ground truth, with other texts in some lines (from 1)."""
    numbers = [str(synsets.synsets()[label].ilsvrc2012_id) for label in synsets.validation_labels()]
    for line, text in (changes or {}).items():
        numbers[line - 1] = text
    return "\n".join(numbers) + "\n"


def write_ground_truth(folder: Path, text: str, devkit: str = "") -> Path:
    """Writes it as it is, or inside of a development kit of that name."""
    path = folder / (devkit or GROUND_TRUTH)
    tar = drawing.tar([(f"ILSVRC2012_devkit_t12/data/{GROUND_TRUTH}", text.encode())])
    path.write_bytes(text.encode() if not devkit else gzip.compress(tar) if devkit.endswith("gz") else tar)
    return path


@pytest.mark.parametrize("suffix", [".tar.gz", ".tar", ""])
def test_development_kit_that_agrees_is_noted(archives, suffix):
    path = drawing.devkit(archives, suffix)
    index = index_images(find_layout([archives]))
    assert index.notes == (f"{path.name} agrees with the official labels in all 50,000 entries",)


@pytest.mark.parametrize("place", ["data", ".", "ILSVRC2012_devkit_t12/data"])
def test_ground_truth_is_found_in_its_usual_places(archives, place):
    (archives / place).mkdir(parents=True, exist_ok=True)
    write_ground_truth(archives / place, ground_truth())
    assert "agrees" in index_images(find_layout([archives])).notes[0]


def test_development_kit_beside_a_single_archive_is_read(archives):
    drawing.devkit(archives)
    index = index_images(find_layout([archives / "ILSVRC2012_img_val.tar"]))
    assert "ILSVRC2012_devkit_t12.tar.gz agrees" in index.notes[0]


@pytest.mark.parametrize("devkit", ["", "ILSVRC2012_devkit_t12.tar", "ILSVRC2012_devkit_t12.tar.gz"])
def test_development_kit_that_contradicts_names_the_first(archives, devkit):
    write_ground_truth(archives, ground_truth({1: "491", 50_000: "1"}), devkit)
    with pytest.raises(
        LabelError, match=r": 2 of 50,000 entries differ \(1: '491', not '490', 50000: '1', not '186'\)"
    ):
        index_images(find_layout([archives]))


@pytest.mark.parametrize(
    "text, message",
    [
        (ground_truth()[:1000], r"49,7.. of 50,000 entries are missing \(\d+, \d+, \d+ and 49,7"),  # the end is missing
        ("", ": 50,000 of 50,000 entries are missing .1, 2, 3 and 49,997 more"),
        (ground_truth() + "17\n", ": 1 entry is not official .50001: '17'."),
        (ground_truth({2: "9" * 5000}), r": 1 of 50,000 entries differs \(2: '9{40}', not '361'\)"),
        (ground_truth({2: "²"}), r"2: '\\xb2', not '361'"),
        (ground_truth({2: "\x1b[2J"}), r"2: '\\x1b\[2J', not '361'"),
    ],
    ids=["short", "empty", "long", "huge", "no digit", "escape"],
)
def test_damaged_ground_truth_is_an_error(tmp_path, text, message):
    with pytest.raises(LabelError, match=message):
        check_ground_truth(write_ground_truth(tmp_path, text))


@pytest.mark.parametrize("suffix", [".tar.gz", ".tar"])
def test_damaged_development_kit_is_an_error(tmp_path, suffix):
    data = drawing.devkit(tmp_path, suffix).read_bytes()
    path = tmp_path / f"ILSVRC2012_devkit_t12{suffix}"
    for cut in range(0, int(len(data) * 0.9), len(data) // 20):
        path.write_bytes(data[:cut])
        with pytest.raises((SourceError, LabelError), match="Get it again|get it again"):
            check_ground_truth(path)


@pytest.mark.slow
def test_development_kit_damaged_in_the_middle_is_an_error(tmp_path):
    path = drawing.devkit(tmp_path)
    data = path.read_bytes()
    for position in range(0, len(data) // 2, len(data) // 40):
        path.write_bytes(data[:position] + b"\xff" * 50 + data[position + 50 :])
        try:
            assert "agrees" in check_ground_truth(path)  # a time or an owner, in some header
        except (SourceError, LabelError) as error:
            assert str(path) in str(error)


@pytest.mark.parametrize("content", [b"<html>login</html>", b"", drawing.tar([("readme.txt", b"x")])])
def test_development_kit_that_is_none_is_an_error(tmp_path, content):
    path = tmp_path / "ILSVRC2012_devkit_t12.tar.gz"
    path.write_bytes(content)
    with pytest.raises(SourceError, match="devkit_t12.tar.gz (cannot be read: .*|holds no .*). Get it again, or"):
        check_ground_truth(path)


def edit(path: Path, old: str, new: str) -> Path:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1), newline="")
    return path


@pytest.mark.parametrize(
    "old, new, message",
    [
        (
            "val_00000002,n09",
            "val_00000002,n01",
            r": 1 of 50,000 entries differs \(ILSVRC2012_val_00000002: 'n01193705', not 'n09193705'\)",
        ),
        (
            "ILSVRC2012_val_00000002,n09193705",
            "x",
            r": 1 of 50,000 .* missing \(ILSVRC2012_val_00000002\); 1 entry is not official \(x 10 20 30 40: ''",
        ),
        (
            "ILSVRC2012_val_00000002,",
            "ILSVRC2012_val_00050002,",
            "missing .*_val_00000002.; 1 entry is not official .*_val_00050002: 'n09193705'",
        ),
        (
            "ILSVRC2012_val_00000002,",
            "\0" * 200_000,
            ": 1 of 50,000 entries is missing .*; 1 entry is not",
        ),  # more than Python's csv takes
    ],
)
def test_kaggles_table_that_contradicts_names_the_first(tmp_path, old, new, message):
    source = drawing.kaggle(tmp_path, drawing.miniature())
    edit(source / "LOC_val_solution.csv", old, new)
    with pytest.raises(LabelError, match=message):
        index_images(find_layout([source]))


@pytest.mark.parametrize("above", ["", "copy"])
def test_kaggles_table_counts_where_its_layout_begins_and_not_above(tmp_path, above):
    source, table = drawing.kaggle(tmp_path / above, drawing.miniature()), tmp_path / "LOC_val_solution.csv"
    os.replace(source / table.name, table)
    edit(table, "ILSVRC2012_val_00000002,n09193705", "ILSVRC2012_val_00000002,n01440764")
    layout = find_layout([source / "ILSVRC/Data/CLS-LOC"])
    if above:
        assert not any(table.name in note for note in index_images(layout).notes)
    else:
        with pytest.raises(LabelError, match=f"{table} contradicts"):
            index_images(layout)


def test_kaggles_table_may_have_been_saved_again(tmp_path):
    path = drawing.kaggle(tmp_path, drawing.miniature()) / "LOC_val_solution.csv"
    lines = ['"' + line.replace(",", '","') + '"\r\n' for line in path.read_text().splitlines()]
    path.write_bytes(b"\xef\xbb\xbf" + "".join(lines).encode())
    assert "agrees with the official labels in all 50,000" in check_solution(path)


def test_kaggles_table_cut_short_is_an_error(tmp_path):
    path = drawing.kaggle(tmp_path, drawing.miniature()) / "LOC_val_solution.csv"
    path.write_bytes(path.read_bytes()[:100_000])
    with pytest.raises(
        LabelError, match="contradicts .*: [\\d,]+ of 50,000 entries are missing .* or is damaged: get it again"
    ):
        check_solution(path)


@pytest.mark.parametrize("old, new", [("n01443537", "n01440764"), ("n01443537", "n99999999"), ("n01440764", "\xff\0")])
def test_kaggles_mapping_that_contradicts_is_an_error(tmp_path, old, new):
    path = edit(drawing.kaggle(tmp_path, drawing.miniature()) / "LOC_synset_mapping.txt", old, new)
    with pytest.raises(
        LabelError, match=r"LOC_synset_mapping.txt contradicts .*: 1 of 1,000 entries differs \([01]: '"
    ):
        check_synset_mapping(path)


@pytest.mark.parametrize("check", [check_ground_truth, check_solution, check_synset_mapping])
def test_second_source_that_cannot_be_read_is_an_error(tmp_path, check):
    (tmp_path / GROUND_TRUTH).mkdir()
    with pytest.raises(
        SourceError, match=f"{GROUND_TRUTH} cannot be read: Is a directory.*Or move it away to go without this check"
    ):
        check(tmp_path / GROUND_TRUTH)
