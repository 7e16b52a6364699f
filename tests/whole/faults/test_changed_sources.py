"""A source that is changed, cut or taken away while a run reads it: never a mixture, and as before once it is back."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import Run, own_line

pytestmark = pytest.mark.slow


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def change(path: Path) -> None:
    with open(path, "r+b") as file:
        file.seek(path.stat().st_size // 3)
        file.write(os.urandom(path.stat().st_size // 3))


def disturb_source(run: Run, disturb: Callable[[Path], None], moment: float, wait, copy: Callable) -> Run:
    """Disturbs a copy of the source at a moment of a run, and puts it back with `copy`."""
    own = Run(run.kind, shutil.copytree(run.source, run.out.parent / "source"), run.out)
    process = own.start()
    wait(own, moment)
    file = own.source / run.file.name
    disturb(file)
    status, _, errors = own.ended(process)
    if not own.destination.exists():
        assert status == 1 and own_line(errors).startswith(f"ilsvrc-tfds: {own.source}")
    copy(run.file, file)
    return own


@pytest.mark.moments(count=3, quick=["classification"])
def test_source_that_is_cut(run, moment, wait, continues):
    continues(disturb_source(run, cut, moment, wait, shutil.copy2), "source cut")


@pytest.mark.moments(count=3, quick=["export"])
def test_source_that_is_changed_in_place(run, moment, wait, continues):
    continues(disturb_source(run, change, moment, wait, shutil.copy2), "source changed, and back as it was")


@pytest.mark.moments(count=3, quick=["unpack"])
def test_source_that_is_removed_and_copied_anew(run, moment, wait, continues):
    continues(disturb_source(run, os.unlink, moment, wait, shutil.copy), "source removed, and got again")
