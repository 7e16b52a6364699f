"""Runs the examples in docstrings. They name folders below `/data`, which a test replaces by a folder of its own."""

import doctest
import importlib.util
import pkgutil
import re
from pathlib import Path
from types import ModuleType

import drawing

import ilsvrc_tfds

# What TFDS prints after a preparation.
_TFDS_LINE = re.compile(r"(\x1b\[\d*m)*Dataset .* downloaded and prepared to .*\n")


class _Checker(doctest.OutputChecker):
    def check_output(self, want: str, got: str, optionflags: int) -> bool:
        return super().check_output(want, _TFDS_LINE.sub("", got), optionflags)


def add_data(folder: Path, *, exported: bool = False) -> Path:
    """Returns a folder with a miniature in `imagenet`, the prepared data set in `tfds`, and an export in `tfrecords`.

    Also a few images of ImageNet-A in `imagenet-a`.

    Args:
      folder: Folder to fill.
      exported: Whether `tfrecords` is wanted.
    """
    options = {"workers": 1, "allow_incomplete": True}
    source = drawing.official_archives(folder / "imagenet", drawing.miniature())
    ilsvrc_tfds.prepare(source, folder / "tfds", **options)
    drawing.few_of_imagenet_a(folder / "imagenet-a")
    if exported:
        ilsvrc_tfds.export(source, folder / "tfrecords", **options)
    return folder


def modules_of(package: ModuleType) -> list[str]:
    """Returns the names of the package and its modules that have examples, so that no new module is forgotten."""
    names = [found.name for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")]
    specs = map(importlib.util.find_spec, [package.__name__, *names])
    return [spec.name for spec in specs if ">>> " in Path(spec.origin).read_text()]


def run_examples(name: str, data: Path, monkeypatch) -> int:
    """Runs the examples of a module, asserts that all hold, and returns their number. `...` stands for any text.

    Args:
      name: Name of the module whose docstrings are searched.
      data: Folder that takes the place of `/data`.
      monkeypatch: pytest's fixture. Incomplete sources are allowed, and one worker is the default.
    """
    monkeypatch.setenv("ILSVRC2012_ALLOW_INCOMPLETE", "1")
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")
    runner, said = doctest.DocTestRunner(_Checker(), optionflags=doctest.ELLIPSIS), []
    for test in doctest.DocTestFinder().find(importlib.import_module(name)):
        for example in test.examples:
            example.source = example.source.replace("/data/", f"{data}/")
            example.want = example.want.replace("/data/", f"{data}/")
            example.exc_msg = example.exc_msg and example.exc_msg.replace("/data/", f"{data}/")
        runner.run(test, out=said.append)
    tried = runner.summarize(verbose=False)
    assert tried.failed == 0, "".join(said)
    return tried.attempted
