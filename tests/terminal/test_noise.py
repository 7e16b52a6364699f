import logging
import os
import subprocess
import sys

import pytest

from ilsvrc_tfds.terminal.noise import held_back, log_warnings_dropped


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


def test_interrupt_shows_no_noise(capfd):
    with pytest.raises(KeyboardInterrupt), held_back():
        os.write(2, b"noise\n")
        raise KeyboardInterrupt
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "after\n"


def test_closed_standard_error_is_no_failure(monkeypatch):
    def closed(descriptor):
        raise OSError(9, "Bad file descriptor")

    monkeypatch.setattr(os, "dup", closed)
    with held_back():
        pass


@pytest.mark.slow
def test_tensorflow_loads_and_computes_without_a_word_but_says_what_is_wrong():
    code = """
import importlib.util, logging
from ilsvrc_tfds.terminal.noise import silence_libraries
silence_libraries()
silence_libraries()
importlib.util.find_spec("tensorflow")  # looks, and loads nothing
import tensorflow as tf, keras
model = keras.Sequential([keras.layers.Dense(2)])
model.compile(loss="mse", jit_compile=True)
model.fit(tf.zeros((4, 3)), tf.zeros((4, 2)), verbose=0)
tf.get_logger().warning("noise")
logging.getLogger("absl").warning("noise")
tf.get_logger().error("worth reading")
assert tf.__spec__.loader is tf.__loader__ and type(tf.__loader__).__name__ == "SourceFileLoader"
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert [line for line in done.stderr.splitlines() if "worth reading" not in line] == []
    assert "worth reading" in done.stderr


def test_log_warnings_are_dropped_in_the_block_only(caplog):
    with log_warnings_dropped():
        logging.warning("noise")
        logging.error("error")
    logging.warning("after")
    assert caplog.messages == ["error", "after"]
