"""What the system refuses: each errno has a cure of its own, in reading and in writing."""

import errno
import os
import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from ilsvrc_tfds.errors import DestinationError, SourceError, counted, system_error, unreadable, unwritable
from ilsvrc_tfds.formats import hdf5, manifest
from ilsvrc_tfds.formats.folder import file_names, find_output
from ilsvrc_tfds.formats.info import read_info
from ilsvrc_tfds.formats.tfrecord import read_records
from ilsvrc_tfds.sources.label_tables import check_ground_truth, check_solution
from ilsvrc_tfds.sources.places import names_in
from ilsvrc_tfds.sources.scan import archive_stamp, open_archive
from ilsvrc_tfds.storage.files import write_whole


def refused(number: int) -> OSError:
    return OSError(number, os.strerror(number))


# The words that a cure turns on.
CURES = {
    errno.EMFILE: ("raise the limit .`ulimit -n 1024`.",) * 2,
    errno.ENFILE: ("fs.file-max",) * 2,
    errno.EACCES: ("permissions of it and of each folder above it",) * 2,
    errno.EPERM: ("permissions of it", "lsattr"),
    errno.EIO: (
        "has failed; `dmesg` says more. Get the file again",
        "has failed; `dmesg` says more. Choose another disk",
    ),
    errno.ESTALE: ("was replaced on the file server. Try again",) * 2,
    errno.ENOLCK: ("cannot lock files. Start its lock service",) * 2,
    errno.ENOSPC: ("full .`df -h` for bytes, `df -i` for files..",) * 2,
    errno.EDQUOT: ("quota",) * 2,
    errno.EROFS: ("mounted read-only",) * 2,
    errno.ENOENT: ("Check the path", "A folder of this path does not exist"),
    errno.ENOTDIR: ("a file and not a folder",) * 2,
    errno.EISDIR: ("It is a folder",) * 2,
    errno.ENAMETOOLONG: ("Choose a shorter one",) * 2,
    errno.ELOOP: ("Links lead in a circle",) * 2,
    errno.EFBIG: ("ulimit -f",) * 2,
    errno.ETXTBSY: ("running this file",) * 2,
    errno.ENOTCONN: ("does not answer",) * 2,
    errno.EXDEV: (
        "Check the path and your permissions",
        "Check the path, your permissions and the free space",
    ),  # no cure of its own
}


@pytest.mark.parametrize("number", CURES, ids=errno.errorcode.get)
def test_errno_has_a_cure_of_its_own(number):
    reading, writing = (str(turned("/data/x", refused(number))) for turned in (unreadable, unwritable))
    said = re.escape(os.strerror(number))
    assert re.match(rf"/data/x cannot be read: {said}\. .*{CURES[number][0]}.*\.$", reading)
    assert re.match(rf"/data/x cannot be written: {said}\. .*{CURES[number][1]}.*\.$", writing)


@pytest.mark.parametrize("turned", [unreadable, unwritable])
def test_no_two_of_the_common_errnos_have_the_same_cure(turned):
    common = (errno.EMFILE, errno.EACCES, errno.EIO, errno.ESTALE, errno.ENOLCK, errno.ENOSPC, errno.EROFS)
    cures = {str(turned("x", refused(number))).partition(os.strerror(number))[2] for number in common}
    assert len(cures) == len(common)


def test_limit_of_open_files_is_named():
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert f"This process may have {limit:,} files open" in str(unreadable("x", refused(errno.EMFILE)))


def test_file_that_the_error_names_is_named():
    error = PermissionError(errno.EACCES, "Permission denied", b"/data/train/n01440764/\xff.JPEG")
    assert str(unreadable("/data/train", error)).startswith(
        r"'/data/train/n01440764/\udcff.JPEG' cannot be read: Permission denied"
    )


def test_error_without_words_says_what_it_is():
    assert str(unreadable("x", TimeoutError())).startswith("x cannot be read: TimeoutError. ")
    assert str(unwritable("x", OSError("RESOURCE_EXHAUSTED."))).startswith(
        "x cannot be written: RESOURCE_EXHAUSTED. Check"
    )


def test_error_that_a_library_has_put_into_words_has_its_cure():
    error = system_error("write() failed: No space left on device; at byte 1048576")
    assert error.errno == errno.ENOSPC and "at byte 1048576. The file system is full" in str(unwritable("x", error))
    assert "x cannot be written: it broke. Check the path, your permissions" in str(
        unwritable("x", system_error("it broke"))
    )


def test_advice_of_the_caller_comes_last():
    assert str(unwritable("x", refused(errno.EROFS), then="It goes on.")).endswith("choose another place. It goes on.")
    assert (
        str(unreadable("x", refused(errno.ENOENT), missing="Name another."))
        == "x cannot be read: No such file or directory. Name another."
    )


READERS = {
    "manifest.json": lambda path: manifest.read(path.parent),
    "dataset_info.json": lambda path: read_info(path.parent),
    "metadata.h5": hdf5.read,
    "shard": lambda path: list(read_records(path)),
    "archive.tar": open_archive,
    "LOC_val_solution.csv": check_solution,
    "ILSVRC2012_validation_ground_truth.txt": check_ground_truth,
}


@pytest.mark.parametrize("name", READERS)
def test_files_that_may_not_be_read_are_no_reason_to_prepare_again(name, tmp_path, permissions_count):
    path = tmp_path / name
    path.touch(mode=0)
    with pytest.raises(
        SourceError, match=f"{name} cannot be read: Permission denied. Check the permissions of it and"
    ) as error:
        READERS[name](path)
    assert "again" not in str(error.value)


@pytest.mark.parametrize("read", [file_names, names_in, find_output, lambda path: archive_stamp(path / "x")])
def test_folder_that_may_not_be_read_is_a_source_error(read, tmp_path, permissions_count):
    folder = tmp_path / "folder"
    folder.mkdir(mode=0)
    with pytest.raises(
        SourceError, match="folder.* cannot be read: Permission denied. Check the permissions of it and"
    ):
        read(folder)


@pytest.mark.parametrize(
    "name, error", [("x" * 300, "File name too long"), ("loop/x", "Too many levels of symbolic links")]
)
def test_writing_where_that_cannot_be(name, error, tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(DestinationError, match=f"cannot be written: {error}. "):
        write_whole(tmp_path / name, b"")


def test_file_that_may_not_become_that_large(tmp_path):
    code = "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (1, 1))\n"
    code += "from ilsvrc_tfds.storage.files import write_whole; write_whole(sys.argv[1], b'xx')"
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "x")], capture_output=True, text=True)
    assert (
        "DestinationError: " in done.stderr and "File too large. The limit of a file's size is reached" in done.stderr
    )
    assert not any(Path(tmp_path).iterdir())


@pytest.mark.parametrize(
    "count, words, expected",
    [
        (0, ("shard",), "0 shards"),
        (1, ("shard",), "1 shard"),
        (2, ("shard",), "2 shards"),
        (1_281_167, ("class has", "classes have"), "1,281,167 classes have"),
        (1, ("class has", "classes have"), "1 class has"),
    ],
)
def test_noun_agrees_with_its_number(count, words, expected):
    assert counted(count, *words) == expected
