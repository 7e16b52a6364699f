"""The examples in the docstrings of this room."""

from pathlib import Path

import docexamples
import pytest

from ilsvrc_tfds.checks import (
    contact_sheet,
    doctor,
    report,
    samples,
    show,
    told,
    verify,
    verify_info,
    verify_record,
    verify_shard,
)

MODULES = [contact_sheet, doctor, report, samples, show, told, verify, verify_info, verify_record, verify_shard]


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return docexamples.add_data(tmp_path_factory.mktemp("data"), exported=True)


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_examples_hold(module, data, monkeypatch):
    assert docexamples.run_examples(module, data, monkeypatch) > 0
