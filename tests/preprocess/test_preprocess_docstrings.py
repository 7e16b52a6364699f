"""The examples in the docstrings of `preprocess` run, and every op has one."""

import dataclasses
import doctest
import importlib
import pkgutil

import drawing
import pytest
import tensorflow as tf

from ilsvrc_tfds import preprocess

MODULES = ["", *(f".{module.name}" for module in pkgutil.iter_modules(preprocess.__path__))]
CALLABLES = [name for name in preprocess.__all__ if callable(getattr(preprocess, name))]


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name):
    jpeg = drawing.jpeg()
    names = {"dataclasses": dataclasses, "tf": tf, "jpeg": jpeg, "pixels": tf.io.decode_jpeg(jpeg)}
    module = importlib.import_module(preprocess.__name__ + name)
    globs = {**vars(preprocess), **vars(module), **names}
    assert doctest.testmod(module, globs=globs, optionflags=doctest.ELLIPSIS).failed == 0


@pytest.mark.parametrize("name", CALLABLES)
def test_public_name_has_an_example(name):
    assert doctest.DocTestFinder(recurse=False).find(getattr(preprocess, name), name)[0].examples
