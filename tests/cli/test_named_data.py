"""The three ways of naming a data set, which every command takes: a name, a data directory, and the folder."""

import os
import shlex
import shutil
from pathlib import Path

import drawing
import pytest

import ilsvrc_tfds
from ilsvrc_tfds.cli import main
from ilsvrc_tfds.errors import DestinationError, OptionError, SourceError
from ilsvrc_tfds.formats.data_sets import folder_of
from ilsvrc_tfds.outputs.exported_source import source_of


@pytest.fixture(autouse=True)
def one_core(monkeypatch):
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A data directory with one data set."""
    folder = tmp_path_factory.mktemp("named")
    source = drawing.official_archives(folder / "source", drawing.miniature())
    options = {"workers": 1, "allow_incomplete": True, "sync": False}
    ilsvrc_tfds.prepare(source, folder / "data", config="raw256", **options)
    return folder / "data"


@pytest.fixture
def data_dir(made, tmp_path, monkeypatch) -> Path:
    """A copy of it, called `ilsvrc2012 data`, beside the current folder. TFDS's own data directory is empty."""
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "nothing"))
    copy = shutil.copytree(made, tmp_path / "ilsvrc2012 data")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return copy


def forms(data_dir: Path) -> list[list[str]]:
    """Returns the words for the data set, in each way in which it may be named."""
    Path("link").symlink_to(data_dir)
    relative = os.path.relpath(data_dir)
    return [
        ["ilsvrc2012/raw256", "--data-dir", str(data_dir)],
        ["ilsvrc2012/raw256:1.0.0", "--data-dir", relative],
        [str(data_dir)],
        [f"{relative}/"],
        ["link"],
        [str(data_dir / "ilsvrc2012")],
        [f"{data_dir}/ilsvrc2012/raw256/"],
        [str(data_dir / "ilsvrc2012/raw256/1.0.0")],
        [f"{relative}/ilsvrc2012/../ilsvrc2012/raw256/1.0.0/"],
    ]


def test_every_form_is_the_same_folder(data_dir):
    folder = data_dir / "ilsvrc2012/raw256/1.0.0"
    for data, *options in forms(data_dir):
        found = folder_of(data, options[-1] if options else None)
        assert found.samefile(folder) and ".." not in found.parts
        assert source_of(data, options[-1] if options else None).samefile(folder)


@pytest.mark.slow
def test_every_command_takes_every_form(data_dir, tmp_path, capsys):
    said = {}
    for number, words in enumerate(forms(data_dir)):
        out = [str(tmp_path / f"{command}-{number}") for command in ("export", "unpack")]
        for command in (
            ["verify"], ["show", "--num", "1"], ["index"], ["alias"], ["unpack", "--out", out[1]],
            ["export", "--out", out[0], "--allow-incomplete"],
        ):  # fmt: skip
            assert main([command[0], *words, *command[1:]]) == 0, (command, words)
            text = capsys.readouterr().out
            for path in (*out, "link", os.path.realpath("link"), str(data_dir)):
                text = text.replace(path, "PATH")
            said.setdefault(command[0], set()).add(text.replace("PATH is an alias", ""))
        assert ".." not in "".join(map(str, said.values()))
    for command in ("verify", "show", "alias"):
        assert len(said[command]) == 1, said[command]


def test_several_data_sets_are_listed_as_lines_to_copy(data_dir, capsys):
    shutil.copytree(data_dir / "ilsvrc2012/raw256", data_dir / "ilsvrc2012/raw256-b")
    for command in (["verify"], ["show"], ["index"], ["unpack", "--out", "x"], ["export", "--out", "x"]):
        for folder in (data_dir, data_dir / "ilsvrc2012"):
            assert main([command[0], str(folder), *command[1:]]) == 1
            first, *lines = capsys.readouterr().err.splitlines()
            assert first == f"ilsvrc-tfds: {folder} has 2 data sets. Name one of them:"
            for line in lines:
                (word,) = shlex.split(line)
                assert main(["show", word, "--num", "1"]) == 0
            capsys.readouterr()
    assert ilsvrc_tfds.alias(data_dir, config="raw256-b").is_dir()
    assert folder_of(data_dir / "ilsvrc2012/raw256-b") == data_dir / "ilsvrc2012/raw256-b/1.0.0"
    with pytest.raises(OptionError, match="has 2 data sets"):
        source_of(data_dir)  # the alias is not a third one, nor the one that is meant


def test_part_of_a_name_and_a_missing_version_say_what_is_there(data_dir, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(data_dir))
    there = data_dir / "ilsvrc2012/raw256/1.0.0"
    for wrong in ("raw256", "ilsvrc2012/raw256/", "ilsvrc2012/raw256/1.0.0"):
        if wrong.count("/") == 1:
            assert folder_of(wrong.rstrip("/")) == there
        with pytest.raises(SourceError, match=f"{wrong.rstrip('/')} is not a folder. .* Or name it {there}\\."):
            folder_of(wrong)
    with pytest.raises(SourceError, match="raw256/1.0.1 is not a folder"):
        folder_of("ilsvrc2012/raw256:1.0.1")
    with pytest.raises(OptionError, match="'ilsvrc2012/raw25' is not in .*: there is raw256"):
        folder_of("ilsvrc2012/raw25")


def test_links_that_lead_nowhere_and_the_folder_of_an_alias(data_dir):
    Path("broken").symlink_to("gone"), Path("loop").symlink_to("loop")
    with pytest.raises(SourceError, match="broken is a link to gone, which does not exist. Correct or remove the link"):
        folder_of("broken")
    with pytest.raises(SourceError, match="loop cannot be read: .*Links lead in a circle"):
        folder_of("loop")
    with pytest.raises(
        DestinationError, match="^loop cannot be written: Too many levels of symbolic links. Links lead"
    ):
        ilsvrc_tfds.export(data_dir, "loop")
    alias = ilsvrc_tfds.alias(data_dir)
    assert folder_of(alias.parent) == folder_of("imagenet2012", data_dir) == alias
    shutil.rmtree(data_dir / "ilsvrc2012")
    with pytest.raises(SourceError, match="is an alias of .*raw256/1.0.0, which is not a prepared data set"):
        ilsvrc_tfds.verify("imagenet2012", data_dir=data_dir)


def test_paths_are_said_without_dots(data_dir, capsys):
    words = ["export", f"../here/../{data_dir.name}", "--out", "../here/../out", "--num-shards", "train=1"]
    for _ in range(2):
        assert main(words) == 0
    assert main([*words, "--label-offset", "0"]) == 1
    assert main(["metadata", str(data_dir.parent / "here/../nowhere"), "--out", "../here/m.h5"]) == 1
    assert main(["index", "../here/../out", "--out", "../here/../indexes"]) == 0
    said = capsys.readouterr()
    assert ".." not in said.out + said.err and "indexes" in said.out


def test_folder_with_the_name_of_a_data_set_is_a_source_of_images(data_dir, monkeypatch):
    drawing.official_archives(Path("ilsvrc2012"), drawing.miniature())
    assert source_of("ilsvrc2012") == Path("ilsvrc2012")
    with pytest.raises(OptionError, match="'ilsvrc2012/raw25' is not in"):
        source_of("ilsvrc2012/raw25")
    assert source_of("ilsvrc2012/raw256", data_dir) == data_dir / "ilsvrc2012/raw256/1.0.0"
    Path("ilsvrc2012/raw256").mkdir()
    monkeypatch.setenv("TFDS_DATA_DIR", str(data_dir))
    with pytest.raises(
        OptionError, match="is a folder here, and the name of the data set .* Write ./ilsvrc2012/raw256"
    ):
        source_of("ilsvrc2012/raw256")
    assert source_of("./ilsvrc2012") == source_of(Path("ilsvrc2012")) == Path("ilsvrc2012")


def test_images_in_a_data_directory_are_the_source(data_dir):
    drawing.official_archives(data_dir / "ilsvrc2012", drawing.miniature())
    assert source_of(data_dir) == data_dir
    assert folder_of(data_dir) == data_dir / "ilsvrc2012/raw256/1.0.0"
