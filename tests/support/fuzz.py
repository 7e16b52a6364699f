"""Looks for bytes that make a reader of untrusted files fail otherwise than with our own errors.

    python tests/support/fuzz.py TARGET --minutes 5

needs the extra `fuzz`. It ends at the first finding, which lies in tests/corpus/TARGET from then on, where test_hostile.py
reads it again: mend the reader, and keep the file. Over 2 GiB of memory or 10 seconds for one input are findings too.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["ilsvrc_tfds"]):
    import hostile

    from ilsvrc_tfds.errors import IlsvrcError

CORPUS = Path(__file__).parents[1] / "corpus"
LIMITS = ["-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1", "-verbosity=0", "-close_fd_mask=1"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("target", choices=hostile.TARGETS)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--seed", type=int, default=0, help="0 takes another one each time")
    options = parser.parse_args()
    target = hostile.TARGETS[options.target]

    def read(data: bytes) -> None:
        try:
            target.read(data)
        except IlsvrcError as error:
            assert str(error).isprintable(), ascii(error)  # nothing in a file's name can act upon a terminal

    with tempfile.TemporaryDirectory() as seeds:
        for number, seed in enumerate(target.seeds):
            Path(seeds, str(number)).write_bytes(seed)
        findings = CORPUS / options.target
        findings.mkdir(parents=True, exist_ok=True)
        limits = [
            *LIMITS,
            f"-max_total_time={60 * options.minutes:.0f}",
            f"-seed={options.seed}",
            f"-artifact_prefix={findings}/",
        ]
        atheris.Setup([sys.argv[0], *limits, seeds, str(findings)], read)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
