import os

import pytest

from ilsvrc_tfds.terminal.noise import held_back


def test_noise_is_held_back_and_later_lines_are_not(capfd):
    with held_back():
        os.write(2, b"noise\n")
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "after\n"


def test_failure_shows_what_was_written_before_it(capfd):
    with pytest.raises(ImportError, match="no such library"), held_back():
        os.write(2, b"why it failed\n")
        raise ImportError("no such library")
    assert capfd.readouterr().err == "why it failed\n"


def test_closed_standard_error_is_no_failure(monkeypatch):
    def closed(descriptor):
        raise OSError(9, "Bad file descriptor")

    monkeypatch.setattr(os, "dup", closed)
    with held_back():
        pass
