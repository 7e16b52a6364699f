"""Damages JPEGs and PNGs in the ways that disks, networks and programs do; the same seed gives the same damage."""

from collections.abc import Callable

import drawing
import numpy as np

Damage = Callable[[bytes, np.random.Generator], bytes]


def _overwritten(count: int) -> Damage:
    """Returns a damage: `count` random bytes within the scans."""

    def damage(data: bytes, rng: np.random.Generator) -> bytes:
        start = _within_scans(data, rng, count)
        return data[:start] + rng.bytes(count) + data[start + count :]

    return damage


def _foreign_marker(data: bytes, rng: np.random.Generator) -> bytes:
    start = _within_scans(data, rng, 2)
    return data[:start] + b"\xff\x44" + data[start + 2 :]


def _any_marker(data: bytes, rng: np.random.Generator) -> bytes:
    start = _within_scans(data, rng, 2)
    return data[:start] + bytes((0xFF, rng.integers(0xC0, 0xFF))) + data[start + 2 :]


def _zeros(data: bytes, rng: np.random.Generator) -> bytes:
    start = _within_scans(data, rng, 256)
    return data[:start] + bytes(256) + data[start + 256 :]


def _lost(data: bytes, rng: np.random.Generator) -> bytes:
    start = _within_scans(data, rng, 200)
    return data[:start] + data[start + 200 :]


def _twice(data: bytes, rng: np.random.Generator) -> bytes:
    start = _within_scans(data, rng, 200)
    return data[: start + 200] + data[start:]


def _cut(data: bytes, rng: np.random.Generator) -> bytes:
    return data[: _within_scans(data, rng, 0)] + b"\xff\xd9"


def _in_the_head(data: bytes, rng: np.random.Generator) -> bytes:
    start = int(rng.integers(2, _scans(data)))
    return data[:start] + rng.bytes(1) + data[start + 1 :]


def _strayed(data: bytes, rng: np.random.Generator) -> bytes:
    """Bytes between the markers of the head, which harm nobody, and random ones within the scans."""
    first = 4 + int.from_bytes(data[4:6], "big")  # behind the first segment
    return data[:first] + b"stray" + _overwritten(64)(data, rng)[first:]


def _scan_lost(data: bytes, rng: np.random.Generator) -> bytes:
    """One of the scans of a progressive JPEG, with its tables; nothing of a JPEG that has a single one."""
    starts = [k for k in range(len(data) - 1) if data[k : k + 2] == b"\xff\xda"]
    if len(starts) == 1:
        return data
    lost = int(rng.integers(len(starts)))
    return data[: starts[lost]] + data[[*starts[1:], len(data) - 2][lost] :]


def _odd_scan_and_cut(data: bytes, rng: np.random.Generator) -> bytes:
    """Parameters of the first scan that only a progressive JPEG may have, and the end of the last scan is lost."""
    stop = _scans(data) + 2 + int.from_bytes(data[_scans(data) + 2 :][:2], "big")
    return _cut(data[: stop - 3] + b"\0\0\0" + data[stop:], rng)


DAMAGES: dict[str, Damage] = {
    "2 bytes FF 44": _foreign_marker,
    "2 bytes FF xx": _any_marker,
    **{f"{count} random bytes": _overwritten(count) for count in (1, 16, 512, 4096)},
    "256 zeros": _zeros,
    "200 bytes lost": _lost,
    "200 bytes twice": _twice,
    "cut, end marker put behind": _cut,
    "a scan lost": _scan_lost,
    "odd parameters of a scan, cut, end marker put behind": _odd_scan_and_cut,
    "1 byte of the head": _in_the_head,
    "stray bytes in the head, 64 random bytes": _strayed,
}

# Kinds of JPEG that people have.
WHOLE: dict[str, Callable[[int], bytes]] = {
    "baseline": lambda seed: drawing.jpeg(320, 240, seed=seed, quality=97),
    "4:4:4": lambda seed: drawing.jpeg(320, 240, seed=seed, quality=97, subsampling=0),
    "progressive": lambda seed: drawing.jpeg(320, 240, seed=seed, quality=97, progressive=True),
    "restart markers": lambda seed: drawing.jpeg(320, 240, seed=seed, quality=97, restart_marker_rows=1),
    "grey": lambda seed: drawing.jpeg(320, 240, "L", seed=seed, quality=97),
    "CMYK": lambda seed: drawing.jpeg(320, 240, "CMYK", seed=seed, quality=97),
    "4:1:0": lambda seed: drawing.blocky_jpeg((4, 2), 960, 640, seed=seed),
}


def _scans(data: bytes) -> int:
    """Returns where the first scan begins."""
    return data.index(b"\xff\xda")


def _within_scans(data: bytes, rng: np.random.Generator, count: int) -> int:
    first = _scans(data) + 14
    return int(rng.integers(first, max(first + 1, len(data) - 2 - count)))


def _in_image_data(count: int) -> Damage:
    """Returns a damage: `count` random bytes within a PNG's compressed data, its checksum or its end."""

    def damage(data: bytes, rng: np.random.Generator) -> bytes:
        start = int(rng.integers(data.index(b"IDAT") + 4, len(data) - count))
        return data[:start] + rng.bytes(count) + data[start + count :]

    return damage


PNG_DAMAGES: dict[str, Damage] = {
    **{f"{count} random bytes": _in_image_data(count) for count in (1, 4, 16, 512)},
    "last bytes of the compressed data": lambda data, rng: data[:-28] + rng.bytes(12) + data[-16:],
    "checksum of the compressed data": lambda data, rng: data[:-16] + rng.bytes(4) + data[-12:],
    "end cut off": lambda data, rng: data[: len(data) - int(rng.integers(1, 400))],
    "200 bytes lost": lambda data, rng: data[: len(data) // 2] + data[len(data) // 2 + 200 :],
    "1 byte of the head": lambda data, rng: (
        (at := int(rng.integers(8, 33))) and data[:at] + rng.bytes(1) + data[at + 1 :]
    ),
}
