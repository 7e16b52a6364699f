"""Kaggle's tables and the ground truth, as people have saved them again; and what is none of them."""

import codecs
import os
import re
from pathlib import Path

import drawing
import pytest

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import LabelError, SourceError
from ilsvrc_tfds.sources import tables
from ilsvrc_tfds.sources.boxes import read_boxes
from ilsvrc_tfds.sources.label_tables import GROUND_TRUTH, check_ground_truth, check_solution, check_synset_mapping

SOLUTION, MAPPING = "LOC_val_solution.csv", "LOC_synset_mapping.txt"
TENCH = "n01440764"
BOXES = f"ImageId,PredictionString\n{TENCH}_10,{TENCH} 50 75 250 300 {TENCH} 0 0 500 375 \n{TENCH}_8,\n"


@pytest.fixture(scope="module")
def texts(tmp_path_factory) -> dict[str, str]:
    """Returns the tables as published, by name."""
    folder = tmp_path_factory.mktemp("published")
    drawing.kaggle(folder, drawing.miniature(train=1, val=1))
    drawing.devkit(folder, "")
    paths = {SOLUTION: SOLUTION, MAPPING: MAPPING, GROUND_TRUTH: f"ILSVRC2012_devkit_t12/data/{GROUND_TRUTH}"}
    return {name: (folder / path).read_text() for name, path in paths.items()}


CHECKS = {SOLUTION: check_solution, MAPPING: check_synset_mapping, GROUND_TRUTH: check_ground_truth}
COUNTS = {SOLUTION: "50,000", MAPPING: "1,000", GROUND_TRUTH: "50,000"}

ENCODINGS = {
    "utf-8": lambda text: text.encode(),
    "utf-8 with a mark": lambda text: codecs.BOM_UTF8 + text.encode(),
    "utf-16, little end first": lambda text: codecs.BOM_UTF16_LE + text.encode("utf-16-le"),
    "utf-16, big end first": lambda text: codecs.BOM_UTF16_BE + text.encode("utf-16-be"),
}
LINE_ENDS = {"LF": "\n", "CRLF": "\r\n", "CR": "\r", "blank lines": "\n \n\n"}


def quoted(text: str) -> str:
    return "\n".join(",".join(f'"{field}"' for field in line.split(",")) for line in text.splitlines()) + "\n"


def swapped(text: str) -> str:
    return "\n".join(",".join(line.split(",")[::-1]) for line in text.splitlines()) + "\n"


FORMS = {
    "as published": lambda text: text,
    "semicolons": lambda text: text.replace(",", ";"),
    "tabs": lambda text: text.replace(",", "\t"),
    "quoted": quoted,
    "without a header": lambda text: text.partition("\n")[2],
    "another header": lambda text: "image_id,label\n" + text.partition("\n")[2],
    "columns the other way round": swapped,
    "names with extensions": lambda text: re.sub(r"(?m)^([\w]+_\d+),", r"\1.JPEG,", text),
    "names with another extension": lambda text: re.sub(r"(?m)^([\w]+_\d+),", r"\1.jpg,", text),
    "another column": lambda text: text.replace(",", ",x,").replace("ImageId,x,", "ImageId,Usage,"),
}


def save(path: Path, text: str, encoding: str = "utf-8", line_end: str = "LF") -> Path:
    path.write_bytes(ENCODINGS[encoding](text.replace("\n", LINE_ENDS[line_end])))
    return path


@pytest.mark.parametrize(
    "encoding, line_end",
    [
        pytest.param(encoding, line_end, marks=pytest.mark.slow if "utf-8" != encoding and "LF" != line_end else ())
        for encoding in ENCODINGS
        for line_end in LINE_ENDS
    ],
)
@pytest.mark.parametrize("name", CHECKS)
def test_table_in_any_encoding_agrees(tmp_path, texts, name, encoding, line_end):
    path = save(tmp_path / name, texts[name], encoding, line_end)
    assert CHECKS[name](path) == f"{name} agrees with the official labels in all {COUNTS[name]} entries"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16, little end first"])
@pytest.mark.parametrize("form", FORMS)
def test_solution_in_any_form_agrees(tmp_path, texts, form, encoding):
    path = save(tmp_path / SOLUTION, FORMS[form](texts[SOLUTION]), encoding, "CRLF")
    assert "in all 50,000 entries" in check_solution(path)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "".join(f'"{line}"\n' for line in text.splitlines()),
        lambda text: "wnid,words\n" + text.replace(" ", ",", 1000),
        lambda text: text.replace(",", ";"),
        lambda text: "".join(line.replace(" ", "\t", 1) + "\n" for line in text.splitlines()),
    ],
    ids=["quoted", "with a header", "semicolons", "tabs"],
)
def test_mapping_in_any_form_agrees(tmp_path, texts, change):
    assert "in all 1,000 entries" in check_synset_mapping(save(tmp_path / MAPPING, change(texts[MAPPING])))


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\n", ",\n"),
        lambda text: text.replace("\n", ";"),
        lambda text: "ILSVRC2012_ID\n" + text,
    ],
    ids=["commas", "one line", "with a header"],
)
def test_ground_truth_in_any_form_agrees(tmp_path, texts, change):
    assert "in all 50,000 entries" in check_ground_truth(save(tmp_path / GROUND_TRUTH, change(texts[GROUND_TRUTH])))


NAMED = {
    "names": "ILSVRC2012_val_{:08d} {}\n",
    "names with extensions": "ILSVRC2012_val_{:08d}.JPEG {}\n",
    "paths": "val/ILSVRC2012_val_{:08d}.JPEG\t{}\n",
    "names behind the numbers": "{1},ILSVRC2012_val_{0:08d}.JPEG\n",
}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16, big end first"])
@pytest.mark.parametrize("form", NAMED)
def test_ground_truth_by_name_agrees_in_any_order(tmp_path, texts, form, encoding):
    lines = [NAMED[form].format(k, number) for k, number in enumerate(texts[GROUND_TRUTH].split(), 1)]
    text = "image label\n" + "".join(lines[::-1])
    assert "in all 50,000 entries" in check_ground_truth(save(tmp_path / GROUND_TRUTH, text, encoding))
    text = text.replace(NAMED[form].format(2, 361), NAMED[form].format(2, 1)).replace(lines[6], "")
    found = r"1 of 50,000 entries differs \(ILSVRC2012_val_00000002: '1', not '361'\); "
    found += r"1 of .* missing \(ILSVRC2012_val_00000007\)"
    with pytest.raises(LabelError, match=found):
        check_ground_truth(save(tmp_path / GROUND_TRUTH, text, encoding))


def test_entries_that_differ_are_missing_and_are_foreign_are_counted_apart(tmp_path, texts):
    lines = texts[SOLUTION].splitlines()
    lines[2:6] = ["ILSVRC2012_val_00000002.JPEG,n01440764 1 2 3 4", "mine.JPEG,n01440764", "ILSVRC2012_val_00099999,x"]
    found = (
        r"contradicts the official labels: 1 of 50,000 entries differs "
        r"\(ILSVRC2012_val_00000002: 'n01440764', not 'n09193705'\); 3 of 50,000 entries are missing "
        r"\(ILSVRC2012_val_00000003, ILSVRC2012_val_00000004, ILSVRC2012_val_00000005\); "
        r"2 entries are not official \(mine: 'n01440764', ILSVRC2012_val_00099999: 'x'\)\. It belongs"
    )
    with pytest.raises(LabelError, match=found):
        check_solution(save(tmp_path / SOLUTION, "\n".join(lines)))


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("line_end", ["LF", "CR"])
def test_boxes_in_any_form_are_those_published(tmp_path, form, encoding, line_end):
    published = read_boxes([save(tmp_path / "published.csv", BOXES)])
    assert read_boxes([save(tmp_path / "saved.csv", FORMS[form](BOXES), encoding, line_end)]) == published
    assert len(published) == 2 and len(published[b"n01440764_10"].corners) == 2


@pytest.mark.parametrize("form", FORMS)
def test_contradiction_is_seen_in_any_form(tmp_path, texts, form):
    text = texts[SOLUTION].replace("val_00000002,n09193705", "val_00000002,n01440764")
    with pytest.raises(
        LabelError, match=r": 1 of 50,000 entries differs \(ILSVRC2012_val_00000002: 'n01440764', not 'n09193705'\)"
    ):
        check_solution(save(tmp_path / SOLUTION, FORMS[form](text), "utf-16, big end first"))


@pytest.mark.parametrize("name", CHECKS)
def test_row_that_is_missing_is_seen_in_any_encoding(tmp_path, texts, name):
    lines = texts[name].splitlines()
    with pytest.raises(LabelError, match="contradicts the official labels"):
        CHECKS[name](save(tmp_path / name, "\n".join(lines[:500] + lines[501:]), "utf-16, little end first"))


NOT_TABLES = {
    "a spreadsheet": b"PK\3\4" + bytes(range(256)) * 20,
    "a web page": b"<!DOCTYPE html>\n<html><body>Please log in</body></html>\n",
    "utf-16 without a mark": ("ImageId,PredictionString\n" + f"ILSVRC2012_val_00000001,{TENCH}\n" * 9).encode(
        "utf-16-le"
    ),
    "bars": b"ImageId|PredictionString\nILSVRC2012_val_00000001|n01751748 1 2 3 4\n",
    "words": b"tench, Tinca tinca\ngoldfish, Carassius auratus\n",
    "nothing": b"",
}


@pytest.mark.parametrize("data", NOT_TABLES.values(), ids=NOT_TABLES)
@pytest.mark.parametrize("name", CHECKS)
def test_what_is_no_table_is_called_so(tmp_path, name, data):
    if (name, data) == (GROUND_TRUTH, b""):
        return  # 50,000 numbers are missing: see test_labels.py
    (tmp_path / name).write_bytes(data)
    begin = r"it begins with '.*'\. Save it again as CSV in UTF-8, get it again, or move it away to go without it\."
    with pytest.raises(SourceError, match=f"{name} is not a comma-separated UTF-8 table: {begin}") as caught:
        CHECKS[name](tmp_path / name)
    assert str(caught.value).isprintable() and len(str(caught.value)) < 500 + len(str(tmp_path))


@pytest.mark.parametrize("kind", ["a spreadsheet", "utf-16 without a mark", "bars"])
def test_boxes_that_are_no_table_are_called_so(tmp_path, kind):
    (tmp_path / "boxes.csv").write_bytes(NOT_TABLES[kind])
    with pytest.raises(SourceError, match="boxes.csv is not a comma-separated UTF-8 table: it begins with '"):
        read_boxes([tmp_path / "boxes.csv"])


def test_table_of_a_gigabyte_is_not_read(tmp_path):
    for name, check in CHECKS.items():
        (tmp_path / name).touch()
        os.truncate(tmp_path / name, 1 << 30)
        with pytest.raises(
            (SourceError, LabelError), match=f"{name} (has 1,073,741,824 bytes|is not a comma-separated)"
        ):
            check(tmp_path / name)


def test_table_of_too_many_lines_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "_MAX_LINES", 1000)
    with pytest.raises(SourceError, match="has over 1,000 lines"):
        check_solution(
            save(tmp_path / SOLUTION, "ImageId,PredictionString\n" + "ILSVRC2012_val_00000001,n01751748\n" * 1000)
        )


def test_official_labels_are_what_the_tables_say(tmp_path, texts):
    lines = texts[SOLUTION].splitlines()
    assert lines[1].startswith(f"ILSVRC2012_val_00000001,{synsets.wnids()[65]}")
