"""The examples in the docstrings of `images` run, and every public name has one."""

import doctest
import importlib

import docexamples
import drawing
import pytest

from ilsvrc_tfds import images


@pytest.mark.parametrize("name", docexamples.modules_of(images))
def test_examples_run(name):
    module = importlib.import_module(name)
    globs = {**vars(images), **vars(module), "jpeg": drawing.jpeg(), "png": drawing.png(48, 36)}
    results = doctest.testmod(module, globs=globs)
    assert results.failed == 0 and results.attempted > 0


@pytest.mark.parametrize("name", ["Original", "Resized", "Untouched", "codec_versions", "describe_op", "look"])
def test_public_name_has_an_example(name):
    assert doctest.DocTestFinder(recurse=False).find(getattr(images, name), name)[0].examples
