"""TFDS's description of a data set, with errors that a user can act on, and written safely to disk."""

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import tensorflow_datasets as tfds
from etils import epath

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import SourceError, unreadable
from ilsvrc_tfds.formats import json_values
from ilsvrc_tfds.formats.info import INFO_NAME, LABELS_NAME, MAX_INFO_BYTES, named_labels, senseless
from ilsvrc_tfds.storage.bucket import bucket_url
from ilsvrc_tfds.storage.files import destination_errors, sync_folder, write_whole
from ilsvrc_tfds.storage.regular import require_regular
from ilsvrc_tfds.storage.uploads import upload_beside

# Files that TFDS reads with its info.
_READ_BESIDE = ("features.json", LABELS_NAME)


def features_of(wnids: Sequence[str]) -> tfds.features.FeaturesDict:
    """Returns TFDS's features of a record, whose labels are the positions of these wnids.

    >>> features_of(["n01491361", "n01440764"])["label"].str2int("n01440764")
    1
    """
    return tfds.features.FeaturesDict(
        {
            "image": tfds.features.Image(encoding_format="jpeg"),
            "label": tfds.features.ClassLabel(names=list(wnids)),
            "file_name": tfds.features.Text(),
        }
    )


class DatasetInfo(tfds.core.DatasetInfo):
    """TFDS's description of a data set, stored as `dataset_info.json` and the files beside it."""

    def initialize_from_bucket(self) -> None:
        """Does nothing: TFDS's bucket lacks this data set, and the base class would leave a temporary folder."""

    @property
    def alternative_file_formats(self) -> list[tfds.core.FileFormat]:
        """Formats that `tfds convert_format` added. TFDS itself loses them when a builder with code reads its info."""
        return [tfds.core.FileFormat.from_value(name) for name in self.as_proto.alternative_file_formats]

    @property
    def metadata(self) -> tfds.core.Metadata | None:
        """Record of how the data was made, from `metadata.json`.

        TFDS reads this file when the property is first used. Raises SourceError if it cannot be read or parsed.
        """
        path = Path(self.data_dir, "metadata.json")
        with _source_errors(path):
            if path.exists():
                require_regular(path)  # TFDS would wait for a pipe
            metadata = super().metadata
            _check_provenance(metadata or {})
            return metadata

    def replace_metadata(self, values: Mapping[str, object]) -> None:
        """Replaces the record of how the data was made, also if it was read from an older data set."""
        self._metadata = tfds.core.MetadataDict(values)

    def replace_labels(self, wnids: Sequence[str]) -> None:
        """Replaces the names of the labels, also if they were read from an older data set."""
        self._features = features_of(wnids)

    def read_from_directory(self, dataset_info_dir: os.PathLike | str) -> None:
        """Reads the info of a folder. Raises SourceError if it cannot be read or parsed.

        One in a bucket is read as TFDS reads it: through TensorFlow, which needs no other package for gs://.
        """
        if bucket_url(dataset_info_dir):
            self._read_from_bucket(epath.Path(dataset_info_dir))
            return
        path = Path(dataset_info_dir, INFO_NAME)
        with _source_errors(path):
            for name in (INFO_NAME, *_READ_BESIDE):
                if os.path.exists(Path(dataset_info_dir, name)):
                    require_regular(Path(dataset_info_dir, name))
            if os.path.getsize(path) > MAX_INFO_BYTES:
                raise ValueError(f"it has more than {MAX_INFO_BYTES:,} bytes")
            wnids = named_labels(Path(dataset_info_dir)) or synsets.wnids()
            if list(wnids) != self.features["label"].names:  # of another subset, which TFDS would refuse
                self.replace_labels(wnids)
            super().read_from_directory(dataset_info_dir)

    def _read_from_bucket(self, folder: epath.Path) -> None:
        with _source_errors(folder / INFO_NAME):
            wnids = (folder / LABELS_NAME).read_text().split()
            if wnids != self.features["label"].names:
                self.replace_labels(wnids)
            super().read_from_directory(folder)


def write_info(info: tfds.core.DatasetInfo, folder: Path, *, sync: bool = True) -> list[Path]:
    """Writes TFDS's description of a data set: `dataset_info.json`, `features.json` and others, each all or nothing.

    >>> import ilsvrc_tfds
    >>> builder = ilsvrc_tfds.prepare("/data/imagenet", "/data/tfds")
    >>> [path.name for path in write_info(builder.info, Path(builder.data_dir))][:2]
    ['dataset_info.json', 'features.json']

    Args:
      info: Description of the data set.
      folder: Folder to write into.
      sync: Whether the files must be on disk when this returns.

    Returns:
      The paths of the files.

    Raises:
      DestinationError: A file cannot be written.
    """
    with tempfile.TemporaryDirectory() as scratch:
        with destination_errors(scratch):
            info.write_to_directory(scratch)
        written = {path.name: path.read_bytes() for path in sorted(Path(scratch).iterdir())}
    return [write_whole(folder / name, data, sync=sync) for name, data in written.items()]


def write_default_config(folder: Path, name: str, staged: Path, *, sync: bool = True) -> None:
    """Writes which config of a data set is the default one, where TFDS looks for it without the builder's code.

    Args:
      folder: Folder of the data set, `<data_dir>/ilsvrc2012`.
      name: Name of the config.
      staged: Folder in staging, where nobody minds a file that is half written.
      sync: Whether the file is on disk when this returns.

    Raises:
      DestinationError: The file cannot be written.
    """
    path = folder / ".config" / "metadata.json"  # as tfds.core.load_default_config_name reads it
    written = write_whole(staged / "default_config.json", json.dumps({"default_config_name": name}).encode(), sync=sync)
    with destination_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        os.replace(written, path)
        if sync:
            sync_folder(path.parent)
            sync_folder(folder)
    upload_beside(path)


def _check_provenance(metadata: Mapping[str, object]) -> None:
    """Raises ValueError if a field of a data set's provenance that is read here is invalid. Fields may be missing."""
    missing, most = metadata.get("missing", {}), metadata.get("max_examples_per_split")
    if not json_values.is_skipped(metadata.get("skipped_images", {})):
        raise ValueError(f"skipped_images cannot be {metadata['skipped_images']!r:.80}")
    if not isinstance(missing, Mapping) or not all(isinstance(text, str) for text in missing.values()):
        raise ValueError(f"missing cannot be {missing!r:.80}")
    if most is not None and type(most) is not int:
        raise ValueError(f"max_examples_per_split cannot be {most!r:.80}")


@contextlib.contextmanager
def _source_errors(path: os.PathLike) -> Iterator[None]:
    """Raises SourceError instead of what TFDS raises for a file: errors of its parsers, and wrapped system errors."""
    try:
        yield
    except SourceError:
        raise
    except Exception as error:
        refusal = error.__cause__ or error
        if isinstance(refusal, OSError):
            raise unreadable(path, refusal) from error
        raise senseless(path, error) from error
