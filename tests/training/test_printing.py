"""What a training prints, driven by the calls of Keras and a clock, without Keras."""

import io
import logging
import os
import pty
import re
import subprocess
import sys

import pytest
from rich.console import Console

from ilsvrc_tfds.training import epoch_table, printing
from ilsvrc_tfds.training.kept import Progress, kept_by_stopped, name_of
from ilsvrc_tfds.training.printing import Printer, shown
from ilsvrc_tfds.training.recipe import Recipe

RECIPE = Recipe(epochs=4, batch_size=10, warmup_epochs=0)
METRICS = {"loss": 1.5, "top1": 0.5, "top5": 0.75}
STEPS, BATCHES = 100, 20


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def screen(monkeypatch):
    """Returns a function that makes a terminal of some columns, and returns what is written to it."""

    def make(width: int, **options) -> io.StringIO:
        text = io.StringIO()
        made = Console(file=text, width=width, highlight=False, **{"force_terminal": True, **options})
        monkeypatch.setattr(printing, "console", lambda: made)
        return text

    return make


def run_epoch(printer: Printer, clock: Clock, epoch: int, top1: float, *, begin: int = 0) -> None:
    """An epoch of steps of a second and batches of half a second; what is compiled takes 50 seconds more."""
    printer.epoch_begins(epoch)
    for step in range(STEPS - begin):
        clock.now += 1 + 50 * (printer._phase == printing.COMPILING)
        printer.step_ends(step, METRICS)
    printer.evaluation_begins()
    for batch in range(BATCHES):
        clock.now += 0.5 + 50 * (printer._phase == printing.COMPILING_EVALUATION)
        printer.batch_ends(batch)
    printer.hooks()["on_test_end"]({})
    clock.now += 7  # the backup
    printer.epoch_ends(epoch, {**METRICS, "val_loss": 2.0, "val_top1": top1, "val_top5": 0.9})


def test_time_left_counts_steps_and_evaluations_and_not_what_is_compiled(clock):
    printer = Printer(RECIPE, STEPS, BATCHES, clock=clock)
    printer.epoch_begins(0)
    clock.now += 50
    printer.step_ends(0, METRICS)
    assert printer.seconds_left() is None
    for step in range(1, 10):
        clock.now += 1
        printer.step_ends(step, METRICS)
    assert printer.seconds_left() == pytest.approx(390 + 4 * BATCHES)  # as long as no evaluation is known


def test_time_left_of_the_run_has_the_evaluations_at_their_own_speed(clock):
    printer = Printer(RECIPE, STEPS, BATCHES, clock=clock)
    run_epoch(printer, clock, 0, 0.5)
    assert printer.seconds_left() == pytest.approx(300 + 3 * BATCHES * 0.5)
    printer.epoch_begins(1)
    for step in range(50):
        clock.now += 2  # slower: the last minute counts, after a while
        printer.step_ends(step, METRICS)
    assert printer.seconds_left() == pytest.approx(250 * 2 + 3 * BATCHES * 0.5, rel=0.02)
    assert "epoch 2/4: 50 of 100 steps, loss 1.500, top-1 50.00%, 5 images/s, 1:40 left" in printer.in_words()


def test_log_has_a_row_for_each_epoch_and_a_line_each_minute(clock, caplog, screen):
    screen(80, force_terminal=False)
    printer = Printer(RECIPE, STEPS, BATCHES, clock=clock)
    with caplog.at_level(logging.INFO, "ilsvrc_tfds"), shown(printer):
        run_epoch(printer, clock, 0, 0.25)
        run_epoch(printer, clock, 1, 0.125)
    table = [line for line in caplog.messages if "/4: " not in line]
    assert table == [
        "Compiling: the first step can take minutes.",
        "epoch     loss    top-1    top-5  val loss  val top-1  val top-5        lr  images/s     time",
        "  1/4    1.500   50.00%   75.00%     2.000     25.00%     90.00%   0.00376        10     3:37  best",
        "  2/4    1.500   50.00%   75.00%     2.000     12.50%     90.00%    0.0027        10     1:57",
    ]
    minutes = [line for line in caplog.messages if "/4: " in line]
    assert 3 <= len(minutes) <= 7 and all(line.endswith("left") for line in minutes[1:])


def test_epoch_that_an_earlier_run_began_has_the_speed_of_this_run(clock, caplog, screen):
    screen(80, force_terminal=False)
    earlier = [{"val_top1": 0.2}, {"val_top1": 0.3}]
    printer = Printer(RECIPE, STEPS, BATCHES, earlier=earlier, clock=clock)
    with caplog.at_level(logging.INFO, "ilsvrc_tfds"), shown(printer):
        printer.resume_at(60)
        run_epoch(printer, clock, 2, 0.25, begin=60)
        run_epoch(printer, clock, 3, 0.5)
    third, fourth = (line.split() for line in caplog.messages if "/4 " in line)
    assert third[0] == "3/4" and third[-2:] == ["10", "2:37"]  # not the best: epoch 2 was
    assert fourth[-3:] == ["10", "1:57", "best"]


@pytest.mark.parametrize("width", [30, 40, 50, 60, 80, 100, 120])
def test_no_line_is_wider_than_the_terminal(width, clock, screen):
    text = screen(width, no_color=True)
    printer = Printer(RECIPE, STEPS, BATCHES, clock=clock)
    with shown(printer):
        run_epoch(printer, clock, 0, 0.5)
    plain = re.sub(r"\x1b\[[^a-zA-Z]*[a-zA-Z]", "", text.getvalue())
    assert max(len(part) for line in plain.splitlines() for part in line.split("\r")) <= width
    assert {"train", "evaluate", "compiling", "saving"} <= {re.split(r"\W", line)[0] for line in plain.splitlines()}
    (titles, row), _ = on_screen(text.getvalue())
    assert row.startswith("  1/4") and "50.00%" in row and titles.split()[0] == "epoch"


def test_quiet_prints_nothing(clock, screen, caplog):
    text = screen(100, quiet=True)
    printer = Printer(RECIPE, STEPS, BATCHES, clock=clock)
    with caplog.at_level(logging.INFO, "ilsvrc_tfds"), shown(printer):
        run_epoch(printer, clock, 0, 0.5)
    assert text.getvalue() == "" and caplog.messages == []


PROGRAM = """
import sys, time
from ilsvrc_tfds.training.printing import Printer, shown
from ilsvrc_tfds.training.recipe import Recipe
printer = Printer(Recipe(epochs=2, batch_size=10), 3, 2)
metrics = {"loss": 1.5, "top1": 4.5956e-04, "top5": 0.75}
with shown(printer):
    for epoch in range(2):
        printer.epoch_begins(epoch)
        for step in range(3):
            time.sleep(0.25)
            printer.step_ends(step, metrics)
            print("Skipped a record.", file=sys.stderr) if (epoch, step) == (1, 1) else None
            if (epoch, step) == (1, 2):
                raise SystemExit("Interrupted.")
        printer.evaluation_begins()
        printer.batch_ends(0)
        printer.epoch_ends(epoch, {**metrics, "val_loss": 2.0, "val_top1": 0.5, "val_top5": 0.9})
"""


@pytest.mark.slow
@pytest.mark.parametrize("colour", [True, False])
def test_terminal_keeps_rows_and_messages_and_nothing_else(colour):
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", **({} if colour else {"NO_COLOR": "1"})}
    words = [sys.executable, "-c", PROGRAM]
    with subprocess.Popen(words, stdin=theirs, stdout=theirs, stderr=theirs, env=environment) as process:
        os.close(theirs)
        written = b""
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:
                break
            written += part
    os.close(ours)
    assert process.returncode == 1
    kept, colours = on_screen(written.decode())
    assert [" ".join(line.split()) for line in kept] == [
        "epoch loss top-1 top-5 val loss val top-1 val top-5 lr images/s time",
        f"1/2 1.500 0.05% 75.00% 2.000 50.00% 90.00% 0.00333 {kept[1].split()[-3]} {kept[1].split()[-2]} best",
        "Skipped a record.",
        "Interrupted.",
    ]
    assert ("32" in colours) == colour  # green


def on_screen(text: str) -> tuple[list[str], set[str]]:
    """Returns the lines that are left on a terminal, and the colours that were used. Knows what rich writes."""
    lines, row, colours, column = [""], 0, set(), 0
    position = 0
    while position < len(text):
        character = text[position]
        if text.startswith("\x1b[", position):
            end = position + 2
            while not text[end].isalpha():
                end += 1
            words, kind = text[position + 2 : end], text[end]
            row -= int(words) if kind == "A" else 0
            if kind == "K":
                lines[row] = ""
            if kind == "m":
                colours |= set(words.split(";"))
            position = end + 1
            continue
        if character == "\n":
            row += 1
            lines += [""] * (row == len(lines))
        elif character == "\r":
            column = 0
        else:
            lines[row] = lines[row][:column].ljust(column) + character + lines[row][column + 1 :]
            column += 1
        position += 1
    return [line for line in lines if line.strip()], colours


def test_best_epoch_is_the_first_of_the_highest():
    assert epoch_table.best_epoch([{"val_top1": value} for value in (0.1, float("nan"), 0.3, 0.3)]) == 3
    assert epoch_table.best_epoch([]) is None


@pytest.mark.parametrize(
    "done, words",
    [
        ([], "No epoch was finished, so nothing is kept: the same command begins anew."),
        ([Progress(1)], "1 epoch is kept: the same command continues there."),
        (
            [Progress(2), Progress(2, 500)],
            "2 epochs and 500 steps of epoch 3 are kept: the same command continues there.",
        ),
        ([Progress(0, 7)], "7 steps of epoch 1 are kept: the same command continues there."),
    ],
)
def test_stopped_training_says_what_is_kept(done, words, tmp_path):
    (tmp_path / "backup").mkdir()
    for progress in done:
        (tmp_path / "backup" / name_of(progress)).touch()
    assert kept_by_stopped(tmp_path) == words


def test_training_that_is_stopped_after_its_end_does_not_say_that_nothing_is_kept(tmp_path):
    (tmp_path / "model.keras").touch()
    assert kept_by_stopped(tmp_path) == f"The training is finished: {tmp_path / 'model.keras'}."
