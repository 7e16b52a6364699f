"""Jobs as elements of a Beam pipeline, on the runners that need no cluster."""

import os
import sys
from pathlib import Path

import engine_jobs
import pytest

from ilsvrc_tfds import errors
from ilsvrc_tfds.runners import BeamRunner
from ilsvrc_tfds.runners import beam as engine

pytestmark = pytest.mark.slow

pytest.importorskip("apache_beam")
from apache_beam.options.pipeline_options import PipelineOptions  # noqa: E402
from apache_beam.runners.runner import PipelineResult, PipelineRunner, PipelineState  # noqa: E402

# Beam's portable runner in this process: the same pipeline, started within a second.
HERE = "--direct_running_mode=in_memory"
TWO_PROCESSES = "--direct_running_mode=multi_processing --direct_num_workers=2"


@pytest.fixture
def shared(tmp_path) -> Path:
    """The folder that all workers see; nothing is left in it."""
    folder = tmp_path / "shared"
    folder.mkdir()
    yield folder
    assert os.listdir(folder) == []


def test_jobs_run_in_two_other_processes_without_a_word_and_results_come_in_order(shared, monkeypatch, capfd):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
    found = list(BeamRunner(TWO_PROCESSES).run(engine_jobs.square_and_process_id, range(20), shared))
    assert [square for square, _ in found] == [n * n for n in range(20)]
    assert len({pid for _, pid in found} - {os.getpid()}) == 2
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("options", [HERE, PipelineOptions([HERE])], ids=["words", "PipelineOptions"])
def test_results_come_in_the_order_of_the_jobs(options, shared):
    with BeamRunner(options) as runner:
        assert list(runner.run(engine_jobs.square, range(1200), shared)) == [n * n for n in range(1200)]
        assert list(runner.run(engine_jobs.square, [], shared)) == []


@pytest.mark.parametrize("words", ["--runner=NoSuchRunner", "--runner='open quote"])
def test_options_that_beam_does_not_know_are_refused(words):
    with pytest.raises(errors.OptionError, match="Beam's options cannot be used: .*(NoSuchRunner|quotation)"):
        BeamRunner(words)


def test_error_of_a_job_comes_through_and_ends_the_others(shared):
    engine_jobs.BEGUN.clear()
    with pytest.raises(errors.ImageError, match=r"^/data/train.tar: train/n01440764/a.JPEG: the JPEG ends early\.$"):
        list(BeamRunner(HERE).run(engine_jobs.note_and_fail, range(1000), shared))
    assert len(engine_jobs.BEGUN) == 1


def test_bug_in_a_job_keeps_its_traceback(shared):
    with pytest.raises(Exception, match="division by zero") as raised:
        list(BeamRunner(HERE).run(engine_jobs.divide, [0], shared))
    assert not isinstance(raised.value, errors.IlsvrcError)


def test_element_may_be_tried_again(tmp_path):
    engine._write_jobs(engine_jobs.square, [7], tmp_path)
    for _ in range(2):
        engine._do_job(0, str(tmp_path))
        assert engine._result(tmp_path, 0) == 49
    assert sorted(os.listdir(tmp_path)) == ["000000.job", "000000.result"]


def test_what_a_killed_driver_left_is_removed(shared):
    (shared / "beam-12345678").mkdir()
    (shared / "beam-12345678/000000.result").touch()
    assert list(BeamRunner(HERE).run(engine_jobs.square, [3], shared)) == [9]


class Ended(PipelineRunner):
    """A runner whose pipelines end in this state, and do nothing."""

    def __init__(self, state: str):
        self.state = state

    def run_pipeline(self, pipeline, options) -> PipelineResult:
        result = PipelineResult(self.state)
        result.wait_until_finish = lambda: self.state
        return result


@pytest.mark.parametrize("state", [PipelineState.FAILED, PipelineState.CANCELLED])
def test_pipeline_that_does_not_succeed_interrupts_the_run(state, shared):
    with pytest.raises(
        errors.InterruptedRun, match=f"The Beam pipeline ended as {state}; .* Run the same command again"
    ):
        list(BeamRunner(runner=Ended(state)).run(engine_jobs.square, [1], shared))


def test_result_that_workers_wrote_elsewhere_is_missed(shared):
    with pytest.raises(errors.InterruptedRun, match=f"without a result of job 0. .* see {shared}"):
        list(BeamRunner(runner=Ended(PipelineState.DONE)).run(engine_jobs.square, [1], shared))


def test_missing_package_is_named_with_its_remedy(monkeypatch):
    monkeypatch.setitem(sys.modules, "apache_beam.options.pipeline_options", None)
    with pytest.raises(
        errors.OptionError, match=r'The engine beam needs Apache Beam .* python -m pip install "\.\[beam\]"'
    ):
        BeamRunner()
