"""What a power failure may leave of a command: all changes it makes in a folder are recorded, and replayed on a disk that forgets.

POSIX promises that a file's bytes are on disk after fsync of the file, and names in a folder after fsync of the folder; a rename
happens wholly or not at all. Of everything else any part may be lost: a new name may be there while older ones are not.
"""

import contextlib
import dataclasses
import os
import sys
from collections.abc import Iterator
from pathlib import Path

_WRITING = os.O_WRONLY | os.O_RDWR
# Of a group of changes that is larger, no single ones are tried.
_MOST_SINGLE = 60


class State(dict[str, bytes | None]):
    """A file's bytes, or None for a folder, by the path; `links` are groups of paths of one file."""

    links: list[list[str]] = []


@dataclasses.dataclass(eq=False)
class File:
    """A file: its bytes as far as they are known, and those that were synced."""

    data: bytes = b""
    synced: bytes | None = None


@dataclasses.dataclass(eq=False)
class Folder:
    """A folder: its entries now, and those that are on disk."""

    entries: dict[str, "File | Folder"] = dataclasses.field(default_factory=dict)
    synced: dict[str, "File | Folder"] = dataclasses.field(default_factory=dict)


# Names of folders that get an entry, or None in its place: one change, whole or not at all.
Change = tuple[tuple[Folder, str, File | Folder | None], ...]


class Disk:
    """A file system, and the changes of names that it has not written yet."""

    def __init__(self, tree: State, *, synced: bool = True):
        """Makes a disk with these files, whose names are on it, and their bytes if they are `synced`."""
        self._root, self._pending = Folder(), []
        for path, data in sorted(tree.items()):
            folder, name = self._place(path)
            node = Folder() if data is None else File(data, data if synced else None)
            folder.entries[name] = folder.synced[name] = node

    def apply(self, event: tuple) -> None:
        """Makes a change as it was recorded; one that failed then fails here."""
        kind, *arguments = event
        getattr(self, f"_{kind}")(*arguments)

    def files(self) -> State:
        """Returns what can be seen now."""
        return State(
            {
                path: node.data if isinstance(node, File) else None
                for path, node in _walk(self._root, lambda f: f.entries)
            }
        )

    def after_power_failure(self) -> Iterator[State]:
        """Yields what may be there when the power comes back."""
        for chosen in self._choices():
            overlay = {}
            for change in chosen:
                for folder, name, node in change:
                    entries = overlay.setdefault(id(folder), dict(folder.synced))
                    entries.update({name: node}) if node is not None else entries.pop(name, None)
            nodes = list(_walk(self._root, lambda folder: overlay.get(id(folder), folder.synced)))
            links = {}
            for path, node in nodes:
                links.setdefault(id(node), []).append(path)
            unsynced = any(isinstance(node, File) and node.synced is None for _, node in nodes)
            for lost in (lambda data: b"", lambda data: bytes(len(data) or 64), lambda data: data)[
                : None if unsynced else 1
            ]:
                state = State({path: None if isinstance(node, Folder) else _kept(node, lost) for path, node in nodes})
                state.links = [paths for paths in links.values() if len(paths) > 1]
                yield state

    def _choices(self) -> Iterator[list[Change]]:
        """Yields which pending changes are written: none, all, those of one folder, one alone, and all but these."""
        yield from ([], self._pending)
        groups = {}
        for change in self._pending:
            groups.setdefault(id(change[0][0]), []).append(change)
        for group in groups.values():
            for part in (group, *([change] for change in group if 1 < len(group) <= _MOST_SINGLE)):
                yield part
                chosen = set(map(id, part))
                yield [change for change in self._pending if id(change) not in chosen]

    def _place(self, path: str) -> tuple[Folder | None, str]:
        *above, name = path.split("/")
        folder = self._root
        for part in above:
            folder = folder.entries.get(part) if isinstance(folder, Folder) else None
        return folder if isinstance(folder, Folder) else None, name

    def _node(self, path: str) -> File | Folder | None:
        folder, name = self._place(path)
        return folder.entries.get(name) if folder is not None else None

    def _change(self, *effects: tuple[Folder, str, File | Folder | None]) -> None:
        for folder, name, node in effects:
            folder.entries.update({name: node}) if node is not None else folder.entries.pop(name, None)
        self._pending.append(effects)

    def _open(self, path: str, flags: int) -> None:
        (folder, name), node = self._place(path), self._node(path)
        if node is None and flags & os.O_CREAT and folder is not None:
            self._change((folder, name, File()))
        elif isinstance(node, File):
            node.synced = None
            node.data = b"" if flags & os.O_TRUNC else node.data

    def _mkdir(self, path: str) -> None:
        folder, name = self._place(path)
        if folder is not None and name not in folder.entries:
            self._change((folder, name, Folder()))

    def _rename(self, path: str, target: str, data: bytes | None) -> None:
        node, (folder, name) = self._seen(path, data), self._place(target)
        if node is not None and folder is not None:
            self._change((folder, name, node), (*self._place(path), None))

    def _link(self, path: str, target: str, data: bytes | None) -> None:
        node, (folder, name) = self._seen(path, data), self._place(target)
        if node is not None and folder is not None and name not in folder.entries:
            self._change((folder, name, node))

    def _seen(self, path: str, data: bytes | None) -> File | Folder | None:
        node = self._node(path)
        if isinstance(node, File) and data is not None:
            node.data = data
        return node

    def _remove(self, path: str) -> None:
        if isinstance(self._node(path), File):
            self._change((*self._place(path), None))

    def _rmdir(self, path: str) -> None:
        node = self._node(path)
        if isinstance(node, Folder) and not node.entries:
            self._change((*self._place(path), None))

    def _sync(self, path: str, data: bytes | None) -> None:
        node = self._seen(path, data) if path else self._root
        if isinstance(node, File):
            node.synced = node.data
        elif node is not None:
            self._settle([change for change in self._pending if any(folder is node for folder, _, _ in change)])

    def _sync_all(self, tree: State) -> None:
        for path, data in tree.items():
            node = self._seen(path, data)
            if isinstance(node, File):
                node.synced = node.data
        self._settle(list(self._pending))

    def _settle(self, changes: list[Change]) -> None:
        for change in changes:
            self._pending.remove(change)
            for folder, name, node in change:
                folder.synced.update({name: node}) if node is not None else folder.synced.pop(name, None)


def _walk(folder: Folder, entries_of, above: str = "") -> Iterator[tuple[str, File | Folder]]:
    for name, node in entries_of(folder).items():
        yield above + name, node
        if isinstance(node, Folder):
            yield from _walk(node, entries_of, f"{above}{name}/")


def _kept(file: File, lost) -> bytes:
    return lost(file.data) if file.synced is None else file.synced


def read_tree(root: Path) -> State:
    """Returns what is in a folder."""
    return State(
        {os.fspath(path.relative_to(root)): path.read_bytes() if path.is_file() else None for path in root.rglob("*")}
    )


def write_tree(state: State, root: Path) -> None:
    """Makes a folder with these files."""
    root.mkdir(parents=True)
    for path, data in sorted(state.items()):
        (root / path).mkdir() if data is None else (root / path).write_bytes(data)
    for first, *others in state.links:
        for path in others:
            (root / path).unlink()
            os.link(root / first, root / path)


class Recorder:
    """Notes changes below a folder in the order in which this process makes them; `events` are what `Disk.apply` takes."""

    def __init__(self, root: Path):
        self._root, self.events = f"{root}/", []

    def hook(self, event: str, arguments: tuple) -> None:
        """An audit hook: called before each change."""
        if event == "open" and isinstance(arguments[0], (str, bytes)) and arguments[2] & _WRITING:
            self._note("open", arguments[0], arguments[2])
        elif event in ("os.mkdir", "os.remove", "os.rmdir"):
            self._note(event[3:], self._resolved(arguments[0], arguments[-1]))
        elif event in ("os.rename", "os.link"):
            path, target = (self._resolved(*pair) for pair in zip(arguments[:2], arguments[2:]))
            if self._inside(path):
                self._note(event[3:], path, self._relative(target), _data(path))
        elif event in ("os.truncate", "os.symlink") and self._inside(arguments[0]):
            raise NotImplementedError(event)

    def synced(self, descriptor: int) -> None:
        """Called after fsync."""
        path = os.readlink(f"/proc/self/fd/{descriptor}")
        self._note("sync", path, _data(path)) if path + "/" != self._root else self.events.append(("sync", "", None))

    def all_synced(self) -> None:
        """Called after syncfs."""
        self.events.append(("sync_all", read_tree(Path(self._root))))

    def _note(self, kind: str, path: str | bytes, *arguments) -> None:
        if self._inside(path):
            self.events.append((kind, self._relative(path), *arguments))

    def _inside(self, path: str | bytes) -> bool:
        return os.path.abspath(os.fsdecode(path)).startswith(self._root)

    def _relative(self, path: str | bytes) -> str:
        return os.path.abspath(os.fsdecode(path)).removeprefix(self._root)

    def _resolved(self, path, descriptor: int) -> str:
        folder = os.readlink(f"/proc/self/fd/{descriptor}") if descriptor >= 0 else ""
        return os.path.join(folder, os.fsdecode(path))


def _data(path: str) -> bytes | None:
    with contextlib.suppress(OSError), open(path, "rb") as file:
        return file.read()
    return None


_recorders = []


def _hook(event: str, arguments: tuple) -> None:
    for recorder in _recorders or ():  # None when the interpreter ends
        recorder.hook(event, arguments)


@contextlib.contextmanager
def recorded(root: Path, monkeypatch) -> Iterator[list[tuple]]:
    """Yields the changes that this process makes in a folder until the block ends; they are all there then."""
    from ilsvrc_tfds.outputs import unpack

    if not hasattr(_hook, "added"):
        sys.addaudithook(_hook)  # for ever
        _hook.added = True
    recorder, fsync, sync_file_system = Recorder(root), os.fsync, unpack.sync_file_system
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", lambda descriptor: (fsync(descriptor), recorder.synced(descriptor)))
        patched.setattr(unpack, "sync_file_system", lambda folder: (sync_file_system(folder), recorder.all_synced()))
        _recorders.append(recorder)
        try:
            yield recorder.events
        finally:
            _recorders.remove(recorder)
