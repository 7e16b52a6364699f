"""The report of `bench` as a picture: the speed up to each stage, and the time that each stage adds."""

import io

from ilsvrc_tfds.pipeline.speeds import Report

_PLAIN, _BOUND, _FAINT, _INK = "#9aa0a9", "#1f6feb", "#d0d4da", "#1c1c1e"
_DOTS = 110


def draw_speeds(report: Report) -> bytes:
    """Returns the chart as a PNG. Lines show the range of the rounds, and the limiting stage is blue.

    >>> from ilsvrc_tfds.pipeline.speeds import report_of
    >>> facts = {"folder": "/data", "split": "val", "ops": (), "batch_size": 4, "images": 8, "cores": 2, "load": 1.5}
    >>> draw_speeds(report_of(["read", "batch"], [[0.1, 0.2], [0.1, 0.3]], **facts))[:4]
    b'\\x89PNG'
    """
    from matplotlib.figure import Figure  # takes 0.3 s; not pyplot, which looks for a display

    stages, bound = report.stages, report.bound
    names, rows = [stage.name for stage in stages], range(len(stages))
    figure = Figure((11, 1.6 + 0.42 * len(stages)), dpi=_DOTS, layout="constrained")
    speed, time = figure.subplots(1, 2, sharey=True)
    speeds = [stage.images_per_second for stage in stages]
    below = [value - 1000 / stage.slowest_ms for value, stage in zip(speeds, stages)]
    above = [1000 / stage.fastest_ms - value for value, stage in zip(speeds, stages)]
    speed.errorbar(speeds, rows, xerr=(below, above), fmt="o", color=_INK, ecolor=_PLAIN, capsize=3)
    speed.set_xscale("log")  # points: a bar would need a zero
    speed.xaxis.set_major_formatter("{x:,.0f}")
    for row, value in enumerate(speeds):
        speed.annotate(f"{value:,.0f}", (value, row), (0, 6), textcoords="offset points", ha="center", fontsize=9)
    colours = [_BOUND if stage is bound and report.sure else _PLAIN for stage in stages]
    time.barh(rows, [stage.marginal_ms for stage in stages], color=colours, height=0.62)
    for row, stage in enumerate(stages):
        time.annotate(f" {stage.marginal_ms:.3f}", (stage.marginal_ms, row), va="center", fontsize=9)
    speed.set_yticks(rows, names)
    speed.invert_yaxis()
    speed.set_title("images/s up to the stage", loc="left", fontsize=11)
    time.set_title("ms that the stage adds to an image", loc="left", fontsize=11)
    time.margins(x=0.15)
    for axes in (speed, time):
        axes.grid(axis="x", color=_FAINT, linewidth=0.6)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    words = f"{bound.name} limits the pipeline" if report.sure else "the limit was not measurable"
    words += "" if report.steady else ", on a busy machine"
    figure.suptitle(f"{report.split}, {report.cores} cores: {words}", x=0.01, ha="left", fontsize=12)
    content = io.BytesIO()
    figure.savefig(content, format="png")
    return content.getvalue()
