"""Which module imports which, read from the source; and what an import loads."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import ilsvrc_tfds

PACKAGE = Path(ilsvrc_tfds.__file__).parent

# Each room, and the rooms that it may import. README.md has the same table for people.
MAY_IMPORT = {
    "errors": set(),
    "synsets": {"errors"},
    "places": {"errors"},
    "destination": {"errors"},
    "sources": {"errors", "synsets", "places"},
    "images": {"errors"},
    "framing": {"errors"},
    "records": {"errors"},
    "boxes": {"errors", "synsets", "sources"},
    "classic": {"errors", "synsets", "images", "records", "boxes"},
    "manifest": {"errors", "synsets", "destination"},
    "runners": {"errors", "destination"},
    "plan": {"errors", "synsets", "sources"},
    "metadata": {"errors", "synsets", "destination", "sources"},
    "shards": {"errors", "destination", "sources", "framing", "records", "plan"},
    "locks": {"errors"},
    "staging": {"errors", "destination", "locks", "shards"},
    "jobs": {"errors", "images", "runners", "plan", "shards", "staging"},
    "preparation": {
        "errors", "synsets", "sources", "images", "records", "plan", "manifest", "metadata", "shards", "staging", "jobs",
        "runners"
    },
    "dataset_info": {"errors", "destination", "outputs"},
    "builder": {
        "errors", "synsets", "places", "destination", "sources", "images", "runners", "shards", "staging", "preparation",
        "outputs", "dataset_info"
    },
    "comparison": {"errors", "sources", "plan", "metadata"},
    "datasets": {"errors", "places", "sources", "runners", "shards", "preparation", "builder", "outputs", "comparison"},
    "outputs": {"errors", "synsets", "places", "manifest"},
    "prepared": {"errors", "synsets", "sources", "framing", "records", "manifest", "outputs"},
    "record_index": {"destination", "framing", "runners", "outputs"},
    "exports": {
        "errors", "places", "sources", "images", "boxes", "classic", "manifest", "runners", "plan", "shards", "staging",
        "jobs", "preparation", "outputs", "prepared", "record_index"
    },
    "image_folders": {"errors", "synsets", "destination", "sources"},
    "unpacking": {
        "errors", "synsets", "places", "destination", "sources", "runners", "plan", "metadata", "shards", "staging",
        "jobs", "outputs", "prepared", "image_folders"
    },
    "display": {"errors", "synsets", "destination", "sources", "images", "framing", "records", "outputs"},
    "verification": {
        "errors", "synsets", "places", "destination", "sources", "images", "framing", "records", "classic", "manifest", "runners",
        "plan", "metadata", "shards", "outputs"
    },
    "preprocess": {"errors", "synsets"},
    "pipeline": {
        "errors", "synsets", "places", "framing", "records", "manifest", "plan", "metadata", "outputs", "record_index",
        "preprocess"
    },
    "recipe": {"errors"},
    "training": {"errors", "synsets", "places", "destination", "staging", "preprocess", "pipeline", "recipe"},
    "stages": {"errors", "preprocess", "pipeline"},
    "doctor": {"errors", "synsets", "sources", "images", "runners", "plan", "staging"},
    "demo": {"errors", "synsets", "destination"},
}  # fmt: skip


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_room_imports_only_what_it_may(room):
    assert _imported_rooms(room) <= MAY_IMPORT[room] | {room}


def test_every_room_is_in_the_table():
    rooms = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert rooms - {"__init__", "cli", "data"} == set(MAY_IMPORT)


def test_table_has_no_circle():
    left = dict(MAY_IMPORT)
    while left:
        free = [room for room, needs in left.items() if not needs & left.keys()]
        assert free, f"a circle among {sorted(left)}"
        left = {room: needs for room, needs in left.items() if room not in free}


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.name)
def test_module_is_short(path):
    assert len(path.read_text().splitlines()) <= 300


# Engines hand jobs and results from one of the run's own processes to another; Beam's by way of files.
READERS = sorted(set(PACKAGE.rglob("*.py")) - set((PACKAGE / "runners").iterdir()))


@pytest.mark.parametrize("path", READERS, ids=lambda path: path.name)
def test_module_unpickles_nothing(path):
    assert not re.search(r"\b(pickle|marshal|shelve|yaml|eval|exec)\b", path.read_text())


@pytest.mark.parametrize("module", ["ilsvrc_tfds", "ilsvrc_tfds.shards.writer", "ilsvrc_tfds.cli"])
def test_import_loads_nothing_heavy(module):
    heavy = ["tensorflow", "keras", "h5py", "apache_beam", "dask", "distributed", "tensorflow_datasets.testing"]
    code = f"import sys, {module}; print([name for name in {heavy} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_import_registers_the_builder():
    code = "import ilsvrc_tfds, tensorflow_datasets as tfds; print('ilsvrc2012' in tfds.list_builders())"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "True"


@pytest.mark.parametrize("module", [ilsvrc_tfds, ilsvrc_tfds.sources, ilsvrc_tfds.images], ids=lambda module: module.__name__)
def test_public_names_are_there(module):
    assert all(hasattr(module, name) for name in module.__all__)


def _imported_rooms(room: str) -> set[str]:
    """Returns the rooms of this package that a room's modules import, anywhere in their code."""
    paths = [PACKAGE / f"{room}.py"] if (PACKAGE / f"{room}.py").exists() else (PACKAGE / room).glob("*.py")
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
