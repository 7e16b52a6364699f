"""The examples in the docstrings of `images` run, and every public name has one."""

import doctest

import drawing
import pytest

from ilsvrc_tfds import images
from ilsvrc_tfds.images import head, ops, pixels, png


@pytest.mark.parametrize("module", [head, ops, pixels, png], ids=lambda module: module.__name__)
def test_examples_run(module):
    globs = {**vars(images), **vars(module), "jpeg": drawing.jpeg(), "png": drawing.png(48, 36)}
    results = doctest.testmod(module, globs=globs)
    assert results.failed == 0 and results.attempted > 0


@pytest.mark.parametrize("name", ["Original", "Resized", "Untouched", "codec_versions", "describe_op", "look"])
def test_public_name_has_an_example(name):
    assert doctest.DocTestFinder(recurse=False).find(getattr(images, name), name)[0].examples
