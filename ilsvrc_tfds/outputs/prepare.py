"""Prepares data sets in a data directory, or checks that existing ones are what was asked for."""

import contextlib
import logging
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds

from ilsvrc_tfds.errors import DestinationError, NotFoundError, first_few, require_integers
from ilsvrc_tfds.formats.info import INFO_NAME
from ilsvrc_tfds.formats.naming import TFRECORD, own_splits
from ilsvrc_tfds.images import describe_op
from ilsvrc_tfds.outputs.builder import Ilsvrc2012
from ilsvrc_tfds.outputs.comparison import require_whole
from ilsvrc_tfds.outputs.data_set import Options, difference, require_room
from ilsvrc_tfds.outputs.description import Ilsvrc2012Config
from ilsvrc_tfds.outputs.existing import REPLACE, require_same_images
from ilsvrc_tfds.outputs.in_buckets import to_buckets
from ilsvrc_tfds.outputs.replaceable import require_not_read
from ilsvrc_tfds.outputs.scratch import discard_finished, require_outside
from ilsvrc_tfds.outputs.shared_spool import SharedSpool, discard_spools
from ilsvrc_tfds.outputs.subset_config import config_of, options_of_lists
from ilsvrc_tfds.runners import LocalRunner, Runner
from ilsvrc_tfds.shards.writer import SKIP, STOP
from ilsvrc_tfds.sources import Index, find_layout
from ilsvrc_tfds.sources.completeness import is_as_recorded, of_splits
from ilsvrc_tfds.sources.copies import keeping
from ilsvrc_tfds.sources.find import find_images, index_layout
from ilsvrc_tfds.sources.subset_lists import Classes, Images, as_subset
from ilsvrc_tfds.storage.files import require_local

_log = logging.getLogger(__name__)


def _folder_of_config(arguments: Mapping[str, Any]) -> list[str]:
    """Returns the path of the data set below the data directory."""
    subset = as_subset(arguments["classes"], arguments["relabel"], arguments["images"])
    config = config_of(arguments["config"], subset, arguments["name"])
    return [_folder(config if isinstance(config, str) else config.name)]


def _folders_of_configs(arguments: Mapping[str, Any]) -> list[str]:
    lists = (arguments.get("classes"), arguments.get("relabel", False), arguments.get("images"))
    subset, name = as_subset(*lists), arguments.get("name")
    configs = [config_of(config.name, subset, name) for config in Ilsvrc2012.BUILDER_CONFIGS]
    return [_folder(config if isinstance(config, str) else config.name) for config in configs]


def _folder(config: str) -> str:
    return f"{Ilsvrc2012.name}/{config}/{Ilsvrc2012.VERSION}"


@to_buckets("data_dir", _folder_of_config)
def prepare(
    source: str | os.PathLike | Index,
    data_dir: str | os.PathLike,
    *,
    config: str | Ilsvrc2012Config = "classification",
    workers: int | None = None,
    runner: Runner | None = None,
    num_shards: int | Mapping[str, int] | None = None,
    file_format: str | None = None,
    max_examples: int | None = None,
    splits: Iterable[str] | None = None,
    classes: Classes | None = None,
    relabel: bool = False,
    images: Images | None = None,
    name: str | None = None,
    allow_incomplete: bool | None = None,
    on_error: str = STOP,
    overwrite: bool = False,
    sync: bool = True,
    scratch: str | os.PathLike | None = None,
    break_lock: bool = False,
) -> Ilsvrc2012:
    """Prepares one config and returns its builder.

    If an earlier run of the same call was stopped, this run resumes it: finished shards are not written again. If the
    data set already exists, the source is indexed and compared with the images that the data set was made of. If the
    source does not exist any more, it is not compared, and a warning says so.

    >>> import ilsvrc_tfds
    >>> builder = ilsvrc_tfds.prepare("/data/imagenet", "/data/tfds", config="raw256")
    >>> builder.info.splits["train"].num_examples
    12
    >>> builder.as_dataset(split="val", as_supervised=True).element_spec[0].shape
    TensorShape([None, None, 3])

    Args:
      source: Folder with the archives or images, in any layout; or its index.
      data_dir: TFDS's data directory, or its URL (`gs://…`, `s3://…`). The data set is written to
        `data_dir/ilsvrc2012/<config>/1.0.0`.
      config: Name of the config, or a config of your own: `Ilsvrc2012Config(name="raw160", shorter_side=160)`.
      workers: Number of worker processes on this machine; None uses all cores.
      runner: Engine that writes the shards on other machines; see `Ilsvrc2012`.
      num_shards: Number of shards of every split, or of each: `{"train": 256}`; None follows from the size of the data.
      file_format: One of TFDS's file formats; None means `tfrecord`.
      max_examples: Largest number of examples of each split, for a trial; None takes all.
      splits: Splits to take; see `Ilsvrc2012`.
      classes: For a subset, the path of a list of wnids, or the wnids themselves. It has no test split.
      relabel: Whether the classes are numbered 0, 1, … in the order of the list. Otherwise labels stay in [0, 1000).
      images: For a subset, the path of a list of official file names, or the names themselves, with or without `.JPEG`.
        The list concerns the splits whose images it names. With `classes`, only its images of these classes are taken.
      name: Name of the subset, which comes before that of the config: `imagenet100` makes `imagenet100-raw256`.
      allow_incomplete: Whether splits or images may be missing; see `Ilsvrc2012`.
      on_error: `stop` to fail at a damaged image, or `skip` to leave it out; see `Ilsvrc2012`.
      overwrite: Whether an existing data set is replaced, once the new one is finished.
      sync: Whether all files must be on disk before they get their final names; see `Ilsvrc2012`.
      scratch: Folder for images that are written in between, see `Ilsvrc2012`, and for shards until they are uploaded.
      break_lock: Whether to take the place of a run that has been silent for two minutes, if `data_dir` is a URL.

    Raises:
      DestinationError: A data set exists that is not whole, was made with other options or from other images than the
        source has now, or was made without images that can be used now.
      IlsvrcError: Something else that the user can act on, such as a damaged image; see `ilsvrc_tfds.errors`.
    """
    require_local(data_dir)
    builder = Ilsvrc2012(
        source=source,
        data_dir=data_dir,
        config=config_of(config, as_subset(classes, relabel, images), name),
        workers=workers,
        runner=runner,
        num_shards=num_shards,
        splits=splits,
        allow_incomplete=allow_incomplete,
        on_error=on_error,
        sync=sync,
        scratch=scratch,
    )
    download_config = _download_config(max_examples, overwrite)
    if builder.is_prepared() and not overwrite:
        wanted = builder.options(download_config, file_format)
        discard_spools(wanted.spool(Path(builder.data_dir)), Path(builder.data_dir))
        _require_same(builder, wanted)
        require_whole(Path(builder.data_dir))
        index = _index_again(builder, download_config, workers)
        index = index and wanted.subset.of(index, allow_incomplete=True)
        require_same_images(builder, index, wanted)
        _require_all_images(builder, wanted, index)
        _log.info("%s is prepared already.", builder.data_dir)
        return builder
    builder.download_and_prepare(download_config=download_config, file_format=file_format or TFRECORD)
    own_spool = builder.options(download_config, file_format).spool(Path(builder.data_dir))
    discard_spools(own_spool, Path(builder.data_dir))
    return builder


@to_buckets("data_dir", _folders_of_configs)
def prepare_all(
    source: str | os.PathLike | Index, data_dir: str | os.PathLike, *, overwrite: bool = False, **options: Any
) -> dict[str, Ilsvrc2012]:
    """Prepares every config from one index of the source, and returns the builders by name.

    >>> import ilsvrc_tfds
    >>> list(ilsvrc_tfds.prepare_all("/data/imagenet", "/data/tfds"))
    ['classification', 'raw256']

    Args:
      source: Folder with the archives or images, in any layout; or its index.
      data_dir: TFDS's data directory, or its URL.
      overwrite: Whether existing data sets are replaced, each once the new one is finished.
      **options: Other options of `prepare`, except `config`.

    Raises:
      DestinationError: There is too little space for all data sets, which is checked before any is written.
      IlsvrcError: See `prepare`.
    """
    require_local(data_dir)
    names = [config.name for config in Ilsvrc2012.BUILDER_CONFIGS]
    workers, splits = options.get("workers"), options.pop("splits", None)
    splits = None if splits is None else own_splits(splits)
    lists = options.pop("classes", None), options.pop("relabel", False), options.pop("images", None)
    subset, subset_name = as_subset(*lists), options.pop("name", None)
    configs = [config_of(name, subset, subset_name) for name in names]
    common: dict[str, Any] = {"splits": splits, "allow_incomplete": options.get("allow_incomplete")}
    builders = [Ilsvrc2012(source=source, data_dir=data_dir, config=config, **common) for config in configs]
    require_outside(options.get("scratch"), [Path(builder.data_path) for builder in builders])
    missing = [builder for builder in builders if overwrite or not builder.is_prepared()]
    download_config = _download_config(options.get("max_examples"), overwrite)
    shared = SharedSpool(Path(builders[0].data_path).parents[1], splits, options)
    with contextlib.ExitStack() as stack:
        if missing:
            wanted = {Path(b.data_path): b.options(download_config, options.get("file_format")) for b in missing}
            first = next(iter(wanted.values()))  # all have the same splits, subset and number of examples
            is_shared = len(missing) > 1 or shared.is_begun()
            is_copied = is_shared and first.takes_all and options.get("runner") is None
            with LocalRunner(workers) as local:
                shares = {destination: options.share for destination, options in wanted.items()}
                stack.enter_context(keeping(shared.spool if is_copied else None, splits, local, shares))
                if not isinstance(source, Index):
                    source = find_images([source], local, splits)
                for destination in wanted:
                    require_not_read(destination, source)
                source = first.chosen(source)
                needed = require_room(source, wanted)
                if is_shared:
                    source = stack.enter_context(shared.filled(source, needed, local, first.taken(source)))
        else:  # one index to compare both with
            source = _index_again(builders[0], download_config, workers) or source
        made = {}
        # Those that are there are only compared, which may fail before hours of work.
        there_first = sorted(builders, key=missing.__contains__)
        for config in (builder.builder_config for builder in there_first):
            made[config.name] = prepare(source, data_dir, config=config, splits=splits, overwrite=overwrite, **options)
    discard_finished(shared.spool, [Path(builder.data_path, INFO_NAME) for builder in builders])
    return {builder.builder_config.name: made[builder.builder_config.name] for builder in builders}


def _download_config(max_examples: int | None, overwrite: bool) -> tfds.download.DownloadConfig:
    if max_examples is not None:
        require_integers(max_examples=max_examples)
    modes = tfds.GenerateMode
    return tfds.download.DownloadConfig(
        download_mode=modes.REUSE_CACHE_IF_EXISTS if overwrite else modes.REUSE_DATASET_IF_EXISTS,
        max_examples_per_split=max_examples,
    )


def _require_same(builder: Ilsvrc2012, wanted: Options) -> None:
    """Raises DestinationError if the data set on disk was made with other options than the wanted ones."""
    info = builder.info
    made, splits = info.metadata, info.splits
    wanted.require_splits(splits)
    pairs = {
        "images": (made.get("images"), describe_op(wanted.op)),
        "max_examples": (made.get("max_examples_per_split"), wanted.max_examples),
        "file_format": (info.file_format.value, wanted.file_format),
        "num_shards": (
            {split: splits[split].num_shards for split in splits},
            {split: wanted.shards_of(split) or splits[split].num_shards for split in splits},
        ),
        "splits": (sorted(splits), sorted(wanted.splits or splits)),
        **options_of_lists(made.get("subset"), wanted.subset),
    }
    differing = [difference(name, *values) for name, values in pairs.items() if values[0] != values[1]]
    skipped = "; ".join(f"{split}: {first_few(names)}" for split, names in made.get("skipped_images", {}).items())
    if skipped and wanted.on_error != SKIP:
        differing.append(f"without damaged images ({skipped}), which --on-error skip (on_error='skip') accepts")
    if differing:
        raise DestinationError(f"{builder.data_dir} exists already, made {'; '.join(differing)}. {REPLACE}.")


def _index_again(
    builder: Ilsvrc2012, download_config: tfds.download.DownloadConfig, workers: int | None
) -> Index | None:
    """Returns a new index of the wanted splits that the source still has, or None after a warning if it has none."""
    splits = builder.options(download_config).splits
    if isinstance(builder.source, Index):
        index = builder.source
        return of_splits(index, None if splits is None else [split for split in splits if split in index.splits])
    source = builder.candidates(None, download_config)
    _log.info("Comparing %s with the images that %s was made of.", first_few(source), builder.data_dir)
    try:
        layout = find_layout(source, splits)
        there = [place.split for place in layout.places if splits is None or place.split in splits]
        if there:
            with LocalRunner(workers) as runner:
                return index_layout(layout.only(there), runner)
    except NotFoundError:
        pass
    _log.warning("The images of %s are no longer in %s: they were not compared.", builder.data_dir, first_few(source))
    return None


def _require_all_images(builder: Ilsvrc2012, wanted: Options, index: Index | None) -> None:
    """Raises DestinationError if the data set on disk is incomplete, and that is not allowed."""
    splits = builder.info.splits
    expected = ("train", "val") if wanted.splits is None else wanted.splits
    missing = {split: "all images" for split in expected if split not in splits}
    missing |= {split: text for split, text in builder.info.metadata.get("missing", {}).items() if split in splits}
    if not wanted.allow_incomplete and any(index is None or not is_as_recorded(index, split) for split in missing):
        texts = "; ".join(f"{split}: {text}" for split, text in missing.items())
        raise DestinationError(
            f"{builder.data_dir} exists already, with missing images ({texts}). Allow it (--allow-incomplete); or "
            "complete the source and replace it with --overwrite (overwrite=True), or choose another data directory."
        )
