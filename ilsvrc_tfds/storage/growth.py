"""How far files have been written, judged by their sizes: whoever writes them, and on whatever machine."""

import os
import threading

from ilsvrc_tfds.storage.files import PARTIAL_SUFFIX
from ilsvrc_tfds.storage.staging import receipt_path

# A file that is as large as expected is not finished: it is synced, and its receipt written.
_MOST = 0.99


class Growth:
    """The growth of files that are written with receipts into one folder.

    >>> from pathlib import Path
    >>> growth = Growth("/data/")
    >>> growth.expect("/data/shard", amount=100, num_bytes=4_000)
    True
    >>> _ = Path("/data/shard.0123abcd.partial").write_bytes(bytes(1_000))
    >>> growth.amount()
    25.0
    >>> growth.finish("/data/shard", 3_900)
    >>> growth.amount()
    100.0
    """

    def __init__(self, folder: str | os.PathLike):
        """Begins to watch a folder, for files that `expect` names."""
        self._folder = os.fspath(folder)
        self._waiting: dict[str, tuple[float, float]] = {}
        self._amount = self._bytes = self._expected_bytes = 0.0
        self._lock = threading.Lock()

    def expect(self, path: str, amount: float, num_bytes: float) -> bool:
        """Adds a file. Returns whether it must be written, or False if an earlier run has finished it.

        Args:
          path: Path of the file when it is finished.
          amount: Amount of work, in any unit.
          num_bytes: Expected size. The sizes of files that are finished correct those of the others.
        """
        with self._lock:
            if os.path.exists(path) and os.path.exists(receipt_path(path)):
                self._amount += amount
                return False
            self._waiting[os.path.basename(path)] = amount, max(num_bytes, 1)
            return True

    def add(self, amount: float) -> None:
        """Adds work that is finished, and whose files are not watched."""
        with self._lock:
            self._amount += amount

    def finish(self, path: str, num_bytes: int) -> None:
        """States that a file is finished, with its size."""
        with self._lock:
            self._finish(os.path.basename(path), num_bytes)

    def first(self) -> str | None:
        """Returns the name of the first file that is not finished, or None if all are."""
        with self._lock:
            return next(iter(self._waiting), None)

    def amount(self) -> float:
        """Returns the amount of work that is finished, with estimates for files that are being written."""
        with self._lock:
            sizes = self._sizes()
            for name in [name for name in self._waiting if name in sizes and receipt_path(name) in sizes]:
                self._finish(name, sizes[name])
            ratio = self._bytes / self._expected_bytes if self._bytes else 1.0
            found = self._amount
            for name, size in sizes.items():
                written = name.removesuffix(PARTIAL_SUFFIX).rpartition(".")[0]
                if name.endswith(PARTIAL_SUFFIX) and written in self._waiting:
                    amount, expected = self._waiting[written]
                    found += amount * min(_MOST, size / (expected * ratio))
            return found

    def _finish(self, name: str, num_bytes: int) -> None:
        if name in self._waiting:
            amount, expected = self._waiting.pop(name)
            self._amount += amount
            self._bytes += num_bytes
            self._expected_bytes += expected

    def _sizes(self) -> dict[str, int]:
        """Returns the sizes of the files that are waited for, and of their parts and receipts; 0 for other files."""
        sizes = {}
        try:
            with os.scandir(self._folder) as entries:
                for entry in entries:
                    wanted = entry.name.endswith(PARTIAL_SUFFIX) or entry.name in self._waiting
                    try:
                        sizes[entry.name] = entry.stat().st_size if wanted else 0
                    except OSError:  # it was renamed, or removed
                        continue
        except OSError:
            return {}
        return sizes
