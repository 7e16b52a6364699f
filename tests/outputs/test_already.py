"""A finished command that is repeated does nothing and succeeds, if it is sure that it would make the same again."""

import json
import os
import shutil
from pathlib import Path

import drawing
import forms
import pytest

import ilsvrc_tfds
from ilsvrc_tfds.cli import main
from ilsvrc_tfds.errors import DestinationError
from ilsvrc_tfds.formats import manifest
from ilsvrc_tfds.outputs.metadata import write_metadata
from ilsvrc_tfds.sources import prepared

SHARDS = {"train": 2, "val": 1}
NAME = f"{drawing.WNIDS[1]}_9.JPEG"


def times(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in sorted(folder.rglob("*"))}


@pytest.fixture
def export(archives, tmp_path):
    def export_miniature(source=archives, out=tmp_path / "out", **options):
        options = {"workers": 1, "allow_incomplete": True, "num_shards": SHARDS, **options}
        return ilsvrc_tfds.export(source, out, **options)

    return export_miniature


@pytest.fixture
def set_folder(prepare) -> Path:
    return Path(prepare(num_shards=2).data_dir)


@pytest.fixture(autouse=True)
def say_all(caplog):
    caplog.set_level("INFO")


def is_kept(make, folder: Path, **options) -> None:
    """Asserts that a second call writes nothing."""
    before = times(folder)
    make(**options)
    assert times(folder) == before


def test_repeated_export_of_archives_is_kept_wherever_they_are_now(export, archives, tmp_path, caplog):
    out = export(config="raw256")
    is_kept(export, out, config="raw256")
    assert f"{out} is exported already" in caplog.text
    archives.rename(tmp_path / "moved")
    is_kept(export, out, config="raw256", source=tmp_path / "moved")
    (tmp_path / "moved").rename(archives)


@pytest.mark.parametrize(
    "options, difference",
    [
        ({"config": "raw256"}, "with images unchanged, not shorter side 256"),
        ({"label_offset": 0}, "with labels that begin at 1, not 0"),
        ({"num_shards": {"train": 3}}, "with (2 shards of train, not 3|1 shard of validation, not 6)"),
        ({"splits": ["val"], "num_shards": {"val": 1}}, "with splits train,validation, not validation"),
        ({"index": True}, "without indexes, which `ilsvrc-tfds index` writes"),
        ({"classes": drawing.WNIDS[:2]}, "all of ILSVRC2012, not a subset: 2 classes .*of other images than"),
    ],
)
def test_other_options_are_named(options, difference, export, set_folder):
    with pytest.raises(DestinationError, match=f"holds an export, made .*{difference}.* Replace it with --overwrite"):
        export()
        export(**options)
    if "config" not in options:
        with pytest.raises(DestinationError, match=f"made .*{difference.partition('.*of other')[0]}"):
            export(source=set_folder, overwrite=True)
            export(source=set_folder, **options)


def test_changed_source_is_named(export, archives, images, set_folder, tmp_path):
    out = export()
    more = drawing.Images({**images.train}, {**images.val, "ILSVRC2012_val_00000003.JPEG": drawing.jpeg()}, {})
    other = drawing.official_archives(tmp_path / "other", more)
    with pytest.raises(DestinationError, match=r"than the source has now \(val: 7 images now, 6 then\)"):
        export(source=other)
    name = next(iter(images.val))
    other = drawing.official_archives(
        tmp_path / "sizes", drawing.Images(images.train, {**images.val, name: drawing.jpeg(90)}, {})
    )
    with pytest.raises(DestinationError, match=r"\(val: other images, by name, label or size\)"):
        export(source=other)
    with pytest.raises(DestinationError, match="made of another source"):
        export(source=set_folder)
    described = json.loads((out / "manifest.json").read_text())
    for broken in (
        {},
        {"images": 1},
        {"images": {}},
        {"images": {"train": {}, "val": 1}},
        {"images": {"val": {"images": "x"}}},
    ):
        described["made_of"] = {"boxes": "00", **broken}
        (out / "manifest.json").write_text(json.dumps(described))
        with pytest.raises(DestinationError, match=r"than the source has now \(train: "):
            export()
    del described["made_of"]
    (out / "manifest.json").write_text(json.dumps(described))
    with pytest.raises(DestinationError, match="by a version that did not record of which images"):
        export()
    assert manifest.read(out).made_of == {}


def change_a_byte(path: Path, at: int = -30) -> None:
    """Changes a byte of a file, whose size stays the same, a second after all others were written."""
    data = bytearray(path.read_bytes())
    data[at] ^= 0x55
    path.write_bytes(data)
    later = path.stat().st_mtime_ns + 10**9
    os.utime(path, ns=(later, later))


def test_changed_byte_of_an_image_is_noticed(export, archives, images, tmp_path):
    folders = drawing.folders(tmp_path / "folders", images)
    image = next(folders.rglob("*.JPEG"))
    for source, path, at in ((archives, archives / "ILSVRC2012_img_val.tar", 900), (folders, image, -30)):
        out = export(source, tmp_path / f"out-{source.name}")
        change_a_byte(path, at)
        with pytest.raises(DestinationError, match=f"before files of the source were changed.*{path.name}"):
            export(source, out)


@pytest.mark.parametrize("made, last, is_changed", [(100.0, 100.9, False), (100.0, 101.0, True), (100.5, 100.6, True)])
def test_times_in_whole_seconds_may_be_rounded_down(made, last, is_changed, export, archives):
    """As S3's are: a source of the same second need not be newer."""
    out, train = export(), archives / "ILSVRC2012_img_train.tar"
    for path in archives.iterdir():
        os.utime(path, (last, last) if path == train else (1, 1))
    os.utime(out / "manifest.json", (made, made))
    if is_changed:
        with pytest.raises(DestinationError, match=f"made before files of the source were changed.*: {train}"):
            export()
    else:
        assert export() == out


def test_changed_byte_of_a_shard_is_noticed_and_a_copy_is_not(export, set_folder, tmp_path, caplog):
    out, files = export(source=set_folder), ilsvrc_tfds.unpack(set_folder, tmp_path / "files", workers=1)
    own = [folder / name for folder in (set_folder, out) for name in manifest_names(folder)]
    for path in own:
        later = path.stat().st_mtime_ns + 10**9
        os.utime(path, ns=(later, later))
    is_kept(export, out, source=set_folder)
    is_kept(lambda: ilsvrc_tfds.unpack(set_folder, files, workers=1), files)
    change_a_byte(out / "train-00001-of-00002")
    with pytest.raises(DestinationError, match="shards that were changed after they were made: train-00001-of-00002"):
        export(source=set_folder)
    shard = next(set_folder.glob("*train*"))
    change_a_byte(shard)
    for make in (lambda: export(source=set_folder), lambda: ilsvrc_tfds.unpack(set_folder, files, workers=1)):
        with pytest.raises(DestinationError, match=f"{set_folder} has shards that were changed .* {shard.name}"):
            make()


def manifest_names(folder: Path) -> list[str]:
    return [entry.name for shards in manifest.read(folder).shards.values() for entry in shards]


def test_shortened_file_of_an_unpacked_set_is_noticed(set_folder, tmp_path):
    out = ilsvrc_tfds.unpack(set_folder, tmp_path / "files", workers=1)
    path = next(out.rglob("*.JPEG"))
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DestinationError, match=r"with [\d,]+ bytes in train, which has [\d,]+ now"):
        ilsvrc_tfds.unpack(set_folder, out, workers=1)


def test_damaged_export_is_not_there_already(export):
    out = export()
    (out / "train-00001-of-00002").unlink()
    with pytest.raises(DestinationError, match="is not whole: train-00001-of-00002 is missing.* --overwrite"):
        export()


def test_repeated_export_of_a_prepared_set_reads_no_record(export, set_folder, prepare, monkeypatch):
    out = export(source=set_folder)
    monkeypatch.setattr(prepared, "scan", lambda job: 1 / 0)
    is_kept(export, out, source=set_folder)
    (set_folder / "manifest.json").rename(set_folder / "aside")
    with pytest.raises(ZeroDivisionError):
        export(source=set_folder)
    (set_folder / "aside").rename(set_folder / "manifest.json")
    monkeypatch.undo()
    prepare(num_shards=1, overwrite=True)
    with pytest.raises(DestinationError, match="made of other images than the source has now"):
        export(source=set_folder)


def test_repeated_export_of_parquet_compares_names_and_labels(images, export, tmp_path):
    source = forms.hugging_face(tmp_path / "hf", images, how="pyarrow")
    out = export(source=source)
    is_kept(export, out, source=source)
    shutil.rmtree(source)
    names = list(images.val)
    fewer = drawing.Images(images.train, {name: images.val[name] for name in names[:5]}, {})
    with pytest.raises(DestinationError, match=r"val: 5 images now, 6 then"):
        export(source=forms.hugging_face(tmp_path / "hf", fewer, how="pyarrow"))


def test_repeated_export_with_boxes_compares_them(export, tmp_path):
    boxes = tmp_path / "LOC_train_solution.csv"
    table = "ImageId,PredictionString\n{},{} 10 20 {} 60\n"
    boxes.write_text(table.format(NAME[:-5], drawing.WNIDS[1], 50))
    out = export(bbox=[boxes])
    is_kept(export, out, bbox=[boxes])
    boxes.write_text(table.format(NAME[:-5], drawing.WNIDS[1], 40))
    with pytest.raises(DestinationError, match="made with other bounding boxes"):
        export(bbox=[boxes])
    with pytest.raises(DestinationError, match="made with bounding boxes some, not none"):
        export()


def test_skipped_images_must_be_accepted_again_and_still_be_damaged(images, export, tmp_path):
    train = {**images.train, drawing.WNIDS[1]: {**images.train[drawing.WNIDS[1]], NAME: bytes(999)}}
    source = drawing.official_archives(tmp_path / "damaged", drawing.Images(train, images.val, {}))
    out = export(source=source, on_error="skip")
    is_kept(export, out, source=source, on_error="skip")
    with pytest.raises(DestinationError, match=f"without damaged images .{NAME}., which --on-error skip"):
        export(source=source)
    sound = drawing.jpeg()
    train[drawing.WNIDS[1]][NAME] = sound + bytes(999 - len(sound)) if len(sound) < 999 else sound
    drawing.official_archives(source, drawing.Images(train, images.val, {}))
    with pytest.raises(DestinationError, match=f"made .*without images that are sound now: {NAME}"):
        export(source=source, on_error="skip")


def test_repeated_unpack_is_kept_if_all_files_are_there(set_folder, prepare, tmp_path, caplog):
    out = tmp_path / "files"

    def unpack():
        return ilsvrc_tfds.unpack(set_folder, out, workers=1)

    unpack()
    is_kept(unpack, out)
    assert f"{out} is unpacked already" in caplog.text
    lost = next((out / "train").rglob("*.JPEG"))
    data = lost.read_bytes()
    lost.unlink()
    with pytest.raises(DestinationError, match="with 12 files in train, of which 1 is missing. Replace them with --ov"):
        unpack()
    lost.write_bytes(data)
    (out / "metadata.h5").rename(out / "aside")
    with pytest.raises(DestinationError, match="holds 'aside'"):
        unpack()
    (out / "aside").rename(tmp_path / "aside")
    with pytest.raises(DestinationError, match="metadata.h5, which is missing"):
        unpack()
    (tmp_path / "aside").rename(out / "metadata.h5")
    prepare(num_shards=1, overwrite=True)
    with pytest.raises(DestinationError, match="made of other images than the source has now"):
        unpack()


def test_repeated_index_is_kept_and_a_wrong_one_is_made_again(set_folder, tmp_path, caplog):
    for out in (None, tmp_path / "indexes"):
        paths = ilsvrc_tfds.index_records(set_folder, out=out, workers=1)
        caplog.clear()
        is_kept(lambda out: ilsvrc_tfds.index_records(set_folder, out=out, workers=1), paths[0].parent, out=out)
        assert "all indexes are there already" in caplog.text
        right = paths[1].read_text()
        paths[1].write_text(right.replace("0 ", "1 ", 1) if out is None else f"0 {sum(map(int, right.split()[-2:]))}\n")
        caplog.clear()
        ilsvrc_tfds.index_records(set_folder, out=out, workers=1)
        assert paths[1].read_text() == right and "already" not in caplog.text


def test_repeated_alias_is_kept(set_folder, caplog):
    out = ilsvrc_tfds.alias(set_folder)
    is_kept(lambda: ilsvrc_tfds.alias(set_folder), out)
    assert f"{out} is an alias of {set_folder} already" in caplog.text
    (out / "features.json").write_text("{}")
    caplog.clear()
    ilsvrc_tfds.alias(set_folder)
    assert (out / "features.json").read_bytes() == (set_folder / "features.json").read_bytes()
    assert "already" not in caplog.text


def test_repeated_metadata_is_kept_and_another_is_not_replaced(archives, images, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")
    out = tmp_path / "metadata.h5"
    words = ["metadata", str(archives), "--out", str(out)]
    assert main(words) == 0
    before = out.stat().st_mtime_ns
    assert main(words) == 0 and out.stat().st_mtime_ns == before
    assert main([*words, "--image-root", "/data"]) == 1
    text = capsys.readouterr().err
    assert "has other paths of train: train/" in text and ", not /data/train/" in text and "--overwrite" in text
    fewer = drawing.Images(images.train, dict(list(images.val.items())[:5]), {})
    other = drawing.official_archives(tmp_path / "fewer", fewer)
    with pytest.raises(DestinationError, match="has 6 images of val, not 5. Replace it with --overwrite"):
        write_metadata(other, out, workers=1)
    assert main([*words, "--image-root", "/data", "--overwrite"]) == 0
    assert ilsvrc_tfds.metadata.read(out)["val"].image_filenames[0].startswith("/data/")
    out.write_text("notes")
    with pytest.raises(DestinationError, match="and is not the metadata of ILSVRC2012"):
        write_metadata(archives, out, workers=1)
    assert out.read_text() == "notes" and sorted(os.listdir(tmp_path)) == ["fewer", "metadata.h5", "source"]
