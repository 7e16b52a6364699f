"""Compressed tars are decompressed once: what is listed is copied on the way, and nothing of it is left behind."""

import gzip
import os
import shutil
from collections import Counter
from pathlib import Path

import drawing
import forms
import pytest

import ilsvrc_tfds
from ilsvrc_tfds.errors import DestinationError, IlsvrcError, ImageError, IncompleteError, SourceError
from ilsvrc_tfds.outputs import data_set
from ilsvrc_tfds.runners import LocalRunner
from ilsvrc_tfds.shards import run
from ilsvrc_tfds.sources import copies, gzips, plain_copy
from ilsvrc_tfds.sources.spool_place import Spool
from ilsvrc_tfds.storage import space
from ilsvrc_tfds.terminal import units

KAGGLE = "imagenet_object_localization_patched2019.tar.gz"
SHARDS = {"train": 3, "val": 2}
PLAIN = {**forms.PLAIN, "num_shards": SHARDS}
ONCE = {f"train_images_{number}.tar.gz": 1 for number in range(5)} | {"val_images.tar.gz": 1}


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A folder with one miniature as archives, and as each of the compressed forms."""
    folder, images = tmp_path_factory.mktemp("made"), drawing.miniature()
    drawing.official_archives(folder / "archives", images)
    forms.hugging_face_archives(folder / "hf", images)
    (folder / "hf/data/test_images.tar.gz").unlink()
    (folder / "kaggle").mkdir()
    forms.compressed(forms.kaggle_tree(folder / "tree", images), folder / "kaggle" / KAGGLE)
    drawing.class_archives(folder / "classes", images)
    for path in (folder / "classes/train").iterdir():
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    return folder


@pytest.fixture
def source(made, tmp_path) -> Path:
    """Hugging Face's archives, which a test may change."""
    return Path(shutil.copytree(made / "hf", tmp_path / "source"))


@pytest.fixture
def read_whole(monkeypatch) -> Counter[str]:
    """How often each compressed tar was decompressed to its end, in this process."""
    counts: Counter[str] = Counter()

    class Counted(gzips.GzipStream):
        counted = False

        def close(self) -> None:
            super().close()
            if self.ended and not self.counted:
                counts[os.path.basename(self._path)] += 1
                self.counted = True

    monkeypatch.setattr(gzips, "GzipStream", Counted)
    return counts


def shards(folder: Path) -> dict[str, bytes]:
    """Returns the shards below a folder, by their path."""
    return {f"{path.relative_to(folder)}": path.read_bytes() for path in sorted(folder.rglob("*-of-*"))}


def left_in(*folders: Path) -> list[str]:
    """Returns what a run has left beside its results."""
    hidden = [path.name for folder in folders for path in folder.rglob(".*") if path.name != ".config"]  # TFDS's own
    return hidden + [path.name for folder in folders for path in folder.rglob("*.tar.gz.*")]


@pytest.mark.parametrize("name", ["hf", f"kaggle/{KAGGLE}", "classes"])
@pytest.mark.parametrize("scratch", [False, True])
def test_each_archive_is_decompressed_once(name, scratch, made, tmp_path, read_whole):
    options = {**PLAIN, "scratch": tmp_path / "scratch"} if scratch else PLAIN
    ilsvrc_tfds.prepare(made / name, tmp_path / "own", **options)
    assert read_whole and set(read_whole.values()) == {1}
    ilsvrc_tfds.prepare(made / "archives", tmp_path / "archives", **PLAIN)
    assert shards(tmp_path / "own") == shards(tmp_path / "archives")
    assert left_in(tmp_path) == [] and not (tmp_path / "scratch").exists()


def test_export_decompresses_once_too(made, tmp_path, read_whole):
    for name in ("hf", "archives"):
        ilsvrc_tfds.export(made / name, tmp_path / name, **{**PLAIN, "num_shards": {"train": 2, "val": 1}})
    assert read_whole == ONCE
    assert shards(tmp_path / "hf") == shards(tmp_path / "archives")
    assert left_in(tmp_path) == []


def test_all_configs_are_made_of_one_copy(made, tmp_path, read_whole):
    for name in ("hf", "archives"):
        ilsvrc_tfds.prepare_all(made / name, tmp_path / name, **PLAIN)
    assert read_whole == ONCE
    assert shards(tmp_path / "hf") == shards(tmp_path / "archives")
    assert left_in(tmp_path) == []


@pytest.mark.parametrize("scratch", [False, True])
def test_config_that_was_left_out_is_made_later(scratch, made, tmp_path):
    options = {**PLAIN, "scratch": tmp_path / "scratch"} if scratch else PLAIN
    ilsvrc_tfds.prepare_all(made / "archives", tmp_path / "archives", **PLAIN)
    ilsvrc_tfds.prepare(made / "archives", tmp_path / "own", **PLAIN, config="raw256")
    ilsvrc_tfds.prepare_all(made / "hf", tmp_path / "own", **options)
    assert shards(tmp_path / "own") == shards(tmp_path / "archives")
    assert left_in(tmp_path) == [] and not (tmp_path / "scratch").exists()


@pytest.mark.parametrize(
    "options",
    [
        {"config": "raw256"},
        {"max_examples": 2},
        {"classes": ["n01440764", "n01443537"], "name": "two"},
        {"images": ["n01440764_9.JPEG"], "name": "one"},
    ],
)
def test_what_needs_other_bytes_is_not_copied(options, made, tmp_path, monkeypatch):
    monkeypatch.setattr(plain_copy.Copy, "write", None)
    for name in ("hf", "archives"):
        ilsvrc_tfds.prepare(made / name, tmp_path / name, **{**forms.PLAIN, **options})
    assert shards(tmp_path / "hf") == shards(tmp_path / "archives")
    assert left_in(tmp_path) == []


def test_tree_is_not_copied_for_one_split(made, tmp_path, monkeypatch):
    monkeypatch.setattr(plain_copy.Copy, "write", None)
    for name in ("kaggle", "archives"):
        ilsvrc_tfds.prepare(made / name, tmp_path / name, **forms.PLAIN, splits=["val"])
    assert shards(tmp_path / "kaggle") == shards(tmp_path / "archives")


class _Killed(BaseException):
    """Stands for a signal: nothing catches it."""


def stop_before_shards(source: Path, data_dir: Path, **options) -> None:
    """Prepares until the first shard would be written."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data_set, "_write_files", _raise)
        with pytest.raises(_Killed):
            ilsvrc_tfds.prepare(source, data_dir, **{**PLAIN, **options})


def _raise(*arguments, **options):
    raise _Killed


@pytest.mark.parametrize("name", ["hf", f"kaggle/{KAGGLE}", "classes"])
def test_stopped_run_goes_on_with_the_finished_copies(name, made, tmp_path, read_whole):
    stop_before_shards(made / name, tmp_path / "own")
    assert set(read_whole.values()) == {1} and left_in(tmp_path / "own")
    ilsvrc_tfds.prepare(made / name, tmp_path / "own", **PLAIN)
    assert set(read_whole.values()) == {1}
    ilsvrc_tfds.prepare(made / "archives", tmp_path / "archives", **PLAIN)
    assert shards(tmp_path / "own") == shards(tmp_path / "archives")
    assert left_in(tmp_path) == []


@pytest.mark.parametrize("damage", ["byte", "cut", "receipt"])
def test_damaged_copy_is_written_again(damage, made, tmp_path, read_whole):
    stop_before_shards(made / "hf", tmp_path / "own")
    [copy] = (tmp_path / "own").rglob("train_images_2.tar.gz.*.tar")
    data = copy.read_bytes()
    if damage == "receipt":
        Path(f"{copy}.json").write_text("{}")
    else:
        copy.write_bytes(data[:-1] if damage == "cut" else data[:700] + bytes([data[700] ^ 1]) + data[701:])
    ilsvrc_tfds.prepare(made / "hf", tmp_path / "own", **PLAIN)
    assert read_whole == {**ONCE, "train_images_2.tar.gz": 2}
    ilsvrc_tfds.prepare(made / "archives", tmp_path / "archives", **PLAIN)
    assert shards(tmp_path / "own") == shards(tmp_path / "archives")


def test_copy_of_an_archive_that_was_replaced_is_not_used(source, tmp_path, read_whole):
    stop_before_shards(source, tmp_path / "own")
    path = source / "data/val_images.tar.gz"
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()), compresslevel=1))
    ilsvrc_tfds.prepare(source, tmp_path / "own", **PLAIN)
    assert read_whole["val_images.tar.gz"] == 2
    assert left_in(tmp_path / "own") == []


def test_refused_source_leaves_nothing(made, tmp_path):
    with pytest.raises(IncompleteError):
        ilsvrc_tfds.prepare(made / "hf", tmp_path / "own", workers=1, num_shards=SHARDS)
    assert left_in(tmp_path / "own") == []


def test_refused_source_keeps_what_an_earlier_run_has_made(made, tmp_path, read_whole):
    stop_before_shards(made / "hf", tmp_path / "own")
    with pytest.raises(IncompleteError):
        ilsvrc_tfds.prepare(made / "hf", tmp_path / "own", workers=1, num_shards=SHARDS)
    ilsvrc_tfds.prepare(made / "hf", tmp_path / "own", **PLAIN)
    assert read_whole == ONCE
    assert left_in(tmp_path / "own") == []


@pytest.mark.parametrize("workers", [1, 2])
def test_damaged_archive_leaves_nothing(workers, source, tmp_path):
    path = source / "data/train_images_3.tar.gz"
    data = bytearray(path.read_bytes())
    data[-6] ^= 1  # of the checksum
    path.write_bytes(data)
    with pytest.raises(SourceError, match="train_images_3.tar.gz is damaged or cut short"):
        ilsvrc_tfds.prepare(source, tmp_path / "own", **{**PLAIN, "workers": workers})
    assert left_in(tmp_path / "own") == []


def test_archive_that_changes_while_it_is_listed_is_refused(source, tmp_path, monkeypatch):
    path, stamp = source / "data/val_images.tar.gz", gzips.archive_stamp
    monkeypatch.setattr(gzips, "archive_stamp", lambda one: "1-1" if one == str(path) else stamp(one))
    with pytest.raises(SourceError, match="val_images.tar.gz has changed while it was listed"):
        ilsvrc_tfds.prepare(source, tmp_path / "own", **PLAIN)
    assert left_in(tmp_path / "own") == []


def test_room_is_looked_for_before_anything_is_decompressed(made, tmp_path, monkeypatch, read_whole):
    monkeypatch.setattr(space, "free_bytes", lambda folder: (64 << 20) + 1000)
    with pytest.raises(DestinationError, match=r"Too little room at .*spool.*: about .* are needed.*--scratch DIR"):
        ilsvrc_tfds.prepare(made / "hf", tmp_path / "own", **PLAIN)
    assert not read_whole and left_in(tmp_path / "own") == []


def test_error_of_the_writing_thread_is_told(made, tmp_path, monkeypatch):
    def full(self, pieces):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(plain_copy._Writer, "_write", full)
    with pytest.raises(DestinationError, match="No space left on device.*--scratch puts them elsewhere"):
        ilsvrc_tfds.prepare(made / "hf", tmp_path / "own", **PLAIN)
    assert left_in(tmp_path / "own") == []


@pytest.mark.parametrize("scratch", [False, True])
def test_refused_source_leaves_no_record_of_its_place(scratch, made, tmp_path):
    options = {"scratch": tmp_path / "scratch"} if scratch else {}
    for make, more in ((ilsvrc_tfds.prepare, {}), (ilsvrc_tfds.export, {"num_shards": {"train": 2, "val": 1}})):
        with pytest.raises(IncompleteError):
            make(made / "hf", tmp_path / "own", workers=1, **more, **options)
    assert left_in(tmp_path) == [] and not (tmp_path / "own/ilsvrc2012").exists()


def test_copies_of_replaced_archives_are_removed_first(source, tmp_path, monkeypatch):
    stop_before_shards(source, tmp_path / "own")
    before = {path.name for path in (tmp_path / "own").rglob("*.tar")}
    for path in source.rglob("*.gz"):
        os.utime(path, ns=(1, 1))
    there: list[set[str]] = []
    write = plain_copy.Copy.write

    def watched(self, *arguments):
        there.append({path.name for path in (tmp_path / "own").rglob("*.tar")})
        write(self, *arguments)

    monkeypatch.setattr(plain_copy.Copy, "write", watched)
    ilsvrc_tfds.prepare(source, tmp_path / "own", **PLAIN)
    assert before and len(there) == 6 and not any(names & before for names in there)


def test_lack_of_room_is_stated_for_all_archives(made, tmp_path, monkeypatch):
    needed = 2 * 1.03 * sum(path.stat().st_size for path in (made / "hf").rglob("*.gz"))
    monkeypatch.setattr(space, "free_bytes", lambda folder: (64 << 20) + int(0.9 * needed))
    with pytest.raises(DestinationError) as refused:
        ilsvrc_tfds.prepare(made / "hf", tmp_path / "own", **PLAIN)
    assert f"about {units.in_bytes(int(needed) + (64 << 20))} are needed" in str(refused.value)
    monkeypatch.setattr(space, "free_bytes", lambda folder: (64 << 20) + int(1.5 * needed))
    ilsvrc_tfds.prepare(made / "hf", tmp_path / "own", **PLAIN)


def test_room_for_what_is_made_already_is_not_needed_again(made, tmp_path, monkeypatch):
    bytes_of_images = sum(path.stat().st_size for path in (made / "hf").rglob("*.gz"))
    ilsvrc_tfds.prepare(made / "archives", tmp_path / "own", **PLAIN)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data_set, "_write_files", _raise)
        with pytest.raises(_Killed):
            ilsvrc_tfds.prepare_all(made / "hf", tmp_path / "own", **PLAIN, overwrite=True)
    # The copies are whole. What is left is two results: the originals, and raw256 with less.
    looked = []
    monkeypatch.setattr(copies, "require_space", lambda folder, needed, then: looked.append(needed / bytes_of_images))
    ilsvrc_tfds.prepare_all(made / "hf", tmp_path / "own", **PLAIN, overwrite=True)
    assert len(looked) == 1 and 1.03 < looked[0] < 1.03 * 1.5


def test_progress_of_decompressing_is_shown(made, tmp_path, monkeypatch):
    shown = []
    own = copies.progress
    monkeypatch.setattr(
        copies, "progress", lambda label, total, **options: shown.append((label, total)) or own(label, total, **options)
    )
    ilsvrc_tfds.prepare(made / "hf", tmp_path / "hf", **PLAIN)
    assert shown == [("decompress", sum(path.stat().st_size for path in (made / "hf").rglob("*.gz")))]


@pytest.mark.parametrize("name", ["hf", "classes"])
def test_message_names_the_archive_and_not_its_copy(name, tmp_path):
    images = drawing.miniature()
    images.train["n01440764"]["n01440764_11.JPEG"] = images.train["n01440764"]["n01440764_11.JPEG"][:-50]
    if name == "hf":
        source = forms.hugging_face_archives(tmp_path / "source", images)
        (source / "data/test_images.tar.gz").unlink()
    else:
        source = drawing.class_archives(tmp_path / "source", images)
        for path in (source / "train").iterdir():
            path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
            path.unlink()
    with pytest.raises(ImageError) as refused:
        ilsvrc_tfds.prepare(source, tmp_path / "own", **PLAIN)
    assert str(refused.value).startswith(f"{source}/") and ".tar.gz: train/n01440764" in str(refused.value)
    assert "staging" not in str(refused.value)


@pytest.mark.parametrize("zeros", [(1 << 20) - 1024, 1 << 20])
def test_copy_is_listed_as_the_archive_is(zeros, made, tmp_path):
    path = tmp_path / "val.tar.gz"
    content = gzip.decompress((made / "hf/data/val_images.tar.gz").read_bytes()).rstrip(b"\0")
    content += bytes(-len(content) % 512) + bytes(512 + zeros)
    path.write_bytes(gzip.compress(content))
    plain = tmp_path / "plain.tar"
    plain.write_bytes(content)
    outcomes = []
    for stream in (gzips.GzipStream(str(path)), gzips.ReadAhead(os.open(plain, os.O_RDONLY), 512)):
        try:
            outcomes.append(len(list(gzips.read_gzip_members(stream, "x"))))
        except SourceError as error:
            outcomes.append(str(error).partition(", but")[0])
    assert outcomes[0] == outcomes[1]


def test_damaged_images_are_skipped_as_those_of_archives(tmp_path):
    images = drawing.miniature()
    cut = images.train["n01440764"]["n01440764_11.JPEG"][:-50]
    images.train["n01440764"] |= {"n01440764_11.JPEG": cut, "n01440764_12.JPEG": b""}
    sources = {
        "hf": forms.hugging_face_archives(tmp_path / "source", images),
        "archives": drawing.official_archives(tmp_path / "archives", images),
    }
    (tmp_path / "source/data/test_images.tar.gz").unlink()
    for name, source in sources.items():
        ilsvrc_tfds.prepare(source, tmp_path / f"from {name}", **PLAIN, on_error="skip")
    assert shards(tmp_path / "from hf") == shards(tmp_path / "from archives")
    skipped = [ilsvrc_tfds.prepare(s, tmp_path / f"from {n}", **PLAIN, on_error="skip") for n, s in sources.items()]
    assert len({str(builder.info.metadata["skipped_images"]) for builder in skipped}) == 1


def test_other_run_in_the_folder_is_refused(made, tmp_path):
    spool = Spool(tmp_path / "own/ilsvrc2012/classification/1.0.0")
    with copies.spool_folder(spool), pytest.raises(DestinationError, match="Another run"):
        ilsvrc_tfds.prepare(made / "hf", tmp_path / "own", **PLAIN)


def test_nothing_is_copied_after_the_block(tmp_path):
    with LocalRunner(1) as runner:
        with pytest.raises(IlsvrcError), copies.keeping(Spool(tmp_path / "own"), None, runner):
            assert copies.of("/data/a.tar.gz", "1-1") is not None
            raise SourceError("It is refused.")
        assert copies.of("/data/a.tar.gz", "1-1") is None
    assert left_in(tmp_path) == []


def test_engine_of_the_user_spools_the_images_itself(made, tmp_path, monkeypatch):
    monkeypatch.setattr(plain_copy.Copy, "write", None)
    with LocalRunner(1) as engine:
        ilsvrc_tfds.prepare(made / "hf", tmp_path / "own", **PLAIN, runner=engine)
    ilsvrc_tfds.prepare(made / "archives", tmp_path / "archives", **PLAIN)
    assert shards(tmp_path / "own") == shards(tmp_path / "archives")


def test_run_that_fails_at_an_image_keeps_the_copies(made, tmp_path, read_whole, monkeypatch):
    finish = run.finish_shards
    monkeypatch.setattr(run, "finish_shards", _raise)
    with pytest.raises(_Killed):
        ilsvrc_tfds.prepare(made / "hf", tmp_path / "own", **PLAIN)
    monkeypatch.setattr(run, "finish_shards", finish)
    ilsvrc_tfds.prepare(made / "hf", tmp_path / "own", **PLAIN)
    assert read_whole == ONCE
    assert left_in(tmp_path / "own") == []
