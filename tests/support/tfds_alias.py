"""Reads an alias as code written for TFDS's `imagenet2012` does, with TFDS alone: run as a program, it prints JSON.

The program never imports the package under test.
"""

import hashlib
import json
import sys


def read(data_dir: str) -> dict:
    """Returns what TFDS gives of the alias `imagenet2012` in a data directory: names, labels and digests, by how it was read."""
    import tensorflow_datasets as tfds

    name, found = "imagenet2012", {}
    builder = tfds.builder(name, data_dir=data_dir)
    by_folder = tfds.builder_from_directory(f"{data_dir}/imagenet2012/5.1.0")
    for split in builder.info.splits:
        found[split] = rows(tfds.load(name, data_dir=data_dir, split=split))
        found[f"{split}, from its folder"] = rows(by_folder.as_dataset(split=split))
        found[f"{split}, of any version 5"] = rows(tfds.load(f"{name}:5.*.*", data_dir=data_dir, split=split))
    found["all"] = rows(tfds.load(name, data_dir=data_dir, split="all"))
    found["None"] = [row for data in tfds.load(name, data_dir=data_dir).values() for row in rows(data)]
    parts = tfds.even_splits("train", 5)
    found["even_splits"] = [row for part in parts for row in rows(tfds.load(name, data_dir=data_dir, split=part))]
    found["validation[:50%]"] = rows(tfds.load(name, data_dir=data_dir, split="validation[:50%]"))
    config = tfds.ReadConfig(add_tfds_id=True)
    ids = tfds.load(name, data_dir=data_dir, split="validation", read_config=config)
    found["ids"] = [example["tfds_id"].decode() for example in tfds.as_numpy(ids)]
    pairs = tfds.load(name, data_dir=data_dir, split="validation", as_supervised=True, shuffle_files=True)
    found["supervised"] = sorted(int(label) for _, label in tfds.as_numpy(pairs))
    infos = {"examples": builder.info.splits, "examples, from its folder": by_folder.info.splits}
    found |= {key: {split: info.num_examples for split, info in infos.items()} for key, infos in infos.items()}
    labels = [info.features["label"] for info in (builder.info, by_folder.info)]
    found["classes"] = [[label.num_classes, label.int2str(3), label.str2int("n01440764")] for label in labels]
    found["description"] = by_folder.info.description
    return found


def rows(data) -> list[list]:
    """Returns file name, label, and digest of the pixels of each example."""
    import tensorflow_datasets as tfds

    return [
        [example["file_name"].decode(), int(example["label"]), hashlib.md5(example["image"].tobytes()).hexdigest()]
        for example in tfds.as_numpy(data)
    ]


if __name__ == "__main__":
    result = read(sys.argv[1])
    assert "ilsvrc_tfds" not in sys.modules
    print(json.dumps(result))
