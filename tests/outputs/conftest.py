"""Sources that are compressed tars, how often they are decompressed, and a prepared set of several shards."""

import gzip
import os
import shutil
from collections import Counter
from pathlib import Path

import drawing
import forms
import pytest
from compressed_sources import KAGGLE

import ilsvrc_tfds
from ilsvrc_tfds.sources import gzips


@pytest.fixture(scope="module")
def compressed(tmp_path_factory) -> Path:
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
def hf_archives(compressed, tmp_path) -> Path:
    """Hugging Face's archives, which a test may change."""
    return Path(shutil.copytree(compressed / "hf", tmp_path / "source"))


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


@pytest.fixture(scope="module")
def miniature_archives(tmp_path_factory) -> Path:
    """A miniature with a test split, as official archives."""
    return drawing.official_archives(tmp_path_factory.mktemp("source"), drawing.miniature(test=3))


@pytest.fixture(scope="module")
def prepared(miniature_archives, tmp_path_factory) -> Path:
    """raw256 of that miniature, in several shards."""
    options = {"config": "raw256", "workers": 1, "allow_incomplete": True, "num_shards": {"train": 4, "val": 2}}
    return Path(ilsvrc_tfds.prepare(miniature_archives, tmp_path_factory.mktemp("data"), **options).data_dir)
