import io
import logging
import sys

import pytest
from rich.console import Console

from ilsvrc_tfds.terminal import console as terminal
from ilsvrc_tfds.terminal import progress_line as module
from ilsvrc_tfds.terminal.progress import Progress, progress
from ilsvrc_tfds.terminal.progress_line import ProgressLine


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def screen(monkeypatch):
    """Returns a function that makes a terminal of some columns, and returns what is written to it."""

    def make(width: int, **options) -> io.StringIO:
        text = io.StringIO()
        console = Console(file=text, width=width, force_terminal=True, highlight=False, **options)
        monkeypatch.setattr(module, "console", lambda: console)
        return text

    return make


def test_work_of_an_earlier_run_counts_neither_for_speed_nor_for_time_left(clock):
    work = Progress("train", 1_000, done=900, clock=clock)
    clock.now += 10
    work.advance(20)
    assert work.speed() == 2 and work.seconds_left() == 40
    work.already(40)
    assert work.finished == 960 and work.speed() == 2 and work.seconds_left() == 20


def test_speed_is_that_of_the_last_minute(clock):
    work = Progress("train", 10_000, clock=clock)
    for _ in range(100):
        clock.now += 10
        work.advance(10)
    for _ in range(30):
        clock.now += 10
        work.advance(100)
    assert work.speed() == pytest.approx(10)


def test_time_before_a_restart_says_nothing_of_the_speed(clock):
    work = Progress("val", 1_000, clock=clock)
    clock.now += 40  # compiling
    work.advance(100)
    work.restart()
    assert work.seconds_left() is None
    clock.now += 10
    work.advance(100)
    assert work.speed() == 10 and work.seconds_left() == 80


def test_nothing_is_known_of_the_time_before_the_first_work(clock):
    work = Progress("train", 10, clock=clock)
    clock.now += 5
    assert work.seconds_left() is None
    assert work.in_words() == "train: 0 of 10 images, 0%"


@pytest.mark.parametrize(
    "width, line",
    [
        (100, "train  ━━━━━━━━━━             50%  5 of 10 images  1.0 images/s  0:05 left"),
        (60, "train  ━━━━━━         50%  1.0 images/s  0:05 left"),
        (44, "train   50%  1.0 images/s  0:05 left"),
        (30, "train   50%  0:05 left"),
    ],
)
def test_line_fits_the_terminal(screen, clock, width, line):
    text = screen(width, color_system=None)
    work = Progress("train", 10, clock=clock)
    clock.now += 5
    work.advance(5)
    module.console().print(ProgressLine(work))
    assert text.getvalue().rstrip() == line


def test_bar_disappears_and_leaves_nothing_behind(screen):
    text = screen(100)
    with progress("train", 3) as work:
        work.advance(3)
    assert "train" in text.getvalue() and text.getvalue().endswith("\x1b[?25h\r\x1b[1A\x1b[2K")


def test_quiet_shows_no_bar(screen):
    text = screen(100)
    module.console().quiet = True
    with progress("train", 3) as work:
        work.advance(3)
    assert text.getvalue() == "" and work.finished == 3


def test_log_gets_a_line_each_minute(monkeypatch, clock, caplog):
    monkeypatch.setattr(module.time, "monotonic", clock)
    with caplog.at_level(logging.INFO, "ilsvrc_tfds"), progress("train", 1_000) as work:
        for _ in range(100):
            clock.now += 1.5
            work.advance(10)
    assert caplog.messages == [
        "train: 400 of 1,000 images, 40%, 6.7 images/s, 1:30 left",
        "train: 800 of 1,000 images, 80%, 6.7 images/s, 0:30 left",
    ]


def test_messages_go_to_the_standard_error_of_the_moment(capsys):
    logger = logging.Logger("own")
    logger.addHandler(terminal.Messages())
    logger.warning("%d [images] are too small: /a/%s", 2, "long" * 40)
    assert capsys.readouterr().err == f"2 [images] are too small: /a/{'long' * 40}\n"


def test_quiet_prints_warnings_only(capsys, monkeypatch):
    monkeypatch.setattr(terminal.console(), "quiet", True)
    logger = logging.Logger("own")
    logger.addHandler(terminal.Messages())
    logger.info("Continuing")
    logger.warning("Skipped")
    assert capsys.readouterr().err == "Skipped\n"


@pytest.mark.parametrize("error", [OSError(28, "full"), ValueError("closed")])
def test_standard_error_that_cannot_be_written_ends_nothing(monkeypatch, error):
    class Full(io.StringIO):
        def write(self, text):
            raise error

    monkeypatch.setattr(sys, "stderr", Full())
    terminal.console().print("text")


def test_terminal_that_is_closed_meanwhile_ends_nothing(monkeypatch):
    class Terminal(io.StringIO):
        is_open = True

        def write(self, text):
            if not self.is_open:
                raise OSError(5, "Input/output error")
            return super().write(text)

    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(terminal.console(), "_force_terminal", True)
    monkeypatch.setattr(terminal.console(), "quiet", False)
    logger = logging.Logger("own")
    logger.addHandler(terminal.Messages())
    with progress("train", 3) as work:
        logger.warning("Skipped")
        assert "Skipped" in stream.getvalue()
        stream.is_open = False
        logger.warning("Skipped another")
        work.redraw()
    assert sys.stderr is stream and "another" not in stream.getvalue()


def test_notebook_is_not_a_terminal(monkeypatch):
    stream = type("OutStream", (io.StringIO,), {"__module__": "ipykernel.iostream", "isatty": lambda self: True})
    monkeypatch.setattr(sys, "stderr", stream())
    monkeypatch.setenv("FORCE_COLOR", "1")  # as a notebook sets it
    assert not terminal.console.__wrapped__().is_terminal
