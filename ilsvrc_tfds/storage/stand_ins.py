"""Local folders that stand for folders in buckets, so that all other rooms work with local paths.

<scratch>/ilsvrc-tfds-<digest>/
    url.json                the URL that the folder stands for
    at/                     what is there: small files as they are, others as empty files of the same size

A file that is empty in this way is fetched when it is read (`fetched`). What is finished here is uploaded: see
`uploads` and `bucket_staging`.
"""

import contextlib
import dataclasses
import hashlib
import json
import logging
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ilsvrc_tfds.errors import DestinationError, IlsvrcError
from ilsvrc_tfds.storage import bucket, locks
from ilsvrc_tfds.storage.bucket import bucket_url
from ilsvrc_tfds.storage.bucket_path import BucketPath
from ilsvrc_tfds.storage.destination import real_path
from ilsvrc_tfds.storage.files import PARTIAL_SUFFIX, destination_errors
from ilsvrc_tfds.storage.stores import Stored

_NAME = re.compile(r"ilsvrc-tfds-[0-9a-f]{16}(-\w+)?")
# The path of a stand-in's folder in a text.
_IN_TEXT = re.compile(rf"/[^\n'\"]*?{_NAME.pattern}/at(?=/|\b)")
_SETTINGS, _TREE = "url.json", "at"
# Files that TFDS, the manifest and the checks read as a whole; they have at most some MB.
_SMALL = (".json", ".txt")
_EMPTY_MODE, _OWN_FOLDER = 0o400, 0o700
_ATTEMPTS = 100


def url_of(path: str | os.PathLike) -> str | None:
    """Returns the URL that a local path stands for, or None if it stands for itself.

    >>> url_of("/data/tfds") is None
    True
    """
    settings = _settings(Path(path))
    return None if settings is None else settings[0]


def breaks_lock(path: str | os.PathLike) -> bool:
    """Returns whether the lock of a silent run may be taken, as the stand-in of a path was told."""
    settings = _settings(Path(path))
    return settings is not None and settings[1]


@contextlib.contextmanager
def writing(url: str, at: Iterable[str], scratch: str | os.PathLike | None, *, break_lock: bool) -> Iterator[Path]:
    """Yields a local folder that stands for a folder in a bucket while results are written there.

    Args:
      url: URL of the folder.
      at: Paths of the results below it, such as `ilsvrc2012/raw256/1.0.0`.
      scratch: Folder for the stand-in; None is the system's temporary folder.
      break_lock: Whether the lock of a silent run may be taken.

    Raises DestinationError if another run on this machine writes the same results.
    """
    results = sorted(at)
    digest = hashlib.sha256("\n".join([url, *results]).encode()).hexdigest()[:16]
    root = _parent(scratch) / f"ilsvrc-tfds-{digest}"
    with _locked(root, f"{url}/{results[0]}"):
        tree = _emptied(root, url, break_lock)
        _mirror(tree, url, results, writing=True)
        with _named(tree, url):
            try:
                yield tree
            finally:
                shutil.rmtree(root, ignore_errors=True)


@contextlib.contextmanager
def reading(url: str, *, whole: bool = False, scratch: str | os.PathLike | None = None) -> Iterator[Path]:
    """Yields a local folder that stands for a folder in a bucket while it is read.

    Args:
      url: URL of the folder.
      whole: Whether all files are downloaded at the beginning.
      scratch: Folder for the stand-in; None is the system's temporary folder.

    Raises SourceError if the folder cannot be read.
    """
    above, _, name = url.rpartition("/")
    digest = hashlib.sha256(url.encode()).hexdigest()[:16]
    root = Path(tempfile.mkdtemp(prefix=f"ilsvrc-tfds-{digest}-", dir=_parent(scratch)))
    try:
        tree = _emptied(root, above, break_lock=False)
        with _named(tree, above):
            _mirror(tree, above, [name], writing=False)
            if whole:
                bucket.at_once(_fetch, [path for path in (tree / name).rglob("*") if _is_empty(path)])
            yield tree / name
    finally:
        shutil.rmtree(root, ignore_errors=True)


@contextlib.contextmanager
def fetched(path: str | os.PathLike) -> Iterator[str | os.PathLike]:
    """Yields a local path of a file during the block.

    A file of a stand-in that is not there is downloaded to its place; one that is named by its URL, to a temporary
    file. Any other path is yielded as it is.

    >>> with fetched("/data/note") as local:
    ...     Path(local).read_bytes()
    b'text'
    """
    if (url := bucket_url(path)) is not None:
        with tempfile.TemporaryDirectory(prefix="ilsvrc-tfds-") as folder:
            local = os.path.join(folder, os.path.basename(url))
            bucket.download(url, local)
            yield local
        return
    place = Path(path)
    if _root(place) is None or place.exists() and not _is_empty(place):
        yield path
        return
    size = place.stat().st_size if place.exists() else None
    _fetch(place)
    try:
        yield path
    finally:
        place.unlink() if size is None else _put_empty(place, size)


@contextlib.contextmanager
def beginning(path: str, size: int) -> Iterator[str]:
    """Yields a local path of a file during the block; of one in a bucket, of a file with its first bytes only.

    >>> with beginning("/data/note", 2) as local:
    ...     Path(local).read_bytes()
    b'text'
    """
    if (url := bucket_url(path)) is None:
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="ilsvrc-tfds-") as folder:
        local = os.path.join(folder, os.path.basename(url))
        Path(local).write_bytes(bucket.read(url, 0, size) or b"")
        yield local


def in_bucket(value: Any) -> Any:
    """Returns a result that names the bucket where it names a stand-in: texts, paths, and values that have some.

    >>> in_bucket([Path("/data/new"), "/data/new", 3])
    [PosixPath('/data/new'), '/data/new', 3]
    """
    if isinstance(value, str):
        return _IN_TEXT.sub(lambda match: url_of(match[0]) or match[0], value)
    if isinstance(value, Path):
        return BucketPath(url) if (url := url_of(value)) else value
    if isinstance(value, (list, tuple)):
        return type(value)(map(in_bucket, value))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.replace(
            value, **{f.name: in_bucket(getattr(value, f.name)) for f in dataclasses.fields(value)}
        )
    return value


def _settings(path: Path) -> tuple[str, bool] | None:
    """Returns the URL of a path in a stand-in, and whether locks are broken there; None for other paths."""
    root = _root(path)
    if root is None:
        return None
    try:
        if os.lstat(root).st_uid != os.geteuid():
            return None
        values = json.loads((root / _SETTINGS).read_bytes())
    except OSError:
        return None
    below = path.relative_to(root / _TREE) if path.is_relative_to(root / _TREE) else Path()
    return "/".join([values["url"], *below.parts]), values["break_lock"]


def _root(path: Path) -> Path | None:
    """Returns the folder of a stand-in above a path, by its name."""
    if "ilsvrc-tfds-" not in os.fspath(path):
        return None
    return next((above for above in path.parents if _NAME.fullmatch(above.name)), None)


def _parent(scratch: str | os.PathLike | None) -> Path:
    folder = real_path(scratch or tempfile.gettempdir())
    with destination_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextlib.contextmanager
def _locked(root: Path, result: str) -> Iterator[None]:
    """Creates the folder of a stand-in, which only one process may use."""
    for _ in range(_ATTEMPTS):
        with destination_errors(root):
            root.mkdir(mode=_OWN_FOLDER, exist_ok=True)
            if root.is_symlink() or os.lstat(root).st_uid != os.geteuid():
                raise DestinationError(f"{root} belongs to another user. Choose another folder with --scratch.")
            lock = locks.acquire(root, BucketPath(result))
        if lock is not None:
            with lock:
                yield
            return
    raise DestinationError(f"{root} cannot be locked. Remove it, or choose another folder with --scratch.")


def _emptied(root: Path, url: str, break_lock: bool) -> Path:
    """Returns the folder for the files of a stand-in, without those that a killed run has left."""
    tree = root / _TREE
    with destination_errors(root):
        shutil.rmtree(tree, ignore_errors=True)
        tree.mkdir()
        (root / _SETTINGS).write_text(json.dumps({"url": url, "break_lock": break_lock}))
    return tree


def _mirror(tree: Path, url: str, folders: Iterable[str], *, writing: bool) -> None:
    """Fills a stand-in with what is in some folders of the bucket."""
    for folder in folders:
        objects = bucket.listed(f"{url}/{folder}", writing=writing)
        # Hidden objects are looked at where they could be lost.
        shown = {
            name: stored
            for name, stored in objects.items()
            if writing or not any(part.startswith(".") for part in name.split("/"))
        }
        small = [name for name in shown if name.endswith(_SMALL)]
        with destination_errors(tree):
            for name, stored in shown.items():
                path = tree / folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                if name not in small:
                    _put_empty(path, stored.size)
        bucket.at_once(lambda name: bucket.download(f"{url}/{folder}/{name}", tree / folder / name), small)
        for name, stored in shown.items():
            _set_time(tree / folder / name, stored)


def _set_time(path: Path, stored: Stored) -> None:
    os.utime(path, (stored.modified, stored.modified))


def _put_empty(path: Path, size: int) -> None:
    """Puts an empty file of a size in the place of a file. It takes no room on the disk."""
    partial = path.with_name(f"{path.name}.0{PARTIAL_SUFFIX}")
    with open(partial, "wb") as file:
        file.truncate(size)
    partial.chmod(_EMPTY_MODE)
    os.replace(partial, path)


def _is_empty(path: Path) -> bool:
    try:
        return path.is_file() and path.stat().st_mode & 0o777 == _EMPTY_MODE
    except OSError:
        return False


def _fetch(path: Path) -> None:
    url = url_of(path)
    assert url is not None
    partial = path.with_name(f"{path.name}.1{PARTIAL_SUFFIX}")
    bucket.download(url, partial)
    with destination_errors(path):
        if path.exists():
            os.utime(partial, ns=(path.stat().st_mtime_ns,) * 2)  # of the object
        os.replace(partial, path)


@contextlib.contextmanager
def _named(tree: Path, url: str) -> Iterator[None]:
    """Lets errors and log messages in the block name URLs where they would name the stand-in."""
    make = logging.getLogRecordFactory()

    def made(*arguments: object, **options: object) -> logging.LogRecord:
        record = make(*arguments, **options)
        if record.name.startswith("ilsvrc_tfds"):
            text = record.getMessage()
            record.msg, record.args = text.replace(os.fspath(tree), url), ()
        return record

    logging.setLogRecordFactory(made)
    try:
        yield
    except IlsvrcError as error:
        error.args = tuple(part.replace(os.fspath(tree), url) if isinstance(part, str) else part for part in error.args)
        raise
    finally:
        logging.setLogRecordFactory(make)
