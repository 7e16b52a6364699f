"""What an installation of the package brings along."""

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "ilsvrc_tfds"
_FILES = (Path(folder, name) for folder, _, names in os.walk(PACKAGE, followlinks=True) for name in names)
NEEDED = sorted(str(path.relative_to(PACKAGE)) for path in _FILES if path.suffix not in (".py", ".pyc"))


def test_package_has_data():
    assert {"checksums/ilsvrc2012.tsv", "pages/frame.html", "training/evaluation_page.js"} < set(NEEDED)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The folder with the wheel and the sdist of this checkout."""
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    return out


def test_wheel_holds_the_data(built):
    names = zipfile.ZipFile(next(built.glob("*.whl"))).namelist()
    assert {f"ilsvrc_tfds/{name}" for name in NEEDED} <= set(names)
    assert not [name for name in names if name.startswith(("tests/", "benchmarks/"))]


def test_wheel_holds_every_module(built):
    names = zipfile.ZipFile(next(built.glob("*.whl"))).namelist()
    assert {str(path.relative_to(ROOT)) for path in (ROOT / "ilsvrc_tfds").rglob("*.py")} <= set(names)


def test_sdist_holds_the_data_and_all_tests(built):
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    tests = {
        str(path.relative_to(ROOT)) for path in (ROOT / "tests").rglob("*") if path.suffix != ".pyc" and path.is_file()
    }
    assert len(tests) > 80 and tests <= names
    assert {"docs/index.md", "docs/site/mkdocs.yml", "docs/images/contact-sheet.png"} <= names
    assert {"checksums/ilsvrc2012.tsv", "CONTRIBUTING.md", "LICENSE", "README.md", ".ci/run"} <= names
    assert {f"ilsvrc_tfds/{name}" for name in (*NEEDED[1:], "py.typed")} <= names
