"""Commands on terminals of some widths, with and without colours: what a person sees."""

import pseudo_terminal
import pytest

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("columns", [40, 60, 100])
def test_doctor_fits_the_terminal(archives, tmp_path, columns):
    words = ["-m", "ilsvrc_tfds.cli", "doctor", str(archives), "--data-dir", str(tmp_path)]
    status, written, seen = pseudo_terminal.run(columns, *words)
    assert status == 1
    report, _, _ = seen.partition("NOT READY: 4 problems")
    lines = [line for line in report.splitlines() if str(tmp_path) not in line]
    assert max(map(len, lines)) <= columns
    table = [line.split() for line in lines if line.startswith(("split", "train ", "val "))][:3]
    assert [row[:3] for row in table] == [
        ["split", "found", "official"],
        ["train", "12", "1,281,167"],
        ["val", "6", "50,000"],
    ]
    assert ("classes" in table[0]) == (columns > 40) and table[1][-1] == "incomplete"
    assert "\x1b[1;31mNOT READY: 4 problems\x1b[0m" in written


def test_no_color_and_a_dumb_terminal_get_plain_text(archives, tmp_path):
    words = ["-m", "ilsvrc_tfds.cli", "doctor", str(archives), "--data-dir", str(tmp_path)]
    for environment in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        status, written, _ = pseudo_terminal.run(80, *words, **environment)
        assert status == 1 and "NOT READY: 4 problems" in written
        assert "\x1b[3" not in written and "\x1b[1;3" not in written


def test_errors_are_broken_at_words(archives, tmp_path):
    words = ["-m", "ilsvrc_tfds.cli", "prepare", str(archives), "--data-dir", str(tmp_path)]
    status, _, seen = pseudo_terminal.run(60, *words)
    lines = [line for line in seen.splitlines() if str(tmp_path) not in line]
    assert status == 1 and max(map(len, lines)) <= 60
    assert " allow it: --allow-incomplete, allow_incomplete=True, or" in " ".join(map(str.strip, seen.splitlines()))


SLOWLY = """
import sys, time
from ilsvrc_tfds.cli import main
from ilsvrc_tfds.shards import encoders
encode = encoders.TfdsExample.__call__
def slowly(self, *arguments):
    time.sleep(0.1)
    return encode(self, *arguments)

encoders.TfdsExample.__call__ = slowly
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("columns", [40, 60, 100])
def test_bar_moves_within_a_shard_and_is_gone_at_the_end(archives, tmp_path, columns):
    words = [
        "prepare",
        str(archives),
        "--data-dir",
        str(tmp_path / "d"),
        "--allow-incomplete",
        "--num-shards",
        "train=1,val=1",
    ]
    status, written, seen = pseudo_terminal.run(columns, "-c", SLOWLY, *words)
    assert status == 0
    bars = [part for part in written.split("\x1b[2K") if "classification" in part and "%" in part]
    assert len(bars) > 2 and any("train" in bar for bar in bars)
    last = [bar for bar in bars if " left" in bar][-1]  # the first ones have room for more
    assert (columns >= 70) == ("━" in last)
    shown = seen.partition("classification/1.0.0:")[2]
    assert "tfds.load(" in shown and "%" not in seen
