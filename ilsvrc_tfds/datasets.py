"""Prepared data sets in a data directory: make them, or find that they are there."""

import logging
from collections.abc import Mapping
from pathlib import Path

import tensorflow_datasets as tfds
from etils import epath

from ilsvrc_tfds.builder import Ilsvrc2012, Ilsvrc2012Config
from ilsvrc_tfds.errors import DestinationError
from ilsvrc_tfds.places import require_local
from ilsvrc_tfds.preparation import Options, describe_op, find_images, require_room
from ilsvrc_tfds.runners import LocalRunner, Runner
from ilsvrc_tfds.shards import TFRECORD
from ilsvrc_tfds.sources import Index

_log = logging.getLogger(__name__)


def prepare(
    source: epath.PathLike | Index,
    data_dir: epath.PathLike,
    *,
    config: str | Ilsvrc2012Config = "classification",
    workers: int | None = None,
    runner: Runner | None = None,
    num_shards: int | Mapping[str, int] | None = None,
    file_format: str | None = None,
    max_examples: int | None = None,
    allow_incomplete: bool | None = None,
    overwrite: bool = False,
    sync: bool = True,
) -> Ilsvrc2012:
    """Prepares one config and returns its builder; continues where an earlier run of the same call stopped.

    Args:
      source: folder with the archives or images, in any layout; or its index.
      data_dir: TFDS's data directory; the data set becomes `data_dir/ilsvrc2012/<config>/1.0.0`.
      config: its name, or one of your own as `Ilsvrc2012Config(name="raw160", shorter_side=160)`.
      workers: processes of this machine; all cores where None.
      runner: writes the shards on other machines; see `Ilsvrc2012`.
      num_shards: for all splits or for each, as `{"train": 256}`; by the size of the data where None.
      file_format: one of TFDS's; `tfrecord` where None.
      max_examples: of each split, for a trial; all where None.
      allow_incomplete: see `Ilsvrc2012`.
      overwrite: whether a data set that is there is replaced, once the new one is finished.
      sync: see `Ilsvrc2012`.

    Raises:
      IlsvrcError: what the user can act on; DestinationError where a data set made with other options is there.
    """
    require_local(data_dir)
    builder = Ilsvrc2012(
        source=source,
        data_dir=data_dir,
        config=config,
        workers=workers,
        runner=runner,
        num_shards=num_shards,
        allow_incomplete=allow_incomplete,
        sync=sync,
    )
    download_config = _download_config(max_examples, overwrite)
    if builder.is_prepared() and not overwrite:
        _require_same(builder, builder.options(download_config, file_format))
        _log.info("%s is prepared already.", builder.data_dir)
        return builder
    builder.download_and_prepare(download_config=download_config, file_format=file_format or TFRECORD)
    return builder


def prepare_all(
    source: epath.PathLike | Index, data_dir: epath.PathLike, *, overwrite: bool = False, **options
) -> dict[str, Ilsvrc2012]:
    """Prepares every config from one index of the source, with the options of `prepare`; returns the builders by name.

    Before the work begins there must be room for all.
    """
    require_local(data_dir)
    names = [config.name for config in Ilsvrc2012.BUILDER_CONFIGS]
    builders = [Ilsvrc2012(data_dir=data_dir, config=name) for name in names]
    missing = [builder for builder in builders if overwrite or not builder.is_prepared()]
    if missing and not isinstance(source, Index):
        with LocalRunner(options.get("workers")) as runner:
            source = find_images([source], runner)
    if missing:
        download_config = _download_config(options.get("max_examples"), overwrite)
        require_room(source, {Path(b.data_path): b.options(download_config, options.get("file_format")) for b in missing})
    return {name: prepare(source, data_dir, config=name, overwrite=overwrite, **options) for name in names}


def _download_config(max_examples: int | None, overwrite: bool) -> tfds.download.DownloadConfig:
    modes = tfds.GenerateMode
    return tfds.download.DownloadConfig(
        download_mode=modes.REUSE_CACHE_IF_EXISTS if overwrite else modes.REUSE_DATASET_IF_EXISTS,
        max_examples_per_split=max_examples,
    )


def _require_same(builder: Ilsvrc2012, wanted: Options) -> None:
    """Raises DestinationError where the data set on disk was made with other options than those wanted."""
    info = builder.info
    made, splits = info.metadata, info.splits
    missing = "; ".join(f"{split}: {text}" for split, text in made.get("missing", {}).items() if split in splits)
    pairs = {
        "images": (made.get("images"), describe_op(wanted.op)),
        "max_examples": (made.get("max_examples_per_split"), wanted.max_examples),
        "file_format": (info.file_format.value, wanted.file_format),
        "num_shards": (
            {split: splits[split].num_shards for split in splits},
            {split: wanted.shards_of(split) or splits[split].num_shards for split in splits},
        ),
        "missing images": (missing, missing if wanted.allow_incomplete else ""),
    }
    differing = [f"{name} {there!r}, not {asked!r}" for name, (there, asked) in pairs.items() if there != asked]
    if differing:
        raise DestinationError(
            f"{builder.data_dir} is there already, made with {'; '.join(differing)}. "
            "Replace it with --overwrite (overwrite=True), or choose another data directory."
        )
