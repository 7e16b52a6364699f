"""Files again. What the records hold is read with TFDS, the metadata with h5py, the images with Pillow."""

import functools
import hashlib
import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import drawing
import h5py
import pytest
import tensorflow_datasets as tfds
from PIL import Image

import ilsvrc_tfds
from ilsvrc_tfds import Ilsvrc2012Config, synsets
from ilsvrc_tfds.errors import DestinationError, IlsvrcError, OptionError, SourceError
from ilsvrc_tfds.formats.example import encode_example
from ilsvrc_tfds.formats.tfrecord import frame
from ilsvrc_tfds.outputs import unpack as unpacking
from ilsvrc_tfds.outputs.unpack import unpack
from ilsvrc_tfds.storage import space, staging

BESIDE = {"metadata.h5", "classes.txt", "unpacked.json"}
TENCH, GOLDFISH = drawing.WNIDS[:2]


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def images_in(folder: Path) -> dict[str, bytes]:
    return {name: data for name, data in files(folder).items() if name not in BESIDE}


def records(folder, split: str) -> list[dict]:
    decoders = {"image": tfds.decode.SkipDecoding()}
    return list(tfds.as_numpy(tfds.builder_from_directory(folder).as_dataset(split=split, decoders=decoders)))


def times(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    return drawing.official_archives(tmp_path_factory.mktemp("source"), drawing.miniature(test=3))


@pytest.fixture(scope="module")
def prepared(source, tmp_path_factory) -> Path:
    """raw256 of the miniature, in several shards."""
    options = {"config": "raw256", "workers": 1, "allow_incomplete": True, "num_shards": {"train": 4, "val": 2}}
    return Path(ilsvrc_tfds.prepare(source, tmp_path_factory.mktemp("data"), **options).data_dir)


def with_records(prepare, *examples: tuple[bytes, bytes, int], split: str = "train") -> Path:
    """Returns a prepared data set with these records in the place of a split's only shard; nothing there says otherwise."""
    folder = prepare(num_shards=1).data_path
    for name in ("manifest.json", "dataset_info.json"):
        Path(folder, name).unlink(missing_ok=True)
    data = b"".join(piece for example in examples for piece in frame(encode_example(*example)))
    Path(folder, f"ilsvrc2012-{split}.tfrecord-00000-of-00001").write_bytes(data)
    return Path(folder)


@pytest.mark.parametrize(
    "config, suffix",
    [("classification", ""), ("raw256", "256"), (Ilsvrc2012Config(name="raw40", shorter_side=40), "40")],
    ids=str,
)
def test_files_have_the_bytes_of_the_records(config, suffix, source, prepare, tmp_path):
    folder = prepare(source=source, config=config).data_dir
    expected = {}
    for split in ("train", "val", "test"):
        for record in records(folder, split):
            wnid = "" if split == "test" else f"{synsets.wnids()[record['label']]}/"
            expected[f"{split}{suffix}/{wnid}{record['file_name'].decode()}"] = record["image"]
    out = unpack(folder, tmp_path / "out", workers=1)
    assert out == tmp_path / "out" and images_in(out) == expected and len(expected) == 12 + 6 + 3
    assert set(os.listdir(out)) == {"train" + suffix, "val" + suffix, "test" + suffix, *BESIDE}
    assert ".out.staging" not in os.listdir(tmp_path)


@pytest.mark.slow
def test_classification_gives_the_source_back(prepare, images, tmp_path):
    found = images_in(unpack(prepare().data_dir, tmp_path / "out", workers=1))
    fixed = list(images.train[TENCH])[:2]  # a CMYK JPEG and a PNG
    for wnid, named in images.train.items():
        for name, data in named.items():
            assert (found[f"train/{wnid}/{name}"] == data) == (name not in fixed)
    for name, label in images.labels("val").items():
        assert found[f"val/{synsets.wnids()[label]}/{name}"] == images.val[name]


@pytest.mark.slow
def test_metadata_points_at_images_of_the_class(prepared, images, tmp_path):
    out = unpack(prepared, tmp_path / "out", workers=1)
    truth = {name: synsets.wnids()[label] for split in ("train", "val") for name, label in images.labels(split).items()}
    with h5py.File(out / "metadata.h5") as file:
        assert sorted(file) == ["train", "val"]
        for split, group in file.items():
            paths = [bytes(row).rstrip(b"\0").decode() for row in group["image_filenames"]]
            classes = [bytes(row).rstrip(b"\0").decode() for row in group["classes"]]
            assert paths and [row for row, _ in group["object_ids"]] == list(range(len(paths)))
            for path, (_, label) in zip(paths, group["object_ids"]):
                assert (
                    Path(path).parts[:2] == (f"{split}256", classes[label]) and truth[Path(path).name] == classes[label]
                )
                with Image.open(out / path) as image:
                    image.load()
                    assert min(image.size) == 256 and image.format == "JPEG"
            assert sorted(paths) == sorted(name for name in images_in(out) if name.startswith(split))


@pytest.mark.slow
def test_metadata_is_the_prepared_data_sets_but_for_the_paths(prepared, tmp_path):
    there = ilsvrc_tfds.metadata.read(prepared / "metadata.h5")
    for split, group in ilsvrc_tfds.metadata.read(
        unpack(prepared, tmp_path / "out", workers=1) / "metadata.h5"
    ).items():
        assert (group.object_ids == there[split].object_ids).all()
        assert [Path(path).name for path in group.image_filenames] == [
            Path(path).name for path in there[split].image_filenames
        ]


@pytest.mark.slow
def test_unpacked_classification_is_a_source_of_the_same_records(prepare, tmp_path):
    first = prepare(num_shards={"train": 3}).data_path
    out = unpack(first, tmp_path / "out", workers=1)
    second = prepare(source=out, data_dir=tmp_path / "again", num_shards={"train": 3}).data_path
    shards = [path.name for path in first.glob("*.tfrecord-*")]
    assert len(shards) == 4 and all((first / name).read_bytes() == (second / name).read_bytes() for name in shards)


@pytest.mark.slow
def test_two_workers_write_the_same_tree(prepared, tmp_path):
    one, two = (files(unpack(prepared, tmp_path / str(workers), workers=workers)) for workers in (1, 2))
    assert one == two and BESIDE < set(one)


def test_test_split_alone_has_no_metadata(prepare, tmp_path):
    tests = drawing.miniature(test=3).test
    folder = prepare(source=drawing.official_archives(tmp_path / "tests", drawing.Images({}, {}, tests))).data_dir
    for overwrite in (False, True):  # the mark is there all the same
        out = unpack(folder, tmp_path / "out", workers=1, overwrite=overwrite)
    assert images_in(out) == {f"test/{name}": data for name, data in tests.items()}
    assert set(os.listdir(out)) == {"test", "unpacked.json"}


# Continuing.


KILL_AFTER = """
import os, signal, sys
from ilsvrc_tfds import sources
from ilsvrc_tfds.outputs.unpack import unpack
read, count = sources.Reader.read, 0

def read_or_die(*arguments):
    global count
    count += 1
    if count > int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)
    return read(*arguments)

sources.Reader.read = read_or_die
unpack(sys.argv[1], sys.argv[2], workers=1)
"""


def kill_after(num_images: int, prepared: Path, out: Path) -> list[Path]:
    """Unpacks in another process, which is killed after so many images; returns the receipts of the finished shards."""
    command = [sys.executable, "-c", KILL_AFTER, str(prepared), str(out), str(num_images)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    return sorted(out.parent.glob(f".{out.name}.staging/*/*.json"))


@pytest.mark.slow
def test_killed_run_is_continued(prepared, tmp_path, caplog):
    out = tmp_path / "out"
    assert [path.name for path in kill_after(8, prepared, out)] == [
        "train-00000-of-00004.json",
        "train-00001-of-00004.json",
    ]
    assert not out.exists()
    before = {path: time for path, time in times(tmp_path).items() if "train256" in path.parts}
    assert len(before) == 8  # two shards of three images, and two images of the third
    with caplog.at_level("INFO"):
        unpack(prepared, out, workers=2)
    assert "the images of 2 of 7 shards are written already" in caplog.text
    assert files(out) == files(unpack(prepared, tmp_path / "whole", workers=1))
    after = {path.name: time for path, time in times(out).items()}
    assert sum(after[path.name] == time for path, time in before.items()) == 6  # not written again
    assert sorted(os.listdir(tmp_path)) == ["out", "whole"]


@pytest.mark.slow
def test_file_that_is_damaged_in_a_finished_shard_is_written_again(prepared, tmp_path):
    out = tmp_path / "out"
    kill_after(20, prepared, out)
    cut, gone, zeros, *_ = sorted(tmp_path.glob(".out.staging/*/files/train256/*/*"))
    os.truncate(cut, 100), gone.unlink()
    zeros.write_bytes(bytes(zeros.stat().st_size))  # as after a loss of power
    assert files(unpack(prepared, out, workers=1)) == files(unpack(prepared, tmp_path / "whole", workers=1))


@pytest.mark.slow
def test_changed_data_set_starts_anew(prepare, tmp_path, caplog):
    folder = prepare(num_shards={"train": 4}).data_path
    kill_after(8, folder, tmp_path / "out")
    prepare(num_shards={"train": 2}, overwrite=True)
    unpack(folder, tmp_path / "out", workers=1)
    assert "has changed since the last run was stopped: starting anew" in caplog.text
    assert len(images_in(tmp_path / "out")) == 18


@pytest.mark.slow
def test_full_disk_is_an_error_and_keeps_what_is_finished(prepared, tmp_path):
    sizes = sorted(len(data) for data in images_in(unpack(prepared, tmp_path / "whole", workers=1)).values())
    code = """
import resource, sys
from ilsvrc_tfds import errors
from ilsvrc_tfds.outputs.unpack import unpack
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), -1))
try:
    unpack(sys.argv[1], sys.argv[2], workers=1)
except errors.DestinationError as error:
    print(error)
"""
    command = [sys.executable, "-c", code, str(prepared), str(tmp_path / "out"), str(sizes[-1] - 1)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert "files cannot be written: File too large. The limit of a file's size is reached" in done.stdout, done.stderr
    assert not (tmp_path / "out").exists() and list(tmp_path.glob(".out.staging/*/*.json"))
    assert files(unpack(prepared, tmp_path / "out", workers=1)) == files(tmp_path / "whole")


def test_too_little_room_is_told_before_anything_is_written(prepared, tmp_path, monkeypatch):
    # 21 images of up to 30 KB, each in whole blocks; 64 MiB are kept free.
    monkeypatch.setattr(space, "free_bytes", lambda folder: (64 << 20) + 21 * 4096)
    with pytest.raises(DestinationError, match="Too little room at .*: about [0-9.]+ MB are needed"):
        unpack(prepared, tmp_path / "out", workers=1)
    assert os.listdir(tmp_path) == []


def test_second_run_on_one_destination_is_refused(prepared, tmp_path):
    with staging.claim(tmp_path / "out"):
        with pytest.raises(DestinationError, match=f"process {os.getpid()} on "):
            unpack(prepared, tmp_path / "out", workers=1)


# The destination.


@pytest.mark.slow
def test_folder_that_is_there_is_refused_without_overwrite_and_replaced_with(prepared, prepare, tmp_path):
    out = unpack(prepare().data_dir, tmp_path / "out", workers=1)
    before = files(out)
    with pytest.raises(
        DestinationError, match="out holds unpacked images, made of other .* Replace them with --overwrite"
    ):
        unpack(prepared, out, workers=1)
    assert files(out) == before
    unpack(prepared, out, workers=1, overwrite=True)
    assert {Path(name).parts[0] for name in images_in(out)} == {"train256", "val256", "test256"}
    assert not list(tmp_path.glob(".out*"))


@pytest.mark.slow
def test_overwrite_that_fails_keeps_what_was_there(prepared, prepare, tmp_path, monkeypatch):
    out = unpack(prepared, tmp_path / "out", workers=1)
    before = files(out)

    other, rename = prepare().data_dir, Path.rename

    def full(path, target):
        if path.name == "files":
            raise OSError(28, "No space left on device")
        return rename(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", full)
        with pytest.raises(DestinationError, match="out cannot be written: No space left on device"):
            unpack(other, out, workers=1, overwrite=True)
    assert files(out) == before
    assert "train" in os.listdir(unpack(other, out, workers=1, overwrite=True))  # from the files in staging
    assert not list(tmp_path.glob(".out*"))


STRANGERS = {
    "somebody's files": {"thesis.tex": b"years of work"},
    "a mark, and somebody's files": {"unpacked.json": b"{}", "train/a.JPEG": b"", "thesis.tex": b"years of work"},
    "a source with its metadata": {"train/n01440764/a.JPEG": b"image", "val/b.JPEG": b"image", "metadata.h5": b"HDF"},
    "hidden files": {".bashrc": b"alias"},
}


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("held", STRANGERS.values(), ids=STRANGERS)
def test_folder_of_others_is_never_replaced(held, overwrite, prepared, tmp_path):
    for name, data in held.items():
        (tmp_path / "out" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "out" / name).write_bytes(data)
    with pytest.raises(DestinationError, match="out is not empty and was not made by unpack: it h"):
        unpack(prepared, tmp_path / "out", workers=1, overwrite=overwrite)
    assert files(tmp_path) == {f"out/{name}": data for name, data in held.items()}


def test_prepared_data_set_is_not_replaced_by_its_own_images(prepared):
    before = files(prepared)
    with pytest.raises(DestinationError, match="is not empty and was not made by unpack"):
        unpack(prepared, prepared, workers=1, overwrite=True)
    assert files(prepared) == before


def test_file_is_no_destination(prepared, tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(DestinationError, match="out cannot be written: Not a directory"):
        unpack(prepared, tmp_path / "out", workers=1, overwrite=True)
    assert (tmp_path / "out").read_text() == "mine"


@pytest.mark.slow
def test_empty_folder_behind_a_link_is_filled(prepared, tmp_path):
    (tmp_path / "disk").mkdir(), (tmp_path / "link").symlink_to("disk")
    assert unpack(prepared, tmp_path / "link", workers=1) == tmp_path / "disk"
    assert (tmp_path / "link").is_symlink() and len(images_in(tmp_path / "disk")) == 21
    assert sorted(os.listdir(tmp_path)) == ["disk", "link"]


@pytest.mark.slow
def test_folder_moved_aside_by_a_killed_run_comes_back(prepared, tmp_path):
    unpack(prepared, tmp_path / "out", workers=1).rename(tmp_path / ".out.replaced")
    unpack(prepared, tmp_path / "out", workers=1)
    assert os.listdir(tmp_path) == ["out"] and len(images_in(tmp_path / "out")) == 21


@pytest.mark.slow
def test_files_put_there_meanwhile_are_kept(prepared, tmp_path, monkeypatch):
    describe = unpacking._describe

    def describe_slowly(*arguments):
        describe(*arguments)
        (tmp_path / "out").mkdir(), (tmp_path / "out/thesis.tex").write_text("years of work")

    monkeypatch.setattr(unpacking, "_describe", describe_slowly)
    with pytest.raises(DestinationError, match="out is not empty and was not made by unpack: it holds 'thesis.tex'"):
        unpack(prepared, tmp_path / "out", workers=1, overwrite=True)
    assert files(tmp_path / "out") == {"thesis.tex": b"years of work"}


def test_folder_that_cannot_be_written_is_a_destination_error(prepared, tmp_path, permissions_count):
    tmp_path.chmod(0o500)
    with pytest.raises(DestinationError, match="cannot be written: Permission denied"):
        unpack(prepared, tmp_path / "out", workers=1)


@pytest.mark.parametrize("options", [{"out": "gs://bucket/out"}, {"workers": 0}])
def test_impossible_options_are_refused(options, prepared, tmp_path):
    with pytest.raises(OptionError):
        unpack(prepared, **{"out": tmp_path / "out", **options})
    assert os.listdir(tmp_path) == []


# The records.


HOSTILE = [
    b"../escaped.JPEG", b"../../../../../../../../../../tmp/escaped.JPEG", b"/tmp/escaped.JPEG", b"a/b.JPEG", b"a\\b.JPEG",
    b".", b"..", b"", b"a\0b.JPEG", b"a\nb.JPEG", b"\x1b[31mred.JPEG", b"a\x7f.JPEG", "Büffel.JPEG".encode(), b"\xff.JPEG",
    b"a" * 251 + b".JPEG",
]  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_name_that_no_file_may_have_is_an_error(name, prepare, tmp_path):
    folder = with_records(prepare, (b"good.JPEG", b"image", 0), (name, b"image", 0))
    before = files(tmp_path)
    with pytest.raises(
        SourceError, match="train.tfrecord-00000-of-00001: record 1.* has (the )?file name .*ASCII"
    ) as error:
        unpack(folder, tmp_path / "below/out", workers=1)
    assert str(error.value).isprintable() and files(tmp_path) == before and not (tmp_path / "below").exists()


@pytest.mark.slow
def test_longest_name_and_odd_but_harmless_ones_are_files(prepare, tmp_path):
    names = [b"a" * 250 + b".JPEG", b"...JPEG", b"-rf *", b"metadata.h5", b".hidden", b"%2e%2e%2f"]
    folder = with_records(prepare, *((name, b"image", 0) for name in names))
    out = unpack(folder, tmp_path / "out", workers=1)
    assert sorted(os.listdir(out / "train" / TENCH)) == sorted(name.decode() for name in names)


@pytest.mark.slow
def test_name_that_comes_twice_in_a_class_is_an_error(prepare, tmp_path):
    twins = (b"b.JPEG", b"image", 0), (b"a.JPEG", b"1", 0), (b"a.JPEG", b"2", 1), (b"a.JPEG", b"3", 0)
    with pytest.raises(
        SourceError, match=rf": record 3 would be the same file as .*: record 1, train/{TENCH}/a.JPEG. Nothing"
    ):
        unpack(with_records(prepare, *twins), tmp_path / "out", workers=1)
    again = functools.partial(prepare, data_dir=tmp_path / "again")
    out = unpack(with_records(again, *twins[:3]), tmp_path / "out", workers=1)  # in two classes they are two files
    assert (out / "train" / TENCH / "a.JPEG").read_bytes() + (out / "train" / GOLDFISH / "a.JPEG").read_bytes() == b"12"


@pytest.mark.slow
@pytest.mark.parametrize("folds", [False, True])
def test_names_in_upper_and_lower_case_are_one_where_the_file_system_says_so(folds, prepare, tmp_path, monkeypatch):
    folder = with_records(prepare, (b"a.JPEG", b"1", 0), (b"A.jpeg", b"2", 0))
    monkeypatch.setattr(unpacking, "_folds_case", lambda folder: folds)  # no such file system is at hand
    if folds:
        with pytest.raises(
            SourceError, match="record 1 would be the same file as .* on this file system, which ignores case"
        ):
            unpack(folder, tmp_path / "out", workers=1)
        assert not (tmp_path / "out").exists() and not list(tmp_path.glob(".out*"))
    else:
        assert len(images_in(unpack(folder, tmp_path / "out", workers=1) / "train")) == 2


def test_this_file_system_tells_upper_from_lower_case(tmp_path):
    (tmp_path / "files").mkdir()
    assert not unpacking._folds_case(tmp_path / "files")
    (tmp_path / "FILES").mkdir()
    assert unpacking._folds_case(tmp_path / "files")


@pytest.mark.parametrize("label", [-2, -1, 1000, 32_767])
def test_label_that_is_no_class_is_an_error(label, prepare, tmp_path):
    with pytest.raises(IlsvrcError, match=f"00000-of-00001: record 1.* label {label}; expected "):
        unpack(with_records(prepare, (b"a.JPEG", b"", 0), (b"b.JPEG", b"", label)), tmp_path / "out", workers=1)


def test_damaged_record_is_named(prepare, tmp_path):
    folder = prepare(num_shards={"train": 2}).data_path
    path = Path(folder, "ilsvrc2012-train.tfrecord-00001-of-00002")
    data = bytearray(path.read_bytes())
    data[-100] ^= 1
    path.write_bytes(data)
    with pytest.raises(SourceError, match=f"{path}: record 5, byte [0-9,]+: its data does not match the checksum"):
        unpack(folder, tmp_path / "out", workers=1)
    assert not (tmp_path / "out").exists() and not list(tmp_path.glob(".out*"))


@pytest.mark.parametrize("split", ["train", "val"])
def test_split_without_records_is_an_error_and_not_left_out(split, prepare, tmp_path):
    with pytest.raises(SourceError, match=rf"ilsvrc2012-{split}.tfrecord-00000-of-00001 has no records"):
        unpack(with_records(prepare, split=split), tmp_path / "out", workers=1)
    assert not (tmp_path / "out").exists()


def test_export_and_other_formats_cannot_be_unpacked(archives, prepare, tmp_path):
    exported = ilsvrc_tfds.export(archives, tmp_path / "exported", workers=1, allow_incomplete=True)
    other = prepare(file_format="array_record").data_dir
    for folder, message in (
        (exported, "expected a prepared data set"),
        (other, "expected tfrecord"),
        (tmp_path, "no shards"),
    ):
        with pytest.raises(SourceError, match=message):
            unpack(folder, tmp_path / "out", workers=1)


# What became of the images.


@pytest.mark.slow
def test_without_a_manifest_tfds_metadata_tells_the_shorter_side(prepare, tmp_path):
    folder = prepare(config="raw256").data_path
    (folder / "manifest.json").unlink()
    assert (unpack(folder, tmp_path / "one", workers=1) / "train256").is_dir()
    (folder / "metadata.json").unlink()
    assert (unpack(folder, tmp_path / "two", workers=1) / "train").is_dir()


@pytest.mark.parametrize("side", ["../../escaped", "256", -1, 0, True, 256.0, None, 10**9])
def test_shorter_side_that_is_none_is_an_error(side, prepare, tmp_path):
    path = prepare().data_path / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"config": {"op": "Resized", "shorter_side": side}}))
    with pytest.raises(SourceError, match="said to have a shorter side of .* pixels"):
        unpack(path.parent, tmp_path / "out", workers=1)


@pytest.mark.slow
@pytest.mark.parametrize("text", ["", "[]", "{", '{"images": 3}'])
def test_metadata_of_tfds_that_makes_no_sense(text, prepare, tmp_path):
    folder = prepare().data_path
    (folder / "manifest.json").unlink()
    (folder / "metadata.json").write_text(text)
    if text.endswith("}"):  # it says nothing of the images
        assert (unpack(folder, tmp_path / "out", workers=1) / "train").is_dir()
    else:
        with pytest.raises(SourceError, match="metadata.json makes no sense"):
            unpack(folder, tmp_path / "out", workers=1)


@pytest.mark.slow
def test_mark_says_what_is_there(prepared, tmp_path):
    mark = json.loads((unpack(prepared, tmp_path / "out", workers=1) / "unpacked.json").read_text())
    assert len(mark.pop("made_of")["shards"]) == 32
    folders = {name: (tmp_path / "out" / name).rglob("*.JPEG") for name in ("train256", "val256", "test256")}
    assert mark.pop("bytes") == {name: sum(path.stat().st_size for path in paths) for name, paths in folders.items()}
    assert mark == {
        "format": 1,
        "images": {"op": "Resized", "shorter_side": 256, "quality": 95},
        "files": {"train256": 12, "val256": 6, "test256": 3},
    }


@pytest.mark.slow
def test_prepared_data_set_is_left_as_it_was(prepared, tmp_path):
    before = {name: hashlib.sha256(data).hexdigest() for name, data in files(prepared).items()}
    unpack(prepared, tmp_path / "out", workers=2)
    assert {name: hashlib.sha256(data).hexdigest() for name, data in files(prepared).items()} == before


@pytest.mark.slow
def test_unpacked_images_decode_as_the_source(prepare, images, tmp_path):
    out = unpack(prepare().data_dir, tmp_path / "out", workers=1)
    cmyk = next(iter(images.train[TENCH]))
    with Image.open(out / "train" / TENCH / cmyk) as fixed, Image.open(io.BytesIO(images.train[TENCH][cmyk])) as drawn:
        assert (fixed.mode, drawn.mode) == ("RGB", "CMYK") and fixed.size == drawn.size
