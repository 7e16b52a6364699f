"""What is said of measured times, however other work on the machine has disturbed them."""

import itertools
import json

import numpy as np
import pytest

from ilsvrc_tfds.pipeline import speeds

FACTS = {"folder": "/data", "split": "train", "ops": (), "batch_size": 4, "images": 8, "cores": 2, "load": 11.7}
NAMES = ["read", "parse", "DecodeAndRandomCrop", "FlipLeftRight", "batch"]
TRUE = np.cumsum([0.06, 0.09, 0.4, 0.01, 0.05])


def test_falling_times_are_those_of_noise():
    """These made the sentence "0.916 of the 0.678 ms", and -0.461 ms for a flip."""
    report = speeds.report_of(NAMES, [[0.068, 0.156, 1.072, 0.610, 0.678]], **FACTS)
    assert all(stage.marginal_ms >= 0 for stage in report.stages)
    assert report.bound.name == "DecodeAndRandomCrop" and report.bound.marginal_ms < report.stages[-1].ms


def test_times_are_the_nearest_that_do_not_fall():
    optimize = pytest.importorskip("scipy.optimize")
    for seed in range(5):
        values = np.random.default_rng(seed).normal(1, 0.5, 7)
        fit = optimize.isotonic_regression(values).x
        np.testing.assert_allclose(speeds._rising(values), fit)


@pytest.mark.parametrize("seed", range(20))
def test_whatever_disturbs_the_rounds_no_stage_takes_less_than_nothing_or_more_than_all(seed):
    random = np.random.default_rng(seed)
    times = TRUE * random.lognormal(0, 0.7, (9, len(TRUE)))
    report = speeds.report_of(NAMES, times.tolist(), **FACTS)
    ms = [stage.ms for stage in report.stages]
    assert all(before <= after for before, after in itertools.pairwise(ms))
    assert sum(stage.marginal_ms for stage in report.stages) == pytest.approx(ms[-1])
    assert all(stage.fastest_ms <= stage.ms <= stage.slowest_ms for stage in report.stages)
    assert not report.steady and "not reliable" in report.verdict and "11.7 on 2 cores" in report.verdict


def test_few_disturbed_rounds_change_nothing():
    times = [(TRUE * (1 + 0.01 * turn)).tolist() for turn in range(9)]
    quiet = speeds.report_of(NAMES, times, **FACTS)
    assert quiet.sure and quiet.steady and quiet.agreeing == 1
    assert [stage.ms for stage in quiet.stages] == pytest.approx(TRUE * 1.04)
    assert [stage.fastest_ms for stage in quiet.stages] == pytest.approx(TRUE)
    assert [stage.slowest_ms for stage in quiet.stages] == pytest.approx(TRUE * 1.08)
    times[3], times[7] = [9 * time for time in times[3]], list(reversed(times[7]))
    disturbed = speeds.report_of(NAMES, times, **FACTS)
    assert disturbed.bound.name == quiet.bound.name and disturbed.sure and not disturbed.steady
    assert disturbed.bound.marginal_ms == pytest.approx(quiet.bound.marginal_ms, rel=0.05)
    assert "DecodeAndRandomCrop limits the pipeline, as in 8 rounds of 9. The figures are not" in disturbed.verdict


def test_limit_that_changes_from_round_to_round_is_not_named():
    times = [[1.0, 1.1, 1.2, 1.3, 1.4], [0.2, 1.2, 1.2, 1.2, 1.4], [0.2, 0.3, 0.4, 0.5, 1.4]]
    report = speeds.report_of(NAMES, times, **FACTS)
    assert not report.sure and report.verdict.startswith("The limit cannot be measured now. ")


def test_report_is_json():
    report = speeds.report_of(NAMES, [TRUE.tolist()] * 3, **FACTS)
    assert json.loads(json.dumps(report.as_json()))["bound"] == "DecodeAndRandomCrop"


@pytest.mark.parametrize("name", [*NAMES, "MixUp"])
def test_each_stage_has_advice(name):
    report = speeds.report_of([name, "last"], [[5.0, 5.1]], **FACTS)
    assert report.advice and report.advice in report.verdict
