"""Fixtures that several test modules share."""

import drawing
import pytest


@pytest.fixture(scope="session")
def images() -> drawing.Images:
    """A miniature data set of three classes with the odd images of the real one."""
    return drawing.miniature()


@pytest.fixture
def archives(tmp_path, images):
    """The miniature as official archives."""
    return drawing.official_archives(tmp_path / "source", images)
