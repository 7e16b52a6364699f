"""A data set with everything that a report should find, in several forms, and the report on each."""

from pathlib import Path

import drawing
import pytest
from report_sets import damaged_source, exported_with_boxes, odd_images

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
