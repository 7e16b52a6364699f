"""Puts a miniature into the forms in which others have ImageNet, with the tools that make them, and compares results."""

import hashlib
import io
import json
import subprocess
import tarfile
import zipfile
from pathlib import Path

import drawing

import ilsvrc_tfds
from ilsvrc_tfds import synsets
from ilsvrc_tfds.cli import main

PLAIN = {"workers": 1, "allow_incomplete": True}


def consecutive(odd: bool = False) -> drawing.Images:
    """Returns a miniature whose validation images have the numbers 1 to 6: TFDS's `imagenet2012` labels by position.

    Args:
      odd: Whether the first class has a CMYK JPEG and a PNG, as `drawing.miniature` draws them.
    """
    drawn = drawing.miniature(test=2)
    if not odd:
        first = drawn.train[drawing.WNIDS[0]]
        first.update({name: drawing.jpeg(50 + k, 40, seed=k) for k, name in enumerate(list(first)[:2])})
    val = {f"ILSVRC2012_val_{k:08d}.JPEG": drawing.jpeg(60, 45, seed=k) for k in range(1, 7)}
    return drawing.Images(drawn.train, val, drawn.test)


def imagenet2012(folder: Path, archives: Path, *, num_shards: int = 2, file_format: str = "tfrecord") -> Path:
    """Makes TFDS's `imagenet2012` of archives with TFDS's own builder. Returns the folder of its version."""
    import tensorflow_datasets as tfds

    (archives / "ILSVRC2012_img_test.tar").hardlink_to(archives / "ILSVRC2012_img_test_v10102019.tar")
    builder = tfds.builder("imagenet2012", data_dir=folder, file_format=file_format)
    config = tfds.download.DownloadConfig(manual_dir=archives, num_shards=num_shards)
    builder.download_and_prepare(download_config=config)
    (archives / "ILSVRC2012_img_test.tar").unlink()
    return Path(builder.data_dir)


def tpu_records(folder: Path, images: drawing.Images, *, label_offset: int = 1, in_folders: bool = True) -> Path:
    """Writes classic TFRecords with TensorFlow, with the keys and names of the TPU models' `imagenet_to_gcs.py`.

    Args:
      folder: Folder for the shards.
      images: Images; those of test are left out, as the script leaves them out.
      label_offset: Number that is added to the class index; the script adds 1, others add nothing.
      in_folders: Whether the shards lie in `train/` and `validation/`, as the script puts them; those of slim do not.
    """
    import tensorflow as tf

    for split, own, of_split in (("train", "train", _all_train(images)), ("validation", "val", images.val)):
        below = folder / split if in_folders else folder
        below.mkdir(parents=True, exist_ok=True)
        labels = images.labels(own)
        for shard in range(2):
            with tf.io.TFRecordWriter(str(below / f"{split}-{shard:05d}-of-00002")) as writer:
                for name in sorted(of_split)[shard::2]:
                    data, label = of_split[name], labels[name]
                    writer.write(_classic(tf, name, data, label, label_offset).SerializeToString())
    return folder


def _all_train(images: drawing.Images) -> dict[str, bytes]:
    return {name: data for own in images.train.values() for name, data in own.items()}


def _classic(tf, name: str, data: bytes, label: int, label_offset: int):
    """Returns the example of `_convert_to_example` in the TPU models' script."""

    def of_bytes(value):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))

    def of_ints(*values):
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values))

    synset = synsets.synsets()[label]
    feature = {
        "image/height": of_ints(36),
        "image/width": of_ints(48),
        "image/colorspace": of_bytes(b"RGB"),
        "image/channels": of_ints(3),
        "image/class/label": of_ints(label + label_offset),
        "image/class/synset": of_bytes(synset.wnid.encode()),
        "image/format": of_bytes(b"JPEG"),
        "image/filename": of_bytes(name.encode()),
        "image/encoded": of_bytes(data),
    }
    return tf.train.Example(features=tf.train.Features(feature=feature))


def results(source: Path, out: Path, *, configs: tuple[str, ...] = ("classification", "raw256")) -> dict[str, str]:
    """Returns the sha256 of every file that `prepare`, `export` and `metadata` make of a source, by its path.

    Of `metadata.json` only what does not name the layout, or count what was changed, is compared, and of an export's
    manifest what does not tell its source.
    """
    for config in configs:
        ilsvrc_tfds.prepare(source, out, config=config, **PLAIN)
    ilsvrc_tfds.export(source, out / "exported", config=configs[0], num_shards={"train": 2, "val": 1}, **PLAIN)
    assert main(["metadata", str(source), "--out", str(out / "own.h5"), "--allow-incomplete"]) == 0
    return {str(path.relative_to(out)): _digest(path) for path in sorted(out.rglob("*")) if path.is_file()}


def _digest(path: Path) -> str:
    data = path.read_bytes()
    if path.name == "metadata.json":
        provenance = json.loads(data)
        kept = {key: value for key, value in provenance.items() if key not in ("source_layout", "changed_images")}
        data = json.dumps(kept, sort_keys=True).encode()
    if path.name == "manifest.json":
        data = manifest_without_source(data)
    return hashlib.sha256(data).hexdigest()


def manifest_without_source(data: bytes) -> bytes:
    """Returns a manifest without what an export records of its source, to recognize it."""
    return json.dumps({key: value for key, value in json.loads(data).items() if key != "made_of"}).encode()


def webdataset(folder: Path, images: drawing.Images, *, like_timm: bool = True, shards: int = 2) -> Path:
    """Writes WebDataset shards with the package webdataset, like timm's or as users do, with less. Returns the folder.

    Args:
      folder: Folder for the shards.
      images: Images; those of test are left out.
      like_timm: Whether the shards have timm's names, `.json`, and `_info.json` beside them. If not, a sample is
        `<name>.jpeg` and `.cls`, with a wnid as label, and lies in `train/` or `val/`.
      shards: Number of train shards; val has one.
    """
    import webdataset

    info: dict = {"splits": {}}
    for split, own in (("train", _all_train(images)), ("validation", images.val)):
        count, names = (shards if split == "train" else 1), sorted(own)
        labels = images.labels("train" if split == "train" else "val")
        pattern = f"imagenet1k-{split}-%04d.tar" if like_timm else f"{split.replace('idation', '')}/shard-%06d.tar"
        (folder / pattern).parent.mkdir(parents=True, exist_ok=True)
        files = []
        for shard in range(count):
            files.append(pattern % shard)
            with webdataset.TarWriter(str(folder / files[-1])) as writer:
                for name in names[shard::count]:
                    writer.write(_sample(name, own[name], labels[name], like_timm))
        info["splits"][split] = {"filenames": files, "shard_lengths": [len(names[k::count]) for k in range(count)]}
    if like_timm:
        (folder / "_info.json").write_text(json.dumps(info))
    return folder


def _sample(name: str, data: bytes, label: int, like_timm: bool) -> dict:
    key, wnid = name.partition(".")[0], synsets.wnids()[label]
    if not like_timm:
        return {"__key__": key, "jpeg": data, "cls": wnid.encode()}
    described = {"filename": f"{wnid}/{name}", "height": 36, "label": label, "width": 48}
    return {"__key__": key, "jpg": data, "cls": str(label), "json": described}


def kaggle_tree(folder: Path, images: drawing.Images) -> Path:
    """Writes Kaggle's tree with its tables and some annotations, which archives are made of. Returns the folder."""
    drawing.kaggle(folder, images)
    below = folder / "ILSVRC/Annotations/CLS-LOC/val"
    below.mkdir(parents=True)
    (below / "ILSVRC2012_val_00000001.xml").write_text("<annotation/>")
    return folder


def zipped(tree: Path, path: Path, how: str) -> Path:
    """Packs a tree as `path`, and returns that.

    Args:
      tree: Folder whose contents are packed.
      path: Path of the archive.
      how: `stored` or `deflated` with zipfile, `zip64` with 64-bit fields for everything, `zip` with Info-ZIP's command,
        `streamed` with that command through a pipe, so that sizes and checksums follow the data.
    """
    if how in ("zip", "streamed"):
        command = ["zip", "-q", "-r", "-" if how == "streamed" else str(path), "."]
        done = subprocess.run(command, cwd=tree, stdout=subprocess.PIPE, check=True)
        if how == "streamed":
            path.write_bytes(done.stdout)
        return path
    limit = zipfile.ZIP64_LIMIT
    try:
        zipfile.ZIP64_LIMIT = 10 if how == "zip64" else limit
        compression = zipfile.ZIP_DEFLATED if how == "deflated" else zipfile.ZIP_STORED
        with zipfile.ZipFile(path, "w", compression) as archive:
            for file in sorted(tree.rglob("*")):
                archive.write(file, file.relative_to(tree))
    finally:
        zipfile.ZIP64_LIMIT = limit
    return path


def hugging_face(folder: Path, images: drawing.Images, *, shards: int = 2, how: str = "datasets", **options) -> Path:
    """Writes Hugging Face's parquet files, in another order than that of the names. Returns the folder.

    Args:
      folder: Folder in which `data/` is made.
      images: Images.
      shards: Number of train shards; the other splits have one.
      how: `datasets` to write with that library, or `pyarrow`, with `options` of its writer.
    """
    import pyarrow.parquet

    (folder / "data").mkdir(parents=True, exist_ok=True)
    for split, name in (("train", "train"), ("val", "validation"), ("test", "test")):
        data = rows(images, split)
        count = (shards if split == "train" else 1) if len(data) else 0
        for shard in range(count):
            path = folder / "data" / f"{name}-{shard:05d}-of-{count:05d}.parquet"
            own = data.shard(count, shard)
            if how == "datasets":
                own.to_parquet(path)  # prints a progress bar
            else:
                pyarrow.parquet.write_table(own.with_format("arrow")[:], path, **options)
    return folder


def damage_second_row_group(path: Path, *, header: bool = False) -> None:
    """Writes zeros into the images of a parquet file's second row group: into a page, or into the header of the first."""
    import pyarrow.parquet

    chunk = pyarrow.parquet.ParquetFile(path).metadata.row_group(1).column(0)
    assert chunk.path_in_schema == "image.bytes"
    data, start = bytearray(path.read_bytes()), chunk.dictionary_page_offset or chunk.data_page_offset
    start += 0 if header else chunk.total_compressed_size // 2
    data[start : start + 20] = bytes(20)
    path.write_bytes(data)


def hugging_face_archives(folder: Path, images: drawing.Images) -> Path:
    """Writes `data/train_images_0.tar.gz` to `_4`, `val_images.tar.gz` and `test_images.tar.gz`. Returns the folder."""
    (folder / "data").mkdir(parents=True)
    for split, name in (("train", "train_images_{}"), ("val", "val_images"), ("test", "test_images")):
        own, labels = {"train": _all_train(images), "val": images.val, "test": images.test}[split], images.labels(split)
        count = 5 if split == "train" else 1
        for number in range(count):
            with tarfile.open(folder / "data" / f"{name.format(number)}.tar.gz", "w:gz") as archive:
                for image in sorted(own)[number::count]:
                    appended = image if split == "test" else f"{image[:-5]}_{synsets.wnids()[labels[image]]}.JPEG"
                    info = tarfile.TarInfo(appended)
                    info.size = len(own[image])
                    archive.addfile(info, io.BytesIO(own[image]))
    return folder


def packed(tree: Path, path: Path) -> Path:
    """Packs a tree as a plain tar with the command tar. Returns the path."""
    subprocess.run(["tar", "-cf", str(path), "-C", str(tree), "."], check=True)
    return path


def compressed(tree: Path, path: Path, how: str = "tar") -> Path:
    """Packs a tree as a tar that is compressed with gzip, with the command tar or with `tarfile`. Returns the path."""
    if how == "tar":
        subprocess.run(["tar", "-czf", str(path), "-C", str(tree), "."], check=True)
    else:
        with tarfile.open(path, "w:gz") as archive:
            for below in sorted(tree.iterdir()):
                archive.add(below, below.name)
    return path


def saved_to_disk(folder: Path, images: drawing.Images) -> Path:
    """Writes Arrow files with `save_to_disk` of the library `datasets`, two for train. Returns the folder."""
    import datasets

    splits = {
        name: rows(images, split) for split, name in (("train", "train"), ("val", "validation"), ("test", "test"))
    }
    splits = {name: own for name, own in splits.items() if len(own)}
    counts = {name: 2 if name == "train" else 1 for name in splits}
    datasets.DatasetDict(splits).save_to_disk(folder, num_shards=counts)
    return folder


def rows(images: drawing.Images, split: str):
    """Returns a split as a data set of the library `datasets`, with the names and columns of Hugging Face's copy."""
    import datasets

    own = {"train": _all_train(images), "val": images.val, "test": images.test}[split]
    labels, stored = images.labels(split), []
    names = sorted(own, key=lambda name: hashlib.sha256(name.encode()).digest())  # shuffled, as it is there
    for name in names:
        appended = name if split == "test" else f"{name[:-5]}_{synsets.wnids()[labels[name]]}.JPEG"
        stored.append({"bytes": own[name], "path": appended})
    label = datasets.ClassLabel(names=list(synsets.class_names()))
    features = datasets.Features({"image": datasets.Image(), "label": label})
    return datasets.Dataset.from_dict({"image": stored, "label": [labels[name] for name in names]}, features=features)
