"""How fast batches are made for training and evaluation, against plain tf.data and against other loaders on the processor.

    python benchmarks/pipeline.py IMAGES [--gigabytes 4] [--repeats 3] [--only training] [--work DIR]

IMAGES are those of `prepare.py`, prepared first. All sides of a comparison take turns on the same shards; a side runs in a process
of its own, on 2 cores, finds the shards in the page cache, and makes a few batches of 128 images before the clock starts. Prints
JSON lines: one for each run, then one for each ratio, the median over the rounds.

Other loaders take part where they work, each from its own format: `pip install nvidia-dali-cuda120 spdl_io spdl_core grain
array_record torch torchvision litdata` (torch also as its smaller build for the processor). SPDL's own decoder needs FFmpeg's shared
libraries, 4 to 9. The limit in C needs a compiler and the headers of libjpeg-turbo.
"""

import collections
import functools
import importlib.metadata
import importlib.util
import itertools
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from archives import write_archives
from formats import write_positions
from limit import build_limit, limit_version, measure_limit
from loaders import PEERS, Peer, fault, version
from prepare import prepare
from processes import in_fresh_process, report
from rivals import (
    BATCH_SIZE,
    CORES,
    Records,
    evaluate_naively,
    train_fused,
    train_fused_to_uint8,
    train_naively,
    train_with_dali,
)
from rounds import compare, report_ratio, run_benchmarks, warm

from ilsvrc_tfds.formats.folder import find_output
from ilsvrc_tfds.outputs.index import index_records

# So many that 16 can be read in turn, as at full scale.
_SHARDS = {"train": 32, "val": 2}
# Archives, or the formats of others; what is made of the archives; and the copy that brings that into the page cache.
_ROOM = 5
_REPLICAS = 4
# Sides in pixels, as in progressive training.
_SIZES = (128, 160, 192, 224)


def training(pictures: list[Path], work: Path, num_bytes: float, repeats: int) -> None:
    """Random crops and flips of original images: against plain tf.data, whole and fused decoding, and against DALI."""
    records = prepare_records(pictures, work, num_bytes)
    sides = {"ilsvrc_tfds": train, "naive": train_naively, "fused": train_fused, "fused to uint8": train_fused_to_uint8}
    goals = {"naive": 1.2, "fused": 1.0, "fused to uint8": 1.0}
    if _is_installed("nvidia", "nvidia.dali"):
        in_fresh_process(index_records, records.folder)
        sides, goals = {**sides, "dali": train_with_dali}, {**goals, "dali": 1.2}
    else:
        report(benchmark="training", side="dali", left_out="nvidia.dali is not installed")
    _compare_rates("training", sides, records, repeats, goals)
    shutil.rmtree(work / "classification")


def peers(pictures: list[Path], work: Path, num_bytes: float, repeats: int) -> None:
    """Training from original images against the other loaders, each from its own format, and against the limit in C."""
    records = prepare_records(pictures, work, num_bytes)
    present = {name: peer for name, peer in PEERS.items() if _works(name, peer)}
    folders = {peer.write: work / peer.write.__name__ for peer in present.values()}
    for write, folder in folders.items():
        in_fresh_process(write, records, folder)
    sides: dict[str, Callable] = {"ilsvrc_tfds": functools.partial(measure, train, records)}
    sides |= {
        name: functools.partial(measure_peer, peer.batches, folders[peer.write], records)
        for name, peer in present.items()
    }
    packages = ("ilsvrc-tfds", "tensorflow", "simplejpeg")
    versions = {name: importlib.metadata.version(name) for name in packages}
    versions |= {name: version(peer) for name, peer in present.items()}
    if program := build_limit(work):
        in_fresh_process(write_positions, records, work / "limit positions")
        sides["C limit"] = functools.partial(measure_limit, program, work / "limit positions", records)
        versions["C limit"] = f"libjpeg-turbo {limit_version(program)}"
    report(benchmark="peers", versions=versions)
    seconds = compare("peers", sides, records.folder, repeats, {"images": records.timed * BATCH_SIZE})
    for name in list(sides)[1:]:
        report_ratio("peers", seconds, name, goal=0.95 if name == "C limit" else 1.3)
    for folder in (*folders.values(), work / "classification"):
        shutil.rmtree(folder)


def replicas(pictures: list[Path], work: Path, num_bytes: float, repeats: int) -> None:
    """The batches of `for_training` for four replicas on one host, against the same batches for one."""
    records = prepare_records(pictures, work, num_bytes)
    _compare_rates("replicas", {"four": train_for_replicas, "one": train}, records, repeats, {"one": 0.95})
    shutil.rmtree(work / "classification")


def raw256(pictures: list[Path], work: Path, num_bytes: float, repeats: int) -> None:
    """The same training on raw256 and on original images."""
    small, original = (prepare_records(pictures, work, num_bytes, config) for config in ("raw256", "classification"))
    sides = {
        "raw256": functools.partial(measure, train, small),
        "original": functools.partial(measure, train, original),
    }

    def warm_both(source: Path, out: Path) -> None:
        warm(small.folder, out)
        warm(original.folder, out)

    seconds = compare("raw256", sides, small.folder, repeats, {"images": small.timed * BATCH_SIZE}, warm_both)
    report_ratio("raw256", seconds, "original", goal=1.6)
    for config in ("raw256", "classification"):
        shutil.rmtree(work / config)


def evaluation(pictures: list[Path], work: Path, num_bytes: float, repeats: int) -> None:
    """Central crops of original images: against plain tf.data that decodes the whole image."""
    records = prepare_records(pictures, work, num_bytes)
    sides = {"ilsvrc_tfds": evaluate, "naive": evaluate_naively}
    _compare_rates("evaluation", sides, records, repeats, {"naive": 1.1})
    shutil.rmtree(work / "classification")


def randaugment(pictures: list[Path], work: Path, num_bytes: float, repeats: int) -> None:
    """RandAugment, erasing and mixed batches of original images, alone."""
    records = prepare_records(pictures, work, num_bytes)
    _compare_rates(
        "randaugment", {"ilsvrc_tfds": functools.partial(train, ops="randaugment_train")}, records, repeats, {}
    )
    shutil.rmtree(work / "classification")


def scaled(pictures: list[Path], work: Path, num_bytes: float, repeats: int) -> None:
    """Random crops of several sizes with libjpeg's scaled DCT: against the same without it, of original images and raw256.

    In seconds of the processor, because the differences are smaller than those that a neighbour makes on the clock.
    """
    for config in ("classification", "raw256"):
        records = prepare_records(pictures, work, num_bytes, config)
        for size in _SIZES:
            sides = {name: functools.partial(train_at, size, name == "scaled") for name in ("scaled", "not scaled")}
            name = f"scaled, {config}, {size} pixels"
            _compare_rates(name, sides, records, repeats, {"not scaled": 1.0}, time.process_time)
        shutil.rmtree(work / config)


BENCHMARKS = {
    "training": training,
    "peers": peers,
    "replicas": replicas,
    "raw256": raw256,
    "evaluation": evaluation,
    "randaugment": randaugment,
    "scaled": scaled,
}


def prepare_records(pictures: list[Path], work: Path, num_bytes: float, config: str = "classification") -> Records:
    """Prepares so many bytes of archives, about, in `work / config`, and returns the train split."""
    source = work / "source"
    write_archives(pictures, source, num_bytes)
    in_fresh_process(prepare, source, work / config, config, _SHARDS)
    shutil.rmtree(source)
    output = find_output(work / config / "ilsvrc2012" / config / "1.0.0")
    epoch = sum(output.stated_lengths("train")) // BATCH_SIZE
    return Records(output.folder, [str(path) for path in output.paths("train")], epoch)


def measure(
    side: Callable[[Records], Iterable], records: Records, out: Path, clock: Callable[[], float] = time.perf_counter
) -> float:
    """Returns the seconds of a side's batches on the clock."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    batches = iter(side(records))
    drop(batches, records.warm_up)
    start = clock()
    drop(batches, records.timed)
    return clock() - start


def train(records: Records, ops: str | tuple = "resnet_train") -> Iterable:
    """Returns the batches of `for_training`."""
    from ilsvrc_tfds import pipeline

    return pipeline.for_training(records.folder, batch_size=BATCH_SIZE, ops=ops, shuffle_buffer=records.buffer)


def measure_peer(batches: Callable[[Path, Records], Iterable], folder: Path, records: Records, out: Path) -> float:
    """Returns the seconds of a peer's batches on the clock; its files are read before, so that they are in the page cache."""
    subprocess.run(["find", folder, "-type", "f", "-exec", "cat", "{}", "+"], stdout=subprocess.DEVNULL, check=True)
    return measure(functools.partial(batches, folder), records, out)


def train_for_replicas(records: Records) -> Iterable:
    """Returns the batches of `for_training`, each shared among four replicas on logical processors."""
    import tensorflow as tf

    devices = [tf.config.LogicalDeviceConfiguration()] * _REPLICAS
    tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], devices)
    strategy = tf.distribute.MirroredStrategy([f"CPU:{number}" for number in range(_REPLICAS)])
    return strategy.experimental_distribute_dataset(train(records))


def train_at(size: int, with_scaled_dct: bool, records: Records) -> Iterable:
    """Returns the batches of `for_training` with images of another size."""
    from ilsvrc_tfds import preprocess

    return train(records, preprocess.preset("resnet_train", size=size, scaled=with_scaled_dct))


def evaluate(records: Records) -> Iterable:
    """Returns the batches of `for_evaluation`; of train, which has more images."""
    from ilsvrc_tfds import pipeline

    return pipeline.for_evaluation(records.folder, batch_size=BATCH_SIZE, split="train")


def _compare_rates(
    benchmark: str,
    sides: dict[str, Callable],
    records: Records,
    repeats: int,
    goals: dict[str, float],
    clock: Callable[[], float] = time.perf_counter,
) -> None:
    sides = {name: functools.partial(measure, side, records, clock=clock) for name, side in sides.items()}
    seconds = compare(benchmark, sides, records.folder, repeats, {"images": records.timed * BATCH_SIZE})
    for other, goal in goals.items():
        report_ratio(benchmark, seconds, other, goal=goal)


def _works(name: str, peer: Peer) -> bool:
    """Returns whether a peer is installed and can be loaded; reports why if not."""
    reason = in_fresh_process(fault, peer) if version(peer) else f"{peer.packages[-1]} is not installed"
    if reason:
        report(benchmark="peers", side=name, left_out=reason)
    return not reason


def drop(batches: Iterator, count: int) -> None:
    """Takes some batches."""
    collections.deque(itertools.islice(batches, count), maxlen=0)


def _is_installed(*modules: str) -> bool:
    return all(importlib.util.find_spec(module) for module in modules)


if __name__ == "__main__":
    run_benchmarks(__doc__, BENCHMARKS, room=_ROOM)
