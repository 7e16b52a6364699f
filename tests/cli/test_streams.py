"""Commands whose standard output or error is closed, full, or has ASCII alone: real processes, started by a shell."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import ilsvrc_tfds
from ilsvrc_tfds.cli import main, streams

pytestmark = pytest.mark.slow

# Runs several commands, each with its standard output on the device if one is named, and writes down their statuses.
COMMANDS = """
import json, os, sys
from ilsvrc_tfds.cli import main
_, commands, statuses, device = sys.argv
found = {}
for name, words in json.loads(commands).items():
    if device:
        os.dup2(os.open(device, os.O_WRONLY), 1)
    found[name] = main(words)
with open(statuses, "w") as file:
    json.dump(found, file)
"""
MAKERS = ("prepare", "unpack", "export", "metadata", "index", "sheet")


@pytest.fixture
def commands(archives, prepare, tmp_path) -> dict[str, list[str]]:
    """A command line of each kind; `doctor` finds that the miniature is incomplete."""
    folder, out = str(prepare(data_dir=tmp_path / "prepared").data_path), str(tmp_path / "out")
    words = {
        "prepare": f"prepare {archives} --data-dir {out}-data --allow-incomplete --num-shards train=3 --workers 2",
        "unpack": f"unpack {folder} --out {out}-files --workers 1",
        "export": f"export {archives} --out {out}-records --allow-incomplete --workers 1",
        "metadata": f"metadata {archives} --out {out}.h5 --workers 2",
        "index": f"index {folder} --workers 1",
        "sheet": f"show {folder} --num 1 --out {out}.png",
        "verify": f"verify {folder} --workers 1",
        "show": f"show {folder}",
        "doctor": f"doctor {archives} --workers 1",
    }
    return {name: text.split() for name, text in words.items()}


def run(redirection: str, *words, **environment) -> subprocess.CompletedProcess:
    """Runs Python as a shell does whose line ends with a redirection."""
    line = ["sh", "-c", f'exec "$0" "$@" {redirection}', sys.executable, *words]
    return subprocess.run(line, capture_output=True, text=True, env={**os.environ, **environment}, errors="replace")


def require_made(tmp_path: Path) -> None:
    """What the commands make is whole."""
    for folder in ("out-data/ilsvrc2012/classification/1.0.0", "out-records"):
        assert ilsvrc_tfds.verify(tmp_path / folder, workers=1).problems == ()
    assert (tmp_path / "out.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "out-files/unpacked.json").exists() and set(ilsvrc_tfds.metadata.read(tmp_path / "out.h5")) == {
        "train",
        "val",
    }


@pytest.mark.parametrize("redirection", [">&-", "2>&-", "<&- >&- 2>&-", "2>/dev/full"])
def test_closed_streams_change_no_status(redirection, commands, tmp_path):
    done = run(redirection, "-c", COMMANDS, json.dumps(commands), tmp_path / "statuses", "")
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr[-2000:]
    statuses = json.loads((tmp_path / "statuses").read_text())
    assert statuses == {**dict.fromkeys(commands, 0), "doctor": 1}
    require_made(tmp_path)


def test_full_device_fails_only_what_was_asked_for_nothing_else(commands, tmp_path):
    bench = [*f"bench {commands['show'][1]} --split val --batch-size 2 --seconds 0.01 --ops resnet_eval".split()]
    figures, demo = tmp_path / "figures.json", tmp_path / "demo"
    commands |= {
        "figures": [*bench, "--json", str(figures)],
        "demo": ["demo", str(demo), "--workers", "1"],
        "bench": bench,
    }
    makers = (*MAKERS, "figures", "demo")
    done = run("", "-c", COMMANDS, json.dumps(commands), tmp_path / "statuses", "/dev/full")
    assert "Traceback" not in done.stderr
    assert json.loads((tmp_path / "statuses").read_text()) == {name: int(name not in makers) for name in commands}
    begin = "ilsvrc-tfds: Standard output cannot be written: No space left on device."
    assert done.stderr.count(f"{begin} Everything else is finished.\n") == len(makers)
    assert done.stderr.count(f"{begin} Send it elsewhere.\n") == len(commands) - len(makers)
    require_made(tmp_path)
    assert json.loads(figures.read_text())["split"] == "val"
    assert ilsvrc_tfds.verify(demo / "data/ilsvrc2012/raw256/1.0.0", workers=1).problems == ()


@pytest.mark.parametrize("words, status", [(["--help"], 1), (["show"], 1), (["sheet"], 0), (["index"], 0)])
def test_status_of_the_process_is_that_of_the_command(words, status, commands):
    done = run(">/dev/full", "-m", "ilsvrc_tfds.cli", *commands.get(words[0], words), PYTHONUNBUFFERED="")
    assert done.returncode == status and done.stderr.startswith(
        "ilsvrc-tfds: Standard output cannot be written: No space left"
    )
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_reader_that_has_gone_is_told_by_the_status_alone(unbuffered, commands, tmp_path):
    line = [sys.executable, "-m", "ilsvrc_tfds.cli", *commands["prepare"]]
    with subprocess.Popen(
        line,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
    ) as process:
        process.stdout.close()
        assert "cannot be written" not in process.stderr.read()
    assert (
        process.returncode == 141 and (tmp_path / "out-data/ilsvrc2012/classification/1.0.0/dataset_info.json").exists()
    )


@pytest.mark.parametrize("encoding", ["ascii", "ascii:surrogateescape"])
def test_ascii_gets_replaced_letters(encoding, commands, tmp_path):
    source = commands["metadata"][1]
    commands["umlaut"] = ["metadata", source, "--out", str(tmp_path / "\xfc.h5"), "--workers", "1"]
    done = run("", "-c", COMMANDS, json.dumps(commands), tmp_path / "statuses", "", PYTHONIOENCODING=encoding)
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr[-2000:]
    assert r"/\xfc.h5: " in done.stdout and r'ilsvrc_tfds.metadata.read("' in done.stderr
    require_made(tmp_path)


def test_bytes_of_a_path_that_are_no_text_are_printed_as_they_are(prepare, tmp_path, capfdbinary, monkeypatch):
    folder = prepare().data_path
    out = os.fsencode(tmp_path) + b"/\xff"
    capfdbinary.readouterr()
    with open(1, "w", encoding="utf-8", closefd=False) as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        assert main(["unpack", str(folder), "--out", os.fsdecode(out), "--workers", "1"]) == 0
    assert capfdbinary.readouterr().out.startswith(out + b": 12 images in train, 6 in val\n")


def test_closed_descriptor_is_not_given_to_the_next_file():
    code = (
        "import os; os.close(2); from ilsvrc_tfds.cli import streams; streams.make_usable(); "
        "print(os.open('/', os.O_RDONLY))"
    )
    assert int(run("", "-c", code).stdout) > 2


def test_streams_are_left_as_they_are_where_they_are_not_pythons_own(monkeypatch):
    monkeypatch.setattr(sys, "stdout", stream := object())
    streams.make_usable()
    assert sys.stdout is stream
