"""Runs a command on a file system that stalls: as soon as it has found the shards of a split, one of them is a pipe without a writer.

python tests/support/stalled.py SPLIT NUMBER COMMAND …
"""

import os
import sys

from ilsvrc_tfds import cli
from ilsvrc_tfds.cli import signals
from ilsvrc_tfds.pipeline import batches, bench, epochs


def main(split: str, number: int, words: list[str]) -> None:
    share_of = epochs.share_of

    def stalled(found, *arguments):
        share = share_of(found, *arguments)
        if found.name == split:
            os.rename(found.paths[number], f"{found.paths[number]}.before")
            os.mkfifo(found.paths[number])
        return share

    batches.share_of = bench.share_of = stalled
    signals._SECONDS_TO_COME_BACK, signals._SECONDS_TO_END = 1, 3
    sys.argv[1:] = words
    cli.run()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3:])
