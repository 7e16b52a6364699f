"""The four commands that are continued, run in processes of their own so that anything can be done to them."""

import dataclasses
import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from ilsvrc_tfds.cli import main

KINDS = ("classification", "raw256", "export", "unpack")
_SHARDS = "--num-shards train={{shards}},{}=3 --allow-incomplete"
_WORDS = {
    "classification": "prepare {source} --data-dir {out} --config classification " + _SHARDS.format("val"),
    "raw256": "prepare {source} --data-dir {out} --config raw256 " + _SHARDS.format("val"),
    "export": "export {source} --out {out}/records --config raw256 --index " + _SHARDS.format("validation"),
    "unpack": "unpack {source} --out {out}/files",
}
_OUTPUTS = {kind: f"ilsvrc2012/{kind}/1.0.0" for kind in KINDS[:2]} | {"export": "records", "unpack": "files"}
_STEPPING = Path(__file__).with_name("stepping.py")
_SECONDS = 60
# What a process does to itself before it becomes the command. `preexec_fn` would warn where TensorFlow has threads.
_BECOMING = "import os, sys; {}; os.execv(sys.executable, [sys.executable, '-m', 'ilsvrc_tfds.cli', *sys.argv[1:]])"
FILE_LIMIT = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({0}, {0}))"
# Root's processes heed the permissions of files without CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH: capabilities(7), prctl(2).
HEED_PERMISSIONS = "import ctypes; [ctypes.CDLL(None).prctl(24, capability) for capability in (1, 2)]"


@dataclasses.dataclass(frozen=True)
class Run:
    """A command, what it reads, and the folder `out` that it alone writes into.

    Attributes:
      kind: one of KINDS.
      source: of the images.
      out: data directory, or the folder around what is exported or unpacked.
      workers: of the command.
      shards: of the train split; `unpack` has those of its source.
      overwrite: whether what is at the destination is replaced.
    """

    kind: str
    source: Path
    out: Path
    workers: int = 2
    shards: int = 60
    overwrite: bool = False

    @property
    def words(self) -> list[str]:
        words = _WORDS[self.kind].format(source=self.source, out=self.out, shards=self.shards)
        return [*words.split(), "--workers", str(self.workers), *["--overwrite"] * self.overwrite]

    @property
    def destination(self) -> Path:
        return self.out / _OUTPUTS[self.kind]

    @property
    def staging(self) -> Path:
        return self.destination.with_name(f".{self.destination.name}.staging")

    @property
    def file(self) -> Path:
        """One of the files that the images are read from, with most of them."""
        names = ("ILSVRC2012_img_train.tar", "ilsvrc2012-train.tfrecord-00030-of-00060")
        return next(path for path in map(self.source.joinpath, names) if path.exists())

    def start(self, before: str = "pass") -> subprocess.Popen:
        """Starts the command in a session of its own, behind some code, and returns when its staging folder is there."""
        process = self._process([sys.executable, "-c", _BECOMING.format(before), *self.words])
        self.wait_for(process, self.staging.exists)
        return process

    def until_step(self, step: int) -> subprocess.CompletedProcess:
        """Runs the command up to the `step`-th time that it is about to change the file system, and no further."""
        process = self._process([sys.executable, str(_STEPPING), str(step), *self.words])
        return subprocess.CompletedProcess(process.args, *self.ended(process))

    def _process(self, command: list[str]) -> subprocess.Popen:
        pipe = subprocess.PIPE
        return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, start_new_session=True)

    def wait_for(self, process: subprocess.Popen, condition: Callable[[], bool]) -> None:
        """Returns when a condition holds or the process has ended."""
        end = time.monotonic() + _SECONDS
        while not condition() and process.poll() is None:
            assert time.monotonic() < end
            time.sleep(0.0005)

    def ended(self, process: subprocess.Popen) -> tuple[int, str, str]:
        """Returns exit status, output and errors of a process when none of its session is left."""
        output = process.communicate(timeout=_SECONDS)
        end = time.monotonic() + 20
        while left := [pid for pid in psutil.pids() if _session(pid) == process.pid]:
            assert time.monotonic() < end, f"still there: {[psutil.Process(pid).cmdline() for pid in left]}"
            time.sleep(0.01)
        return process.returncode, *output

    def again(self) -> int:
        """Runs the same command in this process, and returns its exit status."""
        return main(self.words)

    def files(self) -> dict[str, str]:
        """Returns the sha256 of each file below `out`, by its path; "folder" for each folder."""
        return {
            os.fspath(path.relative_to(self.out)): hashlib.sha256(path.read_bytes()).hexdigest()
            if path.is_file()
            else "folder"
            for path in sorted(self.out.rglob("*"))
        }


def _session(pid: int) -> int:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return 0


def workers_of(process: subprocess.Popen) -> list[psutil.Process]:
    """Returns the worker processes of a command."""
    try:
        children = psutil.Process(process.pid).children()
        return [child for child in children if "popen_loky" in " ".join(child.cmdline())]
    except psutil.NoSuchProcess:
        return []


def own_line(errors: str) -> str:
    """Returns the one line that a command ended with; loky may add that a semaphore of its own is gone."""
    assert "Traceback" not in errors
    (line,) = [line for line in errors.splitlines() if line.startswith("ilsvrc-tfds: ")]
    return line
