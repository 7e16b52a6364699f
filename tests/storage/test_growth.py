from pathlib import Path

import pytest

from ilsvrc_tfds.storage.growth import Growth


@pytest.fixture
def growth(tmp_path):
    found = Growth(tmp_path)
    assert found.expect(str(tmp_path / "a"), 100, 1_000) and found.expect(str(tmp_path / "b"), 100, 1_000)
    return found


def test_sizes_of_finished_files_correct_what_is_expected_of_others(growth, tmp_path):
    (tmp_path / "b.0.partial").write_bytes(bytes(200))
    assert growth.amount() == 20
    growth.finish(str(tmp_path / "a"), 500)  # half of what was expected
    assert growth.amount() == 140


def test_file_counts_as_finished_with_its_receipt_alone(growth, tmp_path):
    (tmp_path / "a").write_bytes(bytes(1_000))
    assert growth.amount() == 0 and growth.first() == "a"
    (tmp_path / "a.json").touch()
    assert growth.amount() == 100 and growth.first() == "b"


def test_strange_files_and_a_folder_that_is_gone_count_nothing(growth, tmp_path):
    (tmp_path / "c.0.partial").write_bytes(bytes(500))
    assert growth.amount() == 0
    assert Growth(Path(tmp_path, "gone")).amount() == 0
