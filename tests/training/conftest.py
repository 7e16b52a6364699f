"""What the tests of training share."""

import drawing
import pytest

import ilsvrc_tfds


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A prepared miniature: 60 images of train, 21 of val."""
    root = tmp_path_factory.mktemp("prepared")
    source = drawing.official_archives(root / "source", drawing.miniature(train=20, val=7))
    return ilsvrc_tfds.prepare(source, root / "data", config="raw256", workers=1, allow_incomplete=True).data_dir
