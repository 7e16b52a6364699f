"""How fast classic TFRecords are exported and checked, against `ilsvrc_tfds.prepare`, the TPU script's loop, `cat` and XXH3.

    python benchmarks/export.py IMAGES [--gigabytes 4] [--repeats 3] [--only verify] [--work DIR]

IMAGES and what happens before each run are those of `prepare.py`. The export and `prepare` make the same shards here: at full
scale both make 1024 of train for `classification`; their own defaults for so few images would compare 1152 shards with a dozen.
Prints JSON lines: one for each run, then one for each ratio, the median over the rounds.
"""

import functools
import os
import shutil
import subprocess
from pathlib import Path

from archives import write_archives
from prepare import WORKERS, prepare
from processes import in_fresh_process
from rounds import cold, compare, report_ratio, run_benchmarks, timed, warm

# So many that one worker's last shard is as nothing, as it is among the 1152 of the whole data set.
_SHARDS = {"train": 64, "val": 4}
# raw256 takes some ten times as long for a byte; with much fewer images the start of the workers would count.
_RAW256_SHARE = 0.5
# The loop takes some ten times as long for an image, and each of them as long as the one before.
_LOOP_SHARE = 0.1
_CHUNK = 1 << 20
# The archives or an export, and as much again: their copy, or what a side writes.
_ROOM = 3


def classification(pictures: list[Path], work: Path, num_bytes: float, repeats: int) -> None:
    """Copies the images: against `prepare`, and against the loop of TensorFlow's TPU script."""
    source = work / "classification"
    files = write_archives(pictures, source, num_bytes)
    sides = {
        "export": functools.partial(export, source, config="classification"),
        "prepare": functools.partial(prepare, source, config="classification", num_shards=_SHARDS),
        "tpu script": functools.partial(export_as_tpu_script, files),
    }
    amount = {"images": len(files), "megabytes": sum(path.stat().st_size for path in source.iterdir()) // 10**6}
    seconds = compare("export classification", sides, source, repeats, amount)
    report_ratio("export classification", seconds, "prepare", goal=0.9)
    report_ratio("export classification", seconds, "tpu script", goal=10)
    shutil.rmtree(source)


def raw256(pictures: list[Path], work: Path, num_bytes: float, repeats: int) -> None:
    """Resizes the images: against `prepare`."""
    source = work / "raw256"
    files = write_archives(pictures, source, num_bytes * _RAW256_SHARE)
    sides = {
        "export": functools.partial(export, source, config="raw256"),
        "prepare": functools.partial(prepare, source, config="raw256", num_shards=_SHARDS),
    }
    seconds = compare("export raw256", sides, source, repeats, {"images": len(files)})
    report_ratio("export raw256", seconds, "prepare", goal=0.9)
    shutil.rmtree(source)


def verify(pictures: list[Path], work: Path, num_bytes: float, repeats: int) -> None:
    """Checks exports without decoding, from the page cache and from the disk: against `cat` and XXH3, each in one process."""
    for config in ("classification", "raw256"):
        source, exported = work / "source", work / config
        files = write_archives(pictures, source, num_bytes)
        in_fresh_process(functools.partial(export, source, exported, config=config))
        shutil.rmtree(source)
        sides = {"verify": verify_export, "cat": cat_files, "xxh3": digest_files}
        sides = {name: functools.partial(side, exported) for name, side in sides.items()}
        amount = {"records": len(files), "megabytes": sum(path.stat().st_size for path in exported.iterdir()) // 10**6}
        for before in (warm, cold):
            name = f"verify {config} {before.__name__}"
            seconds = compare(name, sides, exported, repeats, amount, before)
            report_ratio(name, seconds, "cat", goal=0.5)
            report_ratio(name, seconds, "xxh3", goal=0.5)
        shutil.rmtree(exported)


BENCHMARKS = {"classification": classification, "raw256": raw256, "verify": verify}


def export(source: Path, out: Path, config: str) -> float:
    """Returns the seconds of `ilsvrc_tfds.export`, which leaves the writing to the kernel, as the other sides do."""
    import ilsvrc_tfds

    options = {"config": config, "num_shards": _SHARDS, "workers": WORKERS, "allow_incomplete": True, "sync": False}
    return timed(ilsvrc_tfds.export, source, out, **options)


def export_as_tpu_script(files: list[Path], out: Path) -> float:
    """Returns the seconds that one process takes for what tensorflow/tpu's `imagenet_to_gcs.py` does with each image.

    That is: read the file, decode it for its size, build an example with the script's nine keys, serialize it, write the
    record. The op is called eagerly, without the copy to NumPy that the script's session makes, and every file is in the
    page cache. The time is that of every tenth image, times ten; the script's lists of odd files are not gone through.
    """
    import tensorflow as tf

    sample = files[:: round(1 / _LOOP_SHARE)]
    tf.io.decode_jpeg(sample[0].read_bytes(), channels=3)

    def loop():
        num_shards = _SHARDS["train"]
        for shard in range(num_shards):
            with tf.io.TFRecordWriter(str(out / f"train-{shard:05d}-of-{num_shards:05d}")) as writer:
                for path in sample[shard::num_shards]:
                    writer.write(_tpu_example(tf, path).SerializeToString())

    return timed(loop) * len(files) / len(sample)


def verify_export(exported: Path, out: Path) -> float:
    """Returns the seconds of `verify` without decoding. Raises ValueError where it finds something: nothing is wrong."""
    from ilsvrc_tfds.checks.verify import verify

    problems = []
    seconds = timed(lambda: problems.extend(verify(exported, decode=False, workers=WORKERS).problems))
    if problems:
        raise ValueError(f"{exported} is whole, but verify says: {problems[:5]}")
    return seconds


def cat_files(exported: Path, out: Path) -> float:
    """Returns the seconds of `cat` to nowhere."""
    return timed(subprocess.run, ["cat", *sorted(exported.iterdir())], stdout=subprocess.DEVNULL, check=True)


def digest_files(exported: Path, out: Path) -> float:
    """Returns the seconds that one process takes for XXH3 of all files, in reads of 1 MiB."""
    import xxhash

    def digest_all():
        for path in sorted(exported.iterdir()):
            digest = xxhash.xxh3_64()
            with open(path, "rb", buffering=0) as file:
                while chunk := file.read(_CHUNK):
                    digest.update(chunk)
            digest.hexdigest()

    return timed(digest_all)


def _tpu_example(tf, path: Path):
    data = tf.io.gfile.GFile(str(path), "rb").read()
    height, width, _ = tf.io.decode_jpeg(data, channels=3).shape

    def numbers(value):
        return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))

    def text(value):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))

    name = os.path.basename(path)
    features = {
        "image/height": numbers(height),
        "image/width": numbers(width),
        "image/colorspace": text(b"RGB"),
        "image/channels": numbers(3),
        "image/class/label": numbers(1),
        "image/class/synset": text(name.partition("_")[0].encode()),
        "image/format": text(b"JPEG"),
        "image/filename": text(name.encode()),
        "image/encoded": text(data),
    }
    return tf.train.Example(features=tf.train.Features(feature=features))


if __name__ == "__main__":
    run_benchmarks(__doc__, BENCHMARKS, room=_ROOM)
