"""Power failures: no order of writes in which a destination says that it is whole before it is, and the next run makes it whole."""

import dataclasses
import json
import random
import shutil
from pathlib import Path

import drawing
import pytest
from commands import KINDS, Run
from power import Disk, State, read_tree, recorded, write_tree

import ilsvrc_tfds
from ilsvrc_tfds.cli import main
from ilsvrc_tfds.errors import InterruptedRun
from ilsvrc_tfds.storage import staging

pytestmark = pytest.mark.slow

MARKS = {**dict.fromkeys(KINDS, "dataset_info.json"), "export": "manifest.json", "unpack": "unpacked.json"}
# Of a row of changes of one kind (1000 folders of classes are made) the first is a moment, and then every so many.
STRIDE = 500


@dataclasses.dataclass(frozen=True)
class Trace:
    """A command that ran to its end.

    Attributes:
      run: The command.
      before: What was there at its beginning.
      events: Its changes.
      after: What was there at its end.
      synced: Whether the bytes of what was there at its beginning were on disk.
    """

    run: Run
    before: State
    events: list[tuple]
    after: State
    synced: bool = True

    def states(self) -> list[State]:
        """Returns what power failures at all moments may leave, each once."""
        disk, found, last = Disk(self.before, synced=self.synced), {}, ""
        for number, event in enumerate(self.events):
            disk.apply(event)
            if event[0] != last or number % STRIDE == 0:
                found |= {hash(frozenset(state.items())): state for state in disk.after_power_failure()}
            last = event[0]
        assert disk.files().keys() == self.after.keys()  # the record is whole
        return list(found.values())

    def at(self, state: State, folder: Path) -> State:
        """Returns what is below a folder, by the paths in it."""
        prefix = f"{folder.relative_to(self.run.out)}/"
        return {path.removeprefix(prefix): data for path, data in state.items() if path.startswith(prefix)}

    def is_sound(self, state: State) -> bool:
        """Returns whether the destination says that it is whole only if it is, and older data is there until then."""
        target = self.run.destination
        there, older, newer = (self.at(tree, target) for tree in (state, self.before, self.after))
        if MARKS[self.run.kind] in there:
            return there in (older, newer)
        aside = self.at(state, target.with_name(f".{target.name}.replaced"))
        return not older or not there and aside == older


@pytest.fixture(scope="session")
def few_archives(tmp_path_factory) -> Path:
    return drawing.official_archives(tmp_path_factory.mktemp("few"), drawing.miniature(train=2, val=1))


@pytest.fixture(scope="session")
def few_prepared(few_archives, tmp_path_factory) -> Path:
    options = {"workers": 1, "allow_incomplete": True, "num_shards": {"train": 3, "val": 3}}
    return Path(ilsvrc_tfds.prepare(few_archives, tmp_path_factory.mktemp("few-prepared"), **options).data_dir)


@pytest.fixture
def trace(few_archives, few_prepared, tmp_path, monkeypatch):
    """`trace(kind, overwrite=False, *words)`, a command that is recorded; with `overwrite` it replaces data that differs."""

    def run_recorded(kind: str, overwrite: bool = False, *words: str, status: int = 0) -> Trace:
        out = (tmp_path / "out").resolve()
        out.mkdir()
        run = Run(
            kind, few_prepared if kind == "unpack" else few_archives, out, workers=1, shards=3, overwrite=overwrite
        )
        if overwrite:
            assert main([*dataclasses.replace(run, overwrite=False, shards=2).words, *words]) == 0
            for mark in run.destination.glob("unpack*.json"):
                # `unpack` has no options that change files.
                mark.write_text(json.dumps({**json.loads(mark.read_text()), "images": {"op": "Older"}}))
        before = read_tree(out)
        with recorded(out, monkeypatch) as events:
            assert main([*run.words, *words]) == status
        return Trace(run, before, events, read_tree(out))

    return run_recorded


CASES = [
    pytest.param(kind, overwrite, id=kind + "-overwrite" * overwrite) for overwrite in (False, True) for kind in KINDS
]


@pytest.mark.parametrize("kind, overwrite", CASES)
def test_power_failure_at_any_moment(kind, overwrite, trace, tabulate, tmp_path, pytestconfig):
    made = trace(kind, overwrite)
    states = made.states()
    unsound = [state for state in states if not made.is_sound(state)]
    assert not unsound, sorted(unsound[0])
    count = 100 if pytestconfig.getoption("--all-moments") else 2 if kind == "unpack" else 6  # of 2000 folders
    for number, state in enumerate(random.Random(kind).sample(states, count)):
        own = dataclasses.replace(made.run, out=tmp_path / f"again-{number}")
        write_tree(state, own.out)
        claims = (own.destination / MARKS[kind]).exists()
        if claims and kind != "unpack":
            assert ilsvrc_tfds.verify(own.destination, workers=1).problems == ()
        assert own.again() == (claims and kind in ("export", "unpack") and not overwrite)
        found, wanted = read_tree(own.out), made.after
        left = found.keys() - wanted.keys()
        tabulate(
            "power failure" + " while older data is replaced" * overwrite,
            kind,
            not claims,
            wanted.items() <= found.items(),
            len(left),
        )
        assert wanted.items() <= found.items() and not left
        shutil.rmtree(own.out)


@pytest.mark.parametrize("kind", KINDS)
def test_without_syncing_a_set_may_claim_to_be_whole_and_not_be(kind, trace):
    made = trace(kind, False, "--no-sync")
    synced = [event for event in made.events if event[0] in ("sync", "sync_all")]
    assert all("lock.holder" in str(event) for event in synced)
    assert not all(map(made.is_sound, made.states()))


@pytest.mark.parametrize("kind", KINDS)
def test_power_failure_of_a_run_that_found_shards_which_were_not_synced(kind, trace, monkeypatch):
    def stopped(*arguments, **options):
        raise InterruptedRun("Stopped.")

    with monkeypatch.context() as patched:  # when all shards are finished
        patched.setattr(staging.Staging, "replacing", stopped)
        made = trace(kind, False, "--no-sync", status=1)
    with recorded(made.run.out, monkeypatch) as events:
        assert main(made.run.words) == 0
    continued = Trace(made.run, made.after, events, read_tree(made.run.out), synced=False)
    assert any(".staging/" in path for path in made.after)
    assert all(map(continued.is_sound, continued.states()))
