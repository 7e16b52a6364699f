"""Folders of images on disk, and the same folders inside a plain tar, which is read in place."""

import dataclasses
import os
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol, TypeAlias

from ilsvrc_tfds.errors import SourceError, first_few, shown, unreadable
from ilsvrc_tfds.storage.regular import require_regular

# What file servers, macOS and Windows leave in folders, beside names that begin with a dot (`._x`, `.DS_Store`).
_LEFTOVERS = frozenset({"@eaDir", "__MACOSX", "Thumbs.db", "desktop.ini"})
# By the end of its name. What an image is, its bytes tell: ImageNet-R has other formats that are named .jpg.
_IMAGES = (".jpeg", ".jpg", ".png", ".webp", ".gif", ".bmp")
_WAYS = {(".tar.gz", ".tgz", ".tar.bz2", ".tar.xz"): "tar -xf", (".zip",): "unzip"}

WHOLE_FILE = -1


@dataclasses.dataclass(frozen=True)
class File:
    """The place of an image.

    Attributes:
      path: Path of the file, or of the archive that it is in.
      member: Name in the archive, or "".
      offset: Offset of the first byte.
      size: Number of bytes, or WHOLE_FILE.

    >>> File("/data/imagenet-a.tar", "imagenet-a/n01498041/a.jpg", 1536, 2048).name
    'a.jpg'
    """

    path: str
    member: str = ""
    offset: int = 0
    size: int = WHOLE_FILE

    @property
    def name(self) -> str:
        """Name of the image, without its folders."""
        return os.path.basename(self.member or self.path)

    @property
    def where(self) -> str:
        """Path of the image, for messages."""
        return shown(f"{self.path}: {self.member}" if self.member else self.path)


Listing: TypeAlias = "tuple[Mapping[str, Tree], Mapping[str, File]]"


class Tree(Protocol):
    """A folder, on disk or in an archive."""

    @property
    def where(self) -> str:
        """Path of the folder, for messages."""

    def listing(self) -> Listing:
        """Returns the folders and the files in this folder by their names, sorted. Leftovers are passed over."""


@dataclasses.dataclass(frozen=True)
class DiskTree:
    """A folder on disk. It is listed anew by each call, so that millions of names need not be kept.

    >>> folders, files = DiskTree("/data/imagenet").listing()
    >>> list(files)
    ['ILSVRC2012_img_train.tar', 'ILSVRC2012_img_val.tar']
    """

    path: str

    @property
    def where(self) -> str:
        """Path of the folder, for messages."""
        return shown(self.path)

    def listing(self) -> Listing:
        """Returns the folders and the files in this folder, sorted. Raises SourceError if it cannot be read."""
        folders: dict[str, Tree] = {}
        files: dict[str, File] = {}
        try:
            with os.scandir(self.path) as entries:
                for entry in sorted(entries, key=lambda entry: entry.name):
                    if _is_leftover(entry.name):
                        continue
                    if entry.is_dir():
                        folders[entry.name] = DiskTree(entry.path)
                    else:
                        files[entry.name] = File(entry.path)
        except OSError as error:
            raise unreadable(self.path, error) from error
        return folders, files


@dataclasses.dataclass(frozen=True, eq=False)
class TarTree:
    """A folder in a plain tar."""

    path: str
    name: str
    folders: dict[str, Tree] = dataclasses.field(default_factory=dict)
    files: dict[str, File] = dataclasses.field(default_factory=dict)

    @property
    def where(self) -> str:
        """Path of the archive and of the folder in it, for messages."""
        return shown(f"{self.path}: {self.name}" if self.name else self.path)

    def listing(self) -> Listing:
        """Returns the folders and the files in this folder, sorted."""
        return dict(sorted(self.folders.items())), dict(sorted(self.files.items()))

    def below(self, names: list[str]) -> "TarTree":
        """Returns the folder at these names, and creates it and those above it if they are missing."""
        tree = self
        for name in names:
            below = tree.folders.setdefault(name, TarTree(self.path, f"{tree.name}{name}/"))
            assert isinstance(below, TarTree)
            tree = below
        return tree


def open_tree(path: str | os.PathLike) -> Tree:
    """Returns a folder or a plain tar as a tree.

    Raises SourceError for an archive that cannot be read in place, and for a path that does not exist.

    >>> open_tree("/data/imagenet").where
    '/data/imagenet'
    """
    path = Path(path)
    try:
        require_regular(path)
        is_folder = path.is_dir()
    except OSError as error:
        raise unreadable(path, error) from error
    if is_folder:
        return DiskTree(os.fspath(path))
    name = path.name.lower()
    for ends, way in _WAYS.items():
        if name.endswith(ends):
            raise SourceError(
                f"{shown(str(path))} is a compressed archive, whose images cannot be read in place. Unpack it "
                f"(`{way} {shown(path.name)}`), and name the folder."
            )
    if name.endswith(".tar"):
        return _tar(os.fspath(path))
    raise SourceError(f"{shown(str(path))} is a file; expected a folder of images, a plain .tar, or real.json.")


def require_images(tree: Tree, files: Mapping[str, File]) -> None:
    """Raises SourceError if a file is not an image by its name: it would be left out, or fail in the middle of a run.

    Args:
      tree: Folder of the files, for the message.
      files: Files of the folder.
    """
    others = [shown(name) for name in files if not is_image(name)]
    if others:
        raise SourceError(f"{tree.where} has files that are not images: {first_few(others)}. Move them away.")


def is_image(name: str) -> bool:
    """Returns whether a file is an image by its name.

    >>> is_image("art_0.JPG"), is_image("README.txt")
    (True, False)
    """
    return name.lower().endswith(_IMAGES)


def _is_leftover(name: str) -> bool:
    return name.startswith(".") or name in _LEFTOVERS


def _tar(path: str) -> TarTree:
    root = TarTree(path, "")
    try:
        size = os.stat(path).st_size
        with tarfile.open(path, "r:") as archive:
            for member in archive:
                _add(root, member, size)
    except OSError as error:
        raise unreadable(path, error) from error
    except tarfile.TarError as error:
        raise SourceError(f"{shown(path)} is damaged or ends early ({error}). Get it again.") from error
    return root


def _add(root: TarTree, member: tarfile.TarInfo, archive_size: int) -> None:
    *folders, name = [part for part in member.name.split("/") if part not in ("", ".")] or [""]
    if member.isdir() or any(map(_is_leftover, (*folders, name))):
        return
    where = f"{root.where}: {shown(member.name)}"
    if not member.isreg() or member.issparse():
        raise SourceError(f"{where} is not a plain file. Unpack the archive, and name the folder.")
    if member.offset_data + member.size > archive_size:
        raise SourceError(f"{where} ends behind the end of the archive. Get the archive again.")
    files = root.below(folders).files
    if name in files:
        raise SourceError(f"{where} occurs twice. Get the archive again.")
    files[name] = File(root.path, member.name, member.offset_data, member.size)
