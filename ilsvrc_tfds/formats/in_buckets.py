"""Data sets in buckets: finds the folder that a URL or a name means, and lets readers read it.

A reader is given a local folder that stands for the one in the bucket; see `storage.stand_ins`.
"""

import functools
import inspect
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from ilsvrc_tfds.errors import OptionError, SourceError, counted
from ilsvrc_tfds.formats.info import INFO_NAME
from ilsvrc_tfds.formats.manifest import NAME as MANIFEST_NAME
from ilsvrc_tfds.formats.naming import DEFAULT_CONFIG, OWN, SET_NAME, parse_shard_name
from ilsvrc_tfds.storage import bucket, stand_ins
from ilsvrc_tfds.storage.bucket import bucket_url, require_folder
from ilsvrc_tfds.storage.bucket_path import BucketPath
from ilsvrc_tfds.storage.files import default_data_dir
from ilsvrc_tfds.storage.staging import staging_folder

# A data set below a data directory, its folder `ilsvrc2012`, or the folder of a config.
_BELOW = re.compile(rf"((?:[\w.-]+/){{0,2}}?)(\d+\.\d+\.\d+)/{re.escape(INFO_NAME)}")

_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")


def folder_in_bucket(data: Any, data_dir: str | os.PathLike | None = None) -> BucketPath | None:
    """Returns the folder of a data set in a bucket, or None if it is not in one.

    >>> folder_in_bucket("/data/tfds") is None
    True

    Args:
      data: URL of the folder of a data set, or of a data directory that has one; name such as `ilsvrc2012/raw256`; or
        TFDS builder.
      data_dir: URL of the data directory in which a name is looked up.

    Raises:
      OptionError: A data directory has several data sets, or none of that name.
      SourceError: The folder has no data set, or is not finished, or cannot be read.
    """
    if hasattr(data, "data_dir"):
        data = data.data_dir
    if (url := bucket_url(data)) is not None:
        require_folder(url)
        return _at(url)
    root, match = bucket_url(data_dir or default_data_dir()), SET_NAME.fullmatch(os.fspath(data))
    if root is None or match is None or not isinstance(data, str):
        return None
    config, version = match["config"] or DEFAULT_CONFIG, match["version"]
    url = f"{root}/{match['imagenet'] or f'{OWN}/{config}'}"
    require_folder(url)
    return _at(f"{url}/{version}" if version else url)


def from_buckets(
    name: str, *, whole: bool = False
) -> Callable[[Callable[_Parameters, _Result]], Callable[_Parameters, _Result]]:
    """Returns a decorator for functions that read a data set, so that it may be in a bucket.

    The function may have an argument `data_dir`. Texts and paths in its result name the bucket.

    >>> @from_buckets("folder")
    ... def show(folder):
    ...     return folder
    >>> show("/data/tfds")
    '/data/tfds'

    Args:
      name: Name of the argument with the data set.
      whole: Whether all shards are downloaded at the beginning, into the function's argument `scratch`, or else to the
        disk of its argument `out`. Otherwise the function reads shards in blocks of `stand_ins.fetched`.
    """

    def decorated(function: Callable[_Parameters, _Result]) -> Callable[_Parameters, _Result]:
        signature = inspect.signature(function)

        @functools.wraps(function)
        def called(*positional: _Parameters.args, **named: _Parameters.kwargs) -> _Result:
            bound = signature.bind(*positional, **named)
            folder = folder_in_bucket(bound.arguments[name], bound.arguments.get("data_dir"))
            if folder is None:
                return function(*positional, **named)
            with stand_ins.reading(str(folder), whole=whole, scratch=_scratch(bound.arguments, whole)) as local:
                bound.arguments[name] = local
                bound.arguments.pop("data_dir", None)
                return stand_ins.in_bucket(function(*bound.args, **bound.kwargs))

        return called

    return decorated


def _scratch(arguments: dict[str, Any], whole: bool) -> str | os.PathLike | None:
    if arguments.get("scratch") or not whole or bucket_url(arguments["out"]):
        return arguments.get("scratch")
    return Path(arguments["out"]).expanduser().absolute().parent


def _at(url: str) -> BucketPath:
    """Returns the folder of the data set at a URL: the URL itself, or the only data set below it."""
    objects = bucket.listed(url)
    if INFO_NAME in objects or MANIFEST_NAME in objects:
        return BucketPath(url)
    latest: dict[str, str] = {}
    for match in filter(None, map(_BELOW.fullmatch, objects)):
        latest[match[1]] = max(latest.get(match[1], match[2]), match[2], key=_number)
    found = [f"{url}/{above}{version}" for above, version in latest.items()]
    if len(found) > 1:
        lines = "".join(f"\n  {one}" for one in found[:20])
        raise OptionError(f"{url} has {counted(len(found), 'data set')}. Name one of them:{lines}")
    if found:
        return BucketPath(found[0])
    above, _, name = url.rpartition("/")
    if bucket.listed(f"{above}/{staging_folder(Path(name)).name}"):
        raise SourceError(f"{url} is not finished. Run the command that makes it again to resume.")
    if any(parse_shard_name(name) for name in objects):
        return BucketPath(url)  # of another tool, without a manifest
    raise SourceError(
        f"{url} holds no data set. Prepare it first; or, if these are the archives, copy them to a local disk: images "
        "are read at a million places."
    )


def _number(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))
