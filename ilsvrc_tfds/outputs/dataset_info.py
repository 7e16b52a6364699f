"""TFDS's description of a data set: errors that a user can act on, other formats beside the shards, and on disk in time."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import tensorflow_datasets as tfds

from ilsvrc_tfds.errors import SourceError, unreadable
from ilsvrc_tfds.formats.folder import INFO_NAME, MAX_INFO_BYTES
from ilsvrc_tfds.storage.files import sync_file, sync_folder


class DatasetInfo(tfds.core.DatasetInfo):
    """What TFDS writes and reads as `dataset_info.json`, and the files beside it.

    Attributes:
      sync: Whether `write_to_directory` returns only once all files in the folder are on disk.
    """

    sync = True

    @property
    def alternative_file_formats(self) -> list[tfds.core.FileFormat]:
        """Formats that `tfds convert_format` has added. TFDS forgets them when a builder with code reads its info."""
        return [tfds.core.FileFormat.from_value(name) for name in self.as_proto.alternative_file_formats]

    @property
    def metadata(self) -> tfds.core.Metadata | None:
        """How the data was made, from `metadata.json`, which TFDS reads late. Raises SourceError as `read_from_directory`."""
        with _source_errors(Path(self.data_dir, "metadata.json")):
            return super().metadata

    def read_from_directory(self, dataset_info_dir: os.PathLike | str) -> None:
        """Reads the info of a folder. Raises SourceError if it cannot be read or makes no sense."""
        path = Path(dataset_info_dir, INFO_NAME)
        with _source_errors(path):
            if os.path.getsize(path) > MAX_INFO_BYTES:
                raise ValueError(f"it has more than {MAX_INFO_BYTES:,} bytes")
            super().read_from_directory(dataset_info_dir)

    def write_to_directory(self, dataset_info_dir: os.PathLike | str, all_metadata: bool = True) -> None:
        """Writes the info into a folder, which TFDS then gives its final name: all in it has to be on disk before that."""
        super().write_to_directory(dataset_info_dir, all_metadata)
        if self.sync:
            folder = Path(dataset_info_dir)
            _sync([*filter(Path.is_file, folder.iterdir())], folder)
            # Which config is the default one; TFDS has written it already.
            default = folder.parents[1] / ".config" / "metadata.json"
            if default.is_file():
                _sync([default], default.parent)
                sync_folder(default.parents[1])


@contextlib.contextmanager
def _source_errors(path: Path) -> Iterator[None]:
    """Raises SourceError for what TFDS says of a file: what its parsers raise, and an error of its own around that of the system."""
    try:
        yield
    except Exception as error:
        refusal = error.__cause__ or error
        if isinstance(refusal, OSError):
            raise unreadable(path, refusal) from error
        advice = "Move its folder away and prepare the data set again."
        raise SourceError(f"{path} makes no sense ({error!r:.200}). {advice}") from error


def _sync(files: list[Path], folder: Path) -> None:
    for path in files:
        sync_file(path)
    sync_folder(folder)
