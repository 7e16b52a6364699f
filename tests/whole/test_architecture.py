"""Which module imports which, read from the source; and what an import loads."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import ilsvrc_tfds

PACKAGE = Path(ilsvrc_tfds.__file__).parent

CONTRIBUTING = Path(__file__).parents[2] / "CONTRIBUTING.md"
# From the top to the bottom of the house: a room may import those below it.
ROOMS = re.findall(r"^\| `(\w+)` \|", CONTRIBUTING.read_text(), re.M)
WRITING = {"checks", "outputs", "shards", "sources"}


@pytest.mark.parametrize("room", ROOMS)
def test_imports_point_down(room):
    below = set(ROOMS[ROOMS.index(room) + 1 :])
    if room in ("training", "pipeline", "preprocess"):
        below -= WRITING
    assert _imported_rooms(room) <= below | {room}


def test_every_room_is_in_the_list():
    rooms = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert rooms - {"__init__", "__main__", "checksums", "data"} == set(ROOMS)


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.name)
def test_module_is_short(path):
    assert len(path.read_text().splitlines()) <= 300


# Engines hand jobs and results from one of the run's own processes to another; Beam's by way of files.
READERS = sorted(set(PACKAGE.rglob("*.py")) - set((PACKAGE / "runners").iterdir()))


@pytest.mark.parametrize("path", READERS, ids=lambda path: path.name)
def test_module_unpickles_nothing(path):
    assert not re.search(r"\b(pickle|marshal|shelve|yaml|eval|exec)\b", path.read_text())


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.name)
def test_dataclasses_are_frozen(path):
    """So no function can change the values of its caller. TFDS's base class is not frozen, so its children cannot be."""
    for node in ast.walk(ast.parse(path.read_text())):
        marks = [mark for mark in getattr(node, "decorator_list", ()) if "dataclass" in ast.unparse(mark)]
        if marks and "tfds.core.BuilderConfig" not in map(ast.unparse, node.bases):
            assert "frozen=True" in ast.unparse(marks[0])


def test_import_loads_nothing_heavy():
    light = ["cli", *ROOMS[ROOMS.index("preprocess") + 1 :]]
    modules = [
        _dotted(path)
        for path in sorted(PACKAGE.rglob("*.py"))
        if _dotted(path).partition(".")[2].split(".")[0] in light
    ]
    heavy = [
        "tensorflow",
        "keras",
        "h5py",
        "apache_beam",
        "dask",
        "distributed",
        "pyarrow",
        "tensorflow_datasets.testing",
    ]
    code = f"import sys, {', '.join(modules)}; print([name for name in {heavy} if name in sys.modules])"
    assert len(modules) > 50
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )


@pytest.mark.slow
def test_import_registers_the_builder():
    code = "import ilsvrc_tfds, tensorflow_datasets as tfds; print('ilsvrc2012' in tfds.list_builders())"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
        == "True"
    )


@pytest.mark.parametrize(
    "module", [ilsvrc_tfds, ilsvrc_tfds.sources, ilsvrc_tfds.images], ids=lambda module: module.__name__
)
def test_public_names_are_there(module):
    assert all(hasattr(module, name) for name in module.__all__)


def _dotted(path: Path) -> str:
    return (
        ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
        .removesuffix(".__init__")
        .replace(".__main__", "")
    )


def _imported_rooms(room: str) -> set[str]:
    """Returns the rooms of this package that a room's modules import, anywhere in their code."""
    paths = [PACKAGE / f"{room}.py"] if (PACKAGE / f"{room}.py").exists() else (PACKAGE / room).rglob("*.py")
    found = set()
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module == "ilsvrc_tfds":
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("ilsvrc_tfds."):
                found.add(node.module.split(".")[1])
            elif isinstance(node, ast.Import):
                found |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("ilsvrc_tfds.")}
    return found
