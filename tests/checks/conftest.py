"""A data set with everything that a report should find, in several forms, and the report on each; and whole sets to be
damaged."""

import shutil
from pathlib import Path

import drawing
import pytest
from report_sets import damaged_source, exported_with_boxes, odd_images
from set_faults import COUNTS, Set

import ilsvrc_tfds
from ilsvrc_tfds.checks.report.report import report
from ilsvrc_tfds.checks.report.values import Report


@pytest.fixture(scope="session")
def pictures() -> drawing.Images:
    return odd_images()


@pytest.fixture(scope="session")
def source(pictures, tmp_path_factory) -> Path:
    return drawing.folders(tmp_path_factory.mktemp("source"), pictures)


@pytest.fixture(scope="session")
def damaged(pictures, tmp_path_factory) -> Path:
    return damaged_source(tmp_path_factory.mktemp("damaged"), pictures)


@pytest.fixture(scope="session")
def prepared(source, tmp_path_factory) -> Path:
    options = {"workers": 1, "allow_incomplete": True, "num_shards": {"train": 3, "val": 2}}
    return Path(ilsvrc_tfds.prepare(source, tmp_path_factory.mktemp("data"), **options).data_dir)


@pytest.fixture(scope="session")
def exported(source, tmp_path_factory) -> Path:
    return exported_with_boxes(source, tmp_path_factory.mktemp("exported"))


@pytest.fixture(scope="session")
def of_source(source) -> Report:
    return report(source, workers=1)


@pytest.fixture(scope="session")
def of_damaged(damaged) -> Report:
    return report(damaged, workers=1)


@pytest.fixture(scope="session")
def of_prepared(prepared) -> Report:
    return report(prepared, workers=1)


@pytest.fixture(scope="session")
def of_exported(exported) -> Report:
    return report(exported, workers=1)


@pytest.fixture(scope="session")
def whole(tmp_path_factory) -> dict[str, Set]:
    """A whole prepared set and a whole export, with boxes."""
    folder = tmp_path_factory.mktemp("whole")
    source = drawing.official_archives(folder / "source", drawing.miniature(train=16, val=4))
    options = {"workers": 1, "allow_incomplete": True, "num_shards": COUNTS}
    prepared = ilsvrc_tfds.prepare(source, folder / "data", **options)
    raw = ilsvrc_tfds.prepare(source, folder / "data", config="raw256", **options)
    boxes = folder / "LOC_train_solution.csv"
    names = [f"{drawing.WNIDS[1]}_{k}" for k in range(9, 25)]
    rows = "".join(f"{name},{drawing.WNIDS[1]} 10 0 20 30 {drawing.WNIDS[1]} 1 2 3 4 \n" for name in names)
    boxes.write_text(f"ImageId,PredictionString\n{rows}")
    exported = ilsvrc_tfds.export(source, folder / "out", bbox=[boxes], **options)
    return {
        "prepared": Set("tfds", Path(prepared.data_dir)),
        "raw256": Set("tfds", Path(raw.data_dir)),
        "exported": Set("classic", exported),
    }


@pytest.fixture
def copy_of(whole, tmp_path):
    """Copies a whole set, with its manifest or without."""

    def copied(name: str, with_manifest: bool = True) -> Set:
        folder = shutil.copytree(whole[name].folder, tmp_path / "copy")
        if not with_manifest:
            (folder / "manifest.json").unlink()
        return Set(whole[name].kind, folder)

    return copied
