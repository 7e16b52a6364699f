"""Which folders are aliases, and where they lead."""

import json
from pathlib import Path

import pytest

from ilsvrc_tfds.errors import SourceError
from ilsvrc_tfds.formats.alias import followed, read_alias, shard_template
from ilsvrc_tfds.formats.folder import find_output

SET = "../../ilsvrc2012/raw256/1.0.0"


def info(**values) -> dict:
    splits = [("train", "train"), ("validation", "val")]
    entries = [{"name": n, "shardLengths": ["2"], "filepathTemplate": shard_template(SET, own)} for n, own in splits]
    return {"name": "imagenet2012", "version": "5.1.0", "fileFormat": "tfrecord", "splits": entries, **values}


@pytest.fixture
def write(tmp_path):
    """Writes the info of a folder and returns the folder."""

    def write_info(values, folder: str = "imagenet2012/5.1.0") -> Path:
        path = tmp_path / folder
        path.mkdir(parents=True, exist_ok=True)
        (path / "dataset_info.json").write_text(values if isinstance(values, str) else json.dumps(values))
        return path

    return write_info


def own_set(lengths=("2",), template: str = "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}") -> dict:
    splits = [{"name": s, "shardLengths": list(lengths), "filepathTemplate": template} for s in ("train", "val")]
    return {"name": "ilsvrc2012", "version": "1.0.0", "fileFormat": "tfrecord", "splits": splits}


def test_alias_leads_to_its_set(write, tmp_path):
    own, folder = write(own_set(), "ilsvrc2012/raw256/1.0.0"), write(info())
    assert followed(folder) == own and followed(own) == own
    found = read_alias(folder)
    assert (found.config, found.splits) == ("raw256", ("train", "val"))
    assert find_output(folder).folder == own
    assert find_output(folder).shards["val"] == ("ilsvrc2012-val.tfrecord-00000-of-00001",)


@pytest.mark.parametrize(
    "change",
    [
        lambda alias: alias["splits"].clear(),
        lambda alias: alias["splits"][0].update(filepathTemplate="{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}"),
        lambda alias: alias["splits"][0].update(filepathTemplate=shard_template(SET, "val")),
        lambda alias: alias["splits"][0].update(filepathTemplate=shard_template("../../ilsvrc2012/other/1.0.0", "train")),
        lambda alias: alias["splits"][0].update(filepathTemplate=shard_template("../../../ilsvrc2012/raw256/1.0.0", "train")),
        lambda alias: alias["splits"][0].update(filepathTemplate=shard_template("../../ilsvrc2012/../1.0.0", "train")),
        lambda alias: alias["splits"][0].update(name="dev"),
        lambda alias: alias["splits"][0].pop("shardLengths"),
        lambda alias: alias.update(splits=3),
        lambda alias: alias.update(name="a; rm -r b"),
    ],
)  # fmt: skip
def test_folders_that_are_no_alias_lead_nowhere(change, write):
    write(own_set(), "ilsvrc2012/raw256/1.0.0")
    alias = info()
    change(alias)
    folder = write(alias)
    assert read_alias(folder) is None and followed(folder) == folder


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100_000, "null"])
def test_info_that_makes_no_sense_is_no_alias(text, write):
    folder = write(text)
    assert read_alias(folder) is None and read_alias(folder / "nowhere") is None


def test_each_difference_is_named_with_the_cure(write):
    write(own_set(["1", "2"]), "ilsvrc2012/raw256/1.0.0")
    folder = write(info(fileFormat="array_record", name="mine"), "mine/5.1.0")
    with pytest.raises(SourceError) as error:
        followed(folder)
    text = str(error.value)
    assert (
        "format is tfrecord now, and was array_record; train is 3 examples in 2 shards of 0 bytes now, and was 2"
        in text
    )
    assert text.endswith(f"Run `ilsvrc-tfds alias {folder.parents[1]} --config raw256 --as mine` again.")


def test_message_for_the_folder_above_names_the_alias(write, tmp_path):
    write(own_set(), "ilsvrc2012/raw256/1.0.0"), write(info())
    with pytest.raises(SourceError, match=r"There are some in .*imagenet2012/5.1.0: name that folder"):
        find_output(tmp_path / "imagenet2012")


def test_other_names_of_labels_are_named(write):
    own, folder = write(own_set(), "ilsvrc2012/raw256/1.0.0"), write(info())
    (own / "label.labels.txt").write_text("n01491361\nn01440764\n")
    with pytest.raises(SourceError, match="label.labels.txt names other classes"):
        followed(folder)
