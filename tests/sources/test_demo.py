import numpy as np
import pytest

from ilsvrc_tfds.errors import DestinationError, OptionError
from ilsvrc_tfds.images import look
from ilsvrc_tfds.images.pixels import decode
from ilsvrc_tfds.sources import Reader, demo, find_layout, index_images
from ilsvrc_tfds.sources.boxes import image_key, read_boxes


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """A small demo set and its index."""
    folder = demo.draw(tmp_path_factory.mktemp("demo"), train_per_class=3, val_per_class=2)
    return folder, index_images(find_layout([folder]))


def test_demo_is_in_the_official_layout(drawn):
    _, index = drawn
    assert index.layout == "archives"
    assert {split: len(members) for split, members in index.splits.items()} == {"train": 24, "val": 16}


def test_demo_validation_numbers_belong_to_the_drawn_classes(drawn):
    members = drawn[1].splits["val"]
    assert set(members.label) == set(drawn[1].splits["train"].label) and len(set(members.label)) == 8


def test_demo_holds_the_odd_images(drawn):
    members = drawn[1].splits["train"]
    with Reader() as reader:
        heads = [look(reader.read(members, row)) for row in range(len(members))]
    kinds = [(head.format, head.components) for head in heads]
    assert [kinds.count(kind) for kind in (("JPEG", 4), ("PNG", 4), ("JPEG", 1))] == [1, 1, 3]


def test_demo_pictures_all_differ(drawn):
    with Reader() as reader:
        images = [reader.read(members, row) for members in drawn[1].splits.values() for row in range(len(members))]
    assert len(set(images)) == len(images)


def test_demo_annotations_are_those_of_the_validation_pictures(drawn, tmp_path):
    members = drawn[1].splits["val"]
    boxes = read_boxes([demo.annotate(tmp_path / "boxes.tgz", val_per_class=2)])
    with Reader() as reader:
        heads = {image_key(members.name[row]): look(reader.read(members, row)) for row in range(len(members))}
    assert {key: (own.width, own.height) for key, own in boxes.items()} == {
        key: (head.width, head.height) for key, head in heads.items()
    }
    assert all(own.corners and len(own.relative()) == len(own.corners) for own in boxes.values())


def test_demo_boxes_hold_all_yellow_of_tennis_balls(drawn, tmp_path):
    members = drawn[1].splits["val"]
    boxes = read_boxes([demo.annotate(tmp_path / "boxes.tgz", val_per_class=2)])
    balls = [row for row in range(len(members)) if members.label[row] == 852]
    assert len(balls) == 2
    with Reader() as reader:
        for row in balls:
            image = decode(data := reader.read(members, row), look(data)).astype(int)
            yellow = image[..., :2].min(axis=2) - image[..., 2] > 60
            inside = np.zeros_like(yellow)
            for xmin, ymin, xmax, ymax in np.array(boxes[image_key(members.name[row])].corners, int):
                inside[ymin - 1 : ymax + 1, xmin - 1 : xmax + 1] = True
            assert yellow.sum() > 1000 and not yellow[~inside].any()


@pytest.mark.slow
def test_demo_bytes_depend_on_the_arguments_only(drawn, tmp_path):
    demo.draw(tmp_path / "again", train_per_class=3, val_per_class=2)
    demo.draw(tmp_path / "other", train_per_class=3, val_per_class=2, seed=1)
    for name in ("ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar"):
        first, again, other = (
            (folder / name).read_bytes() for folder in (drawn[0], tmp_path / "again", tmp_path / "other")
        )
        assert first == again != other


@pytest.mark.parametrize(
    "name, low, high", [("train_per_class", 1, 1300), ("val_per_class", 1, 50), ("seed", 0, 2**32 - 1)]
)
def test_demo_refuses_numbers_out_of_range(name, low, high, tmp_path):
    for value in (low - 1, high + 1):
        with pytest.raises(OptionError, match=rf"^{name} must be in \[{low}, {high}\], got {value}\.$"):
            demo.draw(tmp_path / "demo", **{name: value})
    assert not (tmp_path / "demo").exists()


def test_demo_takes_the_greatest_seed(tmp_path):
    folder = demo.draw(tmp_path / "demo", train_per_class=1, val_per_class=1, seed=2**32 - 1)
    assert len(index_images(find_layout([folder])).splits["val"]) == 8


def test_demo_below_a_file_is_a_destination_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(
        DestinationError, match="file/demo cannot be written: Not a directory. A part of this path is a file"
    ):
        demo.draw(tmp_path / "file/demo")


@pytest.mark.usefixtures("permissions_count")
def test_demo_where_nothing_may_be_written_is_a_destination_error(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(
        DestinationError, match="demo cannot be written: Permission denied. Check the permissions of it"
    ):
        demo.draw(tmp_path / "demo")


def _contents(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("split", ["train", "val"])
def test_demo_never_replaces_a_real_archive(split, tmp_path):
    (tmp_path / f"ILSVRC2012_img_{split}.tar").write_bytes(b"147 GB")
    (tmp_path / "ILSVRC2012_img_train.tar.partial").write_bytes(b"a download") if split == "val" else None
    before = _contents(tmp_path)
    with pytest.raises(DestinationError, match=f"_{split}.tar is there already, and is not|holds 'ILSVRC.*partial'"):
        demo.draw(tmp_path, train_per_class=1, val_per_class=1)
    assert _contents(tmp_path) == before


def test_demo_does_not_draw_beside_other_sources(tmp_path):
    (tmp_path / "train").mkdir()
    with pytest.raises(DestinationError, match="holds 'train', which was not drawn here. Choose another folder"):
        demo.draw(tmp_path, train_per_class=1, val_per_class=1)
    assert [path.name for path in tmp_path.iterdir()] == ["train"]


def test_demo_can_be_drawn_twice_and_after_a_kill(drawn, tmp_path):
    demo.draw(tmp_path, train_per_class=1, val_per_class=1)
    before = _contents(tmp_path)
    (tmp_path / "ILSVRC2012_img_train.tar.0a1b2c3d.partial").touch()
    (tmp_path / "ILSVRC2012_img_val.tar").unlink()
    demo.draw(tmp_path, train_per_class=1, val_per_class=1)
    assert _contents(tmp_path) == before
    with pytest.raises(DestinationError, match="not the archive that is drawn here"):
        demo.draw(tmp_path, train_per_class=1, val_per_class=1, seed=1)
    assert _contents(tmp_path) == before
