"""Lets functions that write a result write it to a bucket: they are given a local folder that stands for it."""

import contextlib
import functools
import inspect
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from ilsvrc_tfds.errors import OptionError
from ilsvrc_tfds.storage import stand_ins
from ilsvrc_tfds.storage.bucket import bucket_url, require_folder
from ilsvrc_tfds.storage.bucket_staging import tidy_in_bucket
from ilsvrc_tfds.storage.files import require_local

_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")


def to_buckets(
    name: str, results: Callable[[Mapping[str, Any]], list[str]]
) -> Callable[[Callable[_Parameters, _Result]], Callable[_Parameters, _Result]]:
    """Returns a decorator for functions that write into a folder, so that the folder may be one in a bucket.

    The function has the arguments `scratch` and `break_lock`, perhaps among its `**options`.

    >>> @to_buckets("out", lambda arguments: [""])
    ... def write(out, *, scratch=None, break_lock=False):
    ...     return out
    >>> write("/data/new")
    '/data/new'
    >>> write("/data/new", break_lock=True)
    Traceback (most recent call last):
    ilsvrc_tfds.errors.OptionError: --break-lock (break_lock=True) is for buckets: the lock of a local folder is ...

    Args:
      name: Name of the argument with the folder.
      results: Function that returns the paths of the results, relative to the folder, from all arguments. The path ""
        is the folder itself.
    """

    def decorated(function: Callable[_Parameters, _Result]) -> Callable[_Parameters, _Result]:
        signature = inspect.signature(function)

        @functools.wraps(function)
        def called(*positional: _Parameters.args, **named: _Parameters.kwargs) -> _Result:
            bound = signature.bind(*positional, **named)
            bound.apply_defaults()
            arguments = {**bound.arguments, **bound.arguments.get("options", {})}
            url, break_lock = bucket_url(arguments[name]), bool(arguments.get("break_lock"))
            if url is None:
                if break_lock:
                    raise OptionError(
                        "--break-lock (break_lock=True) is for buckets: the lock of a local folder is taken from a run "
                        "that has ended without being asked."
                    )
                return function(*positional, **named)
            require_folder(url)
            scratch = arguments.get("scratch") or tempfile.gettempdir()
            require_local(scratch)
            with _written(url, results(arguments), scratch, break_lock) as folder:
                bound.arguments[name] = folder
                bound.arguments.get("options", {}).pop("break_lock", None)  # the stand-in knows
                (bound.arguments["options"] if "options" in bound.arguments else bound.arguments)["scratch"] = scratch
                return _in_bucket(function(*bound.args, **bound.kwargs))

        return called

    return decorated


@contextlib.contextmanager
def _written(url: str, results: list[str], scratch: str, break_lock: bool) -> Iterator[Path]:
    """Yields the local folder that stands for a folder in a bucket, without what killed runs have left."""
    own, above = "" in results, url.rpartition("/")[0]
    at = [url.rpartition("/")[2]] if own else results
    root = above if own else url
    for result in at:
        tidy_in_bucket(f"{root}/{result}", break_lock=break_lock)
    with stand_ins.writing(root, at, scratch, break_lock=break_lock) as tree:
        yield tree / at[0] if own else tree


def _in_bucket(result: Any) -> Any:
    """Returns a result that names the bucket where it names the local folder: a path, a builder, or several of them."""
    if isinstance(result, Mapping):
        return {key: _in_bucket(value) for key, value in result.items()}
    if hasattr(result, "move_to"):
        result.move_to(stand_ins.url_of(result.data_dir))
        return result
    return stand_ins.in_bucket(result)
