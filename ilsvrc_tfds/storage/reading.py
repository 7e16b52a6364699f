"""Lets functions that read a folder of shards read one in a bucket: they are given a local folder that stands for it."""

import functools
import inspect
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from ilsvrc_tfds.storage import stand_ins
from ilsvrc_tfds.storage.bucket import bucket_url, require_folder

_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")


def from_buckets(
    name: str, *, whole: bool = False
) -> Callable[[Callable[_Parameters, _Result]], Callable[_Parameters, _Result]]:
    """Returns a decorator for functions that read a folder, so that the folder may be one in a bucket.

    Texts in the result name the bucket. If `whole` is not set, the function reads shards in blocks of `fetched`.

    >>> @from_buckets("folder")
    ... def show(folder):
    ...     return folder
    >>> show("/data/tfds")
    '/data/tfds'

    Args:
      name: Name of the argument with the folder.
      whole: Whether all shards are downloaded at the beginning, into the function's argument `scratch` if it has one.
    """

    def decorated(function: Callable[_Parameters, _Result]) -> Callable[_Parameters, _Result]:
        signature = inspect.signature(function)

        @functools.wraps(function)
        def called(*positional: _Parameters.args, **named: _Parameters.kwargs) -> _Result:
            bound = signature.bind(*positional, **named)
            url = bucket_url(bound.arguments[name]) if isinstance(bound.arguments[name], str | _PATHS) else None
            if url is None:
                return function(*positional, **named)
            require_folder(url)
            with stand_ins.reading(url, whole=whole, scratch=bound.arguments.get("scratch")) as folder:
                bound.arguments[name] = folder
                return stand_ins.named(function(*bound.args, **bound.kwargs), folder)

        return called

    return decorated
