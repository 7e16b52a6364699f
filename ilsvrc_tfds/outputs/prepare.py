"""Prepared data sets in a data directory: make them, or find that they are there."""

import logging
from collections.abc import Iterable, Mapping
from pathlib import Path

import tensorflow_datasets as tfds
from etils import epath

from ilsvrc_tfds.errors import DestinationError, NotFoundError, first_few, require_whole
from ilsvrc_tfds.formats.naming import own_splits
from ilsvrc_tfds.images import describe_op
from ilsvrc_tfds.outputs.builder import Ilsvrc2012, Ilsvrc2012Config
from ilsvrc_tfds.outputs.comparison import Made, differences, recorded_images
from ilsvrc_tfds.outputs.data_set import Options, require_room
from ilsvrc_tfds.runners import LocalRunner, Runner
from ilsvrc_tfds.shards.writer import SKIP, STOP, TFRECORD
from ilsvrc_tfds.sources import Index, find_layout
from ilsvrc_tfds.sources.completeness import of_splits
from ilsvrc_tfds.sources.find import find_images
from ilsvrc_tfds.storage.files import require_local

_REPLACE = "Replace it with --overwrite (overwrite=True), or choose another data directory"

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
    splits: Iterable[str] | None = None,
    allow_incomplete: bool | None = None,
    on_error: str = STOP,
    overwrite: bool = False,
    sync: bool = True,
) -> Ilsvrc2012:
    """Prepares one config and returns its builder; continues where an earlier run of the same call stopped.

    If the data set is there already, the source is indexed and compared with what the data set was made of. A source that is
    not there any more is not compared, and a warning says so.

    Args:
      source: folder with the archives or images, in any layout; or its index.
      data_dir: TFDS's data directory; the data set becomes `data_dir/ilsvrc2012/<config>/1.0.0`.
      config: its name, or one of your own as `Ilsvrc2012Config(name="raw160", shorter_side=160)`.
      workers: processes of this machine; all cores where None.
      runner: writes the shards on other machines; see `Ilsvrc2012`.
      num_shards: for all splits or for each, as `{"train": 256}`; by the size of the data where None.
      file_format: one of TFDS's; `tfrecord` where None.
      max_examples: of each split, for a trial; all where None.
      splits: see `Ilsvrc2012`.
      allow_incomplete: see `Ilsvrc2012`.
      on_error: What to do about a damaged image: `stop`, or `skip` it; see `Ilsvrc2012`.
      overwrite: whether a data set that is there is replaced, once the new one is finished.
      sync: see `Ilsvrc2012`.

    Raises:
      IlsvrcError: what the user can act on; DestinationError where a data set made with other options, or of other images than
        the source has now, is there.
    """
    require_local(data_dir)
    builder = Ilsvrc2012(
        source=source,
        data_dir=data_dir,
        config=config,
        workers=workers,
        runner=runner,
        num_shards=num_shards,
        splits=splits,
        allow_incomplete=allow_incomplete,
        on_error=on_error,
        sync=sync,
    )
    download_config = _download_config(max_examples, overwrite)
    if builder.is_prepared() and not overwrite:
        wanted = builder.options(download_config, file_format)
        _require_same(builder, wanted)
        _require_same_images(builder, _index_again(builder, download_config, workers))
        _require_all_images(builder, wanted)
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
    workers, splits = options.get("workers"), options.pop("splits", None)
    splits = None if splits is None else own_splits(splits)
    builders = [Ilsvrc2012(source=source, data_dir=data_dir, config=name, splits=splits) for name in names]
    missing = [builder for builder in builders if overwrite or not builder.is_prepared()]
    download_config = _download_config(options.get("max_examples"), overwrite)
    if missing:
        wanted = {Path(b.data_path): b.options(download_config, options.get("file_format")) for b in missing}
        if not isinstance(source, Index):
            with LocalRunner(workers) as runner:
                source = find_images([source], runner, splits)
        require_room(source, wanted)
    else:  # one index to compare both with
        source = _index_again(builders[0], download_config, workers) or source
    return {
        name: prepare(source, data_dir, config=name, splits=splits, overwrite=overwrite, **options) for name in names
    }


def _download_config(max_examples: int | None, overwrite: bool) -> tfds.download.DownloadConfig:
    if max_examples is not None:
        require_whole(max_examples=max_examples)
    modes = tfds.GenerateMode
    return tfds.download.DownloadConfig(
        download_mode=modes.REUSE_CACHE_IF_EXISTS if overwrite else modes.REUSE_DATASET_IF_EXISTS,
        max_examples_per_split=max_examples,
    )


def _require_same(builder: Ilsvrc2012, wanted: Options) -> None:
    """Raises DestinationError where the data set on disk was made with other options than those wanted."""
    info = builder.info
    made, splits = info.metadata, info.splits
    skipped = "; ".join(f"{split}: {first_few(names)}" for split, names in made.get("skipped_images", {}).items())
    pairs = {
        "images": (made.get("images"), describe_op(wanted.op)),
        "max_examples": (made.get("max_examples_per_split"), wanted.max_examples),
        "file_format": (info.file_format.value, wanted.file_format),
        "num_shards": (
            {split: splits[split].num_shards for split in splits},
            {split: wanted.shards_of(split) or splits[split].num_shards for split in splits},
        ),
        "splits": (sorted(splits), sorted(wanted.splits or splits)),
        "skipped images": (skipped, skipped if wanted.on_error == SKIP else ""),
    }
    differing = [f"{name} {there!r}, not {asked!r}" for name, (there, asked) in pairs.items() if there != asked]
    if differing:
        raise DestinationError(f"{builder.data_dir} is there already, made with {'; '.join(differing)}. {_REPLACE}.")


def _index_again(
    builder: Ilsvrc2012, download_config: tfds.download.DownloadConfig, workers: int | None
) -> Index | None:
    """Returns the index of what a source has now of the wanted splits; None, and says so, where nothing is there any more."""
    splits = builder.options(download_config).splits
    source = builder.candidates(None, download_config)
    if isinstance(source[0], Index):
        return of_splits(
            source[0], None if splits is None else [split for split in splits if split in source[0].splits]
        )
    _log.info("Looking whether %s is still what %s was made of.", first_few(source), builder.data_dir)
    try:
        places = find_layout(source).places
        there = [place.split for place in places if splits is None or place.split in splits]
        if there:
            with LocalRunner(workers) as runner:
                return find_images(source, runner, there)
    except NotFoundError:
        pass
    _log.warning(
        "The images of %s are not in %s any more: they were not compared.", builder.data_dir, first_few(source)
    )
    return None


def _require_same_images(builder: Ilsvrc2012, index: Index | None) -> None:
    """Raises DestinationError where the source has other images now than those that the data set on disk was made of."""
    if index is None:
        return
    made, examples = builder.info.metadata, {name: split.num_examples for name, split in builder.info.splits.items()}
    gone = [split for split in examples if split not in index.splits]
    if gone:
        _log.warning("The split %s is not in %s any more: it was not compared.", first_few(gone), index.source)
    skipped = made.get("skipped_images", {})
    there = Made(Path(builder.data_dir), examples, made.get("max_examples_per_split"), recorded_images(made), skipped)
    found = differences(index, there)
    if not found:
        return
    texts = "; ".join(f"{split}: {text}" for split, text in found.items())
    keep = (
        f" Or, to go without what is new, --splits {','.join(examples)}." if not found.keys() & examples.keys() else ""
    )
    raise DestinationError(
        f"{builder.data_dir} is there already, and {index.source} has other images than it was made of ({texts}). {_REPLACE}.{keep}"
    )


def _require_all_images(builder: Ilsvrc2012, wanted: Options) -> None:
    """Raises DestinationError where the data set on disk is incomplete, and that is not allowed."""
    splits = builder.info.splits
    expected = ("train", "val") if wanted.splits is None else wanted.splits
    missing = {split: "all images" for split in expected if split not in splits}
    missing |= {split: text for split, text in builder.info.metadata.get("missing", {}).items() if split in splits}
    if missing and not wanted.allow_incomplete:
        texts = "; ".join(f"{split}: {text}" for split, text in missing.items())
        raise DestinationError(
            f"{builder.data_dir} is there already, with missing images ({texts}). Allow it (--allow-incomplete); or complete the "
            "source and replace it with --overwrite (overwrite=True), or choose another data directory."
        )
