"""Which set a folder holds, what it lacks, and what in it is refused: each layout with its traps."""

import os
import tarfile

import drawing
import pytest

import ilsvrc_tfds
from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import IncompleteError, LabelError, OptionError, SourceError
from ilsvrc_tfds.pipeline import find_set
from ilsvrc_tfds.pipeline.sets.published import ALEXNET_ERRORS, PUBLISHED

JPEG = drawing.jpeg(40, 30)
WNIDS = synsets.wnids()
OF_A, OF_R = (PUBLISHED[kind].classes for kind in "ar")


def folders(path, names, per_folder=1, data=JPEG):
    """Writes the same picture into each folder."""
    return drawing.evaluation_folders(path, {name: {f"{k}.jpg": data for k in range(per_folder)} for name in names})


def found(path, **options):
    return find_set(path, allow_incomplete=True, **options)


def labels_of(found):
    return {os.path.relpath(file.path, found.path): int(label) for file, label in rows(found)}


def rows(found):
    images = found.parts[0].load()
    return zip(images.files, images.labels, strict=True)


def test_complete_v2_has_its_labels_by_number_and_not_by_text(tmp_path):
    places = [(index, k) for index in range(1000) for k in range(10)]

    def v2_of(places):
        top, path = "imagenetv2-top-images-format-val", tmp_path / "imagenetv2-top-images.tar"
        path.write_bytes(drawing.tar([(f"{top}/{index}/{k}.jpeg", b"") for index, k in places]))
        return find_set(path)

    v2 = v2_of(places)
    assert (v2.kind, v2.title, v2.num_examples, v2.missing) == ("v2", "ImageNet-V2 (top-images)", 10_000, "")
    assert all(label == int(file.member.split("/")[1]) for file, label in rows(v2))
    with pytest.raises(IncompleteError, match="is not complete: 2 classes have not 10 images: 7, 999. Get the rest"):
        v2_of([(7, 10), *places[:-1]])
    with pytest.raises(
        IncompleteError, match="it has 9,990 images, expected 10,000; 1 of its 1,000 classes has none: n15"
    ):
        v2_of(places[:-10])


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["1", "2", "1000"], "also 1000. Expected ImageNet-V2, whose folders are 0 to 999"),
        (["7", "007"], "two folders for class 7, with and without zeros"),
        (["0", "n01440764"], "is not of the 1000 classes|not of the 1000 classes: 0"),
        (["0", "tench"], "numbered folders, but also tench"),
    ],
)
def test_folders_that_are_not_those_of_v2_are_refused(names, message, tmp_path):
    with pytest.raises(SourceError, match=message):
        found(folders(tmp_path, names))


def test_padded_numbers_are_the_same_classes(tmp_path):
    assert labels_of(found(folders(tmp_path, ["002", "010", "100"]))) == {
        "002/0.jpg": 2,
        "010/0.jpg": 10,
        "100/0.jpg": 100,
    }


def test_complete_imagenet_a_is_found_in_its_tar(tmp_path):
    """The archive has a README. 7,500 images are 38 in each of 100 classes, and 37 in the others."""
    places = [(index, k) for row, index in enumerate(OF_A) for k in range(38 - row % 2)]
    entries = [("imagenet-a/README.txt", b"n01498041 stingray")]
    entries += [(f"imagenet-a/{WNIDS[index]}/{k}.jpg", b"") for index, k in places]
    (tmp_path / "imagenet-a.tar").write_bytes(drawing.tar(entries))
    a = find_set(tmp_path / "imagenet-a.tar")
    assert (a.kind, a.num_examples, a.classes, a.missing) == ("a", 7500, OF_A, "")
    assert all(WNIDS[label] == file.member.split("/")[1] for file, label in rows(a))
    (tmp_path / "imagenet-a.tar").write_bytes(drawing.tar(entries[:-1]))
    with pytest.raises(
        IncompleteError, match="it has 7,499 images, expected 7,500. Get the rest from https://github.com/h"
    ):
        find_set(tmp_path / "imagenet-a.tar")


def test_leftovers_and_a_folder_too_much_are_passed_over(tmp_path):
    """Archives unpack into a folder of their own; macOS, Windows and file servers leave files everywhere."""
    inner = folders(tmp_path / "imagenet-a/imagenet-a", [WNIDS[6], WNIDS[11]])
    (inner / "README.txt").write_text("n01498041 stingray")
    for name in (".DS_Store", "Thumbs.db", "._0.jpg", "desktop.ini"):
        (inner / WNIDS[6] / name).write_bytes(b"x")
    drawing.evaluation_folders(inner / WNIDS[6], {"@eaDir": {"0.jpg": b"x"}})
    drawing.evaluation_folders(tmp_path / "imagenet-a/__MACOSX/imagenet-a", {WNIDS[6]: {"._0.jpg": b"x"}})
    a = found(tmp_path / "imagenet-a")
    assert labels_of(a) == {f"imagenet-a/{WNIDS[6]}/0.jpg": 6, f"imagenet-a/{WNIDS[11]}/0.jpg": 11}


def test_classes_say_which_set_it_is(tmp_path):
    only_a, only_r, neither = ({*OF_A} - {*OF_R}, {*OF_R} - {*OF_A}, {0})
    kinds = {}
    for name, classes in {"x": only_a, "y": only_r, "z": range(1000)}.items():
        kinds[name] = found(folders(tmp_path / name, (WNIDS[index] for index in classes))).kind
    assert kinds == {"x": "a", "y": "r", "z": "sketch"}
    some = [WNIDS[index] for index in sorted(only_a | only_r | neither)]
    with pytest.raises(OptionError, match="not the 1000 of ImageNet-Sketch. If it is a part of ImageNet-Sketch, name"):
        found(folders(tmp_path / "mine", some))
    assert found(folders(tmp_path / "ImageNet-Sketch", some)).kind == "sketch"
    sketches = drawing.evaluation_folders(tmp_path / "part", {name: {"sketch_7.JPEG": JPEG} for name in some})
    assert found(sketches).kind == "sketch"
    drawing.evaluation_folders(sketches, {some[0]: {"holiday.jpg": JPEG}})
    with pytest.raises(OptionError, match="a set of your own cannot be evaluated like this: prepare it"):
        found(sketches)


def test_few_classes_of_both_sets_are_told_apart_by_the_name_alone(tmp_path):
    both = [WNIDS[index] for index in sorted({*OF_A} & {*OF_R})[:3]]
    assert found(folders(tmp_path / "imagenet-r", both)).classes == OF_R
    with pytest.raises(OptionError, match="3 classes are in ImageNet-A as well as in ImageNet-R. Name the folder"):
        found(folders(tmp_path / "unpacked", both))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ({"n00007846": "0.jpg"}, "1 folder is not of the 1000 classes: n00007846"),
        (
            {"../n01498041": "0.jpg", ".": "loose.png"},
            "images beside the class folders, whose class is not known: loose.png",
        ),
        ({".": "0.jpg", "n01498041": "0.jpg"}, "beside the class folders"),
        ({"n01498041": "0.jpg.part"}, "files that are not images: 0.jpg.part. Move them away"),
        ({"n01498041/sub": "0.jpg"}, "folders in the folder of a class: sub"),
        ({"n01440764": "ILSVRC2012_val_00000293.JPEG"}, "images of ILSVRC2012 itself, such as ILSVRC2012_val_00000293"),
        ({"n01440764": "n01440764_10026.JPEG"}, "Prepare them, and name the prepared data set as DATA"),
    ],
)
def test_what_has_no_class_is_refused(names, message, tmp_path):
    drawing.evaluation_folders(tmp_path / "set/n01498041", {})
    for folder, name in names.items():
        drawing.evaluation_folders(tmp_path / "set", {folder: {name: JPEG}, "n01531178": {"0.jpg": JPEG}})
    with pytest.raises(SourceError, match=message):
        found(tmp_path / "set")


def test_several_sets_in_a_folder_are_not_chosen_from(tmp_path):
    folders(tmp_path / "imagenet-a", [WNIDS[6]]), folders(tmp_path / "imagenetv2-matched-frequency-format-val", ["0"])
    with pytest.raises(
        OptionError, match="several sets: ImageNet-A .*, ImageNet-V2 .*matched.*. Name the folder of one"
    ):
        found(tmp_path)
    with pytest.raises(SourceError, match="holds no evaluation set. Expected class folders"):
        found(drawing.evaluation_folders(tmp_path / "other", {"a": {"x.jpg": JPEG}}))


def test_corruptions_in_groups_are_found_in_the_order_of_the_paper(tmp_path):
    data, name = drawing.jpeg(224, 224), "ILSVRC2012_val_00000293.JPEG"
    places = ["noise/shot_noise/5", "noise/gaussian_noise/1", "blur/zoom_blur/2", "extra/saturate/3", "extra/mine/1"]
    drawing.evaluation_folders(tmp_path, {f"{place}/n01440764": {name: data} for place in places})
    c = found(tmp_path)
    parts = ["gaussian_noise/1", "shot_noise/5", "zoom_blur/2", "saturate/3", "mine/1"]
    assert [part.name for part in c.parts] == parts and c.title == "ImageNet-C"
    assert "no images of gaussian_noise/2, gaussian_noise/3, gaussian_noise/4 and 73 more" in c.missing
    with pytest.raises(IncompleteError, match="gaussian_noise/1: it has 1 image, expected 50,000; 999 of its 1,000"):
        find_set(tmp_path)
    with pytest.raises(OptionError, match="part must be one of 'gaussian_noise/1', .*, got None"):
        c.part(None)
    assert set(ALEXNET_ERRORS) == {"brightness", "contrast", "defocus_blur", "elastic_transform", "fog", "frost",
        "gaussian_noise", "glass_blur", "impulse_noise", "jpeg_compression", "motion_blur", "pixelate", "shot_noise",
        "snow", "zoom_blur"}  # fmt: skip


@pytest.mark.parametrize(
    ("places", "error", "message"),
    [
        ({"fog/1/n01440764/a.JPEG": (64, 64)}, SourceError, "64 x 64 pixels; images of ImageNet-C have 224 x 224"),
        (
            {"fog/1/n01443537/ILSVRC2012_val_00000293.JPEG": (224, 224)},
            LabelError,
            "by its name it is of class n01440764",
        ),
        ({"fog/1/n01440764/a.jpg": (224, 224), "snow/x/a.jpg": (224, 224)}, SourceError, "but snow is not one"),
        (
            {"fog/1/n01440764/a.jpg": (224, 224), "w/fog/2/n01440764/a.jpg": (224, 224)},
            SourceError,
            "corruption fog twice",
        ),
    ],
)
def test_faults_of_corruptions_are_named(places, error, message, tmp_path):
    for place, size in places.items():
        folder, name = os.path.split(place)
        drawing.evaluation_folders(tmp_path, {folder: {name: drawing.jpeg(*size)}})
    with pytest.raises(error, match=message):
        found(tmp_path)


def test_plain_tar_is_read_in_place_and_others_are_refused(tmp_path):
    entries = [("imagenet-a/README.txt", b"text"), ("imagenet-a/._x", b"x")]
    entries += [(f"./imagenet-a/{WNIDS[index]}/0.{index}.jpg", drawing.jpeg(40, 30, seed=index)) for index in (11, 6)]
    (tmp_path / "imagenet-a.tar").write_bytes(drawing.tar(entries))
    a = found(tmp_path / "imagenet-a.tar")
    assert [(file.name, int(label)) for file, label in rows(a)] == [("0.6.jpg", 6), ("0.11.jpg", 11)]
    for name, way in {"imagenetv2-matched-frequency.tar.gz": "tar -xf", "ImageNet-Sketch.zip": "unzip"}.items():
        (tmp_path / name).write_bytes(b"x")
        with pytest.raises(
            SourceError, match=f"compressed archive.*Unpack it \\(`{way} {name}`\\), and name the folder"
        ):
            found(tmp_path / name)
    (tmp_path / "cut.tar").write_bytes(drawing.tar(entries)[:3000])
    with pytest.raises(SourceError, match="cut.tar.*(damaged or ends early|behind the end of the archive)"):
        found(tmp_path / "cut.tar")


def test_tar_cannot_lead_out_of_itself(tmp_path):
    link = tarfile.TarInfo(f"imagenet-a/{WNIDS[6]}/0.jpg")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    with tarfile.open(tmp_path / "link.tar", "w") as archive:
        archive.addfile(link)
    deep = [("a/" * 5000 + "x.jpg", JPEG)]
    (tmp_path / "deep.tar").write_bytes(drawing.tar(deep))
    (tmp_path / "up.tar").write_bytes(drawing.tar([("../../imagenet-a/0.jpg", JPEG)]))
    twice = [(f"{WNIDS[6]}/0.jpg", JPEG)] * 2
    (tmp_path / "twice.tar").write_bytes(drawing.tar(twice))
    messages = {"link": "0.jpg is not a plain file", "twice": "0.jpg occurs twice"}
    for name in ("link", "deep", "up", "twice"):
        with pytest.raises(SourceError, match=messages.get(name, "holds no evaluation set")):
            found(tmp_path / f"{name}.tar")


def test_paths_that_are_no_sets_are_refused(tmp_path):
    with pytest.raises(SourceError, match="nowhere cannot be read: No such file"):
        found(tmp_path / "nowhere")
    (tmp_path / "list.txt").write_text("x")
    with pytest.raises(SourceError, match="is a file; expected a folder of images, a plain .tar, or real.json"):
        found(tmp_path / "list.txt")
    with pytest.raises(OptionError, match="URL"):
        ilsvrc_tfds.evaluation_set("gs://bucket/imagenet-a", batch_size=2)
    with pytest.raises(OptionError, match="'imagenet_a' is not in .*For a folder of that name, write ./imagenet_a"):
        found("imagenet_a", data_dir=tmp_path)
