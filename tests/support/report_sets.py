"""Sets for the tests of the report: a source with everything that a report should find, and its export with boxes."""

from pathlib import Path

import drawing

import ilsvrc_tfds
from ilsvrc_tfds import synsets
from ilsvrc_tfds.checks.report.values import Odd, Report, Split

TENCH, GOLDFISH, SHARK = drawing.WNIDS


def odd_images() -> drawing.Images:
    """Returns a miniature with an image of train in val, one of two classes, a doubled one, and odd sizes."""
    images = drawing.miniature(test=3)
    goldfish, sharks, val = images.train[GOLDFISH], images.train[SHARK], images.val
    names, shark_names, val_names = list(goldfish), list(sharks), list(val)
    val[val_names[0]] = goldfish[names[0]]  # leaks
    sharks[shark_names[0]] = goldfish[names[1]]  # of two classes
    sharks[shark_names[2]] = sharks[shark_names[1]]  # doubled
    goldfish[names[2]] = drawing.jpeg(4100, 3000, quality=20)  # huge
    goldfish[names[3]] = drawing.jpeg(400, 80)  # long and thin
    images.test[next(iter(images.test))] = drawing.jpeg(128, 64)  # at the edges of bins
    val[val_names[1]] = drawing.png(300, 200, "RGB")
    return images


def damaged_source(folder: Path, images: drawing.Images) -> Path:
    """Writes the images into folders, two of them damaged. Returns the folder."""
    drawing.folders(folder, images)
    _, first, second, _ = sorted((folder / "train" / TENCH).iterdir())
    first.write_bytes(first.read_bytes()[:300])
    second.write_bytes(b"no image")
    return folder


def exported_with_boxes(source: Path, folder: Path) -> Path:
    """Exports a source. Each goldfish has two boxes. Returns the folder of the export."""
    (folder / "xml").mkdir(parents=True)
    for path in (source / "train" / GOLDFISH).iterdir():
        objects = "".join(
            f"<object><name>{GOLDFISH}</name>"
            f"<bndbox><xmin>{x}</xmin><ymin>10</ymin><xmax>{x + 20}</xmax><ymax>90</ymax></bndbox></object>"
            for x in (10, 60)
        )
        size = "<size><width>100</width><height>100</height></size>"
        (folder / f"xml/{path.stem}.xml").write_text(f"<annotation>{size}{objects}</annotation>")
    options = {"bbox": [folder / "xml"], "num_shards": {"train": 3, "val": 2}, "workers": 1, "allow_incomplete": True}
    return ilsvrc_tfds.export(source, folder / "out", **options)


def words(wnid: str) -> str:
    """Returns the first word of a class."""
    return synsets.synsets()[synsets.index_of(wnid)].words.partition(",")[0]


def split_of(found: Report, name: str) -> Split:
    """Returns a split of a report."""
    (own,) = (split for split in found.splits if split.split == name)
    return own


def odd_of(found: Report, name: str) -> Odd | None:
    """Returns the images of a report that are odd in a way."""
    return next((way for way in found.odd if way.name == name), None)


def checks_of(found: Report) -> dict[str, tuple[str, str]]:
    """Returns state and detail of each check of a report."""
    return {check.name: (check.state, check.detail) for check in found.checks}


def files(pictures: drawing.Images, split: str) -> dict[str, bytes]:
    """Returns the images of a split."""
    if split == "train":
        return {name: data for own in pictures.train.values() for name, data in own.items()}
    return pictures.val if split == "val" else pictures.test
