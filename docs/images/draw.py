"""Draws the pictures of these pages, from the demo's drawings: `python docs/images/draw.py`."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import tensorflow as tf
from PIL import Image, ImageDraw, ImageFont

import ilsvrc_tfds
from ilsvrc_tfds import cli, preprocess, training
from ilsvrc_tfds.sources import demo, drawings

if TYPE_CHECKING:
    from playwright.sync_api import Page

HERE = Path(__file__).parent
DEMO = Path(tempfile.gettempdir(), "ilsvrc2012-demo")  # the pictures name it
PICTURE = "n02782093", "n02782093_843.JPEG"  # a balloon
_TILE, _GAP, _CROPS, _LABEL = 176, 10, 5, 26
_PAPER, _INK = "#ffffff", "#57575d"


def draw_contact_sheet(data_set: Path) -> None:
    """Draws some records of the demo's `raw256`, as `ilsvrc-tfds show` does."""
    path = data_set / "sheet.png"
    ilsvrc_tfds.show(data_set, split="train", num=10, out=path)
    _save(Image.open(path), HERE / "contact-sheet.png")
    path.unlink()


def draw_augmentations() -> None:
    """Draws a row for each preset: the picture, and what the ops on single examples make of it."""
    data = drawings.encoded_drawing(*PICTURE, seed=0, mode="RGB")
    presets = "resnet_train", "torchvision_train", "randaugment_train"
    width = (1 + _CROPS) * (_TILE + _GAP) + _GAP
    sheet = Image.new("RGB", (width, len(presets) * (_TILE + _LABEL + _GAP) + _GAP), _PAPER)
    for row, name in enumerate(presets):
        y = _GAP + row * (_TILE + _LABEL + _GAP)
        ImageDraw.Draw(sheet).text((_GAP, y + 4), name, _INK, ImageFont.load_default(15))
        original = preprocess.Decode()({"image": tf.constant(data)}, seed=(0, 0))["image"].numpy()
        crops = [_augmented(name, data, seed) for seed in range(_CROPS)]
        for column, pixels in enumerate((original, *crops)):
            tile = Image.fromarray(pixels)
            tile.thumbnail((_TILE, _TILE), Image.Resampling.LANCZOS)
            left, top = (_TILE - tile.width) // 2, (_TILE - tile.height) // 2
            sheet.paste(tile, (_GAP + column * (_TILE + _GAP) + left, y + _LABEL + top))
    _save(sheet, HERE / "augmentations.png")


def draw_report(data_set: Path) -> None:
    """Takes two pictures of the page that `ilsvrc-tfds report` makes of the demo. Needs playwright and Chromium."""
    page_path = DEMO / "report.html"
    ilsvrc_tfds.report(data_set, page_path)
    with _opened(page_path) as page:
        _shoot(page, "report.png")
        page.fill("#search", "ball")
        for _ in range(3):  # what is above grows as it comes into view
            page.wait_for_timeout(300)
            page.locator("#pictures").evaluate("element => element.scrollIntoView({behavior: 'instant'})")
        page.wait_for_timeout(300)
        _shoot(page, "report-pictures.png")


def draw_training(data_set: Path) -> None:
    """Trains a small model on the demo, as docs/training.md says: its curves, its page, and that of an evaluation."""
    recipe = training.Recipe(
        model="small", optimizer="adamw", learning_rate=0.004, epochs=20, warmup_epochs=2, batch_size=32
    )
    training.train(data_set, DEMO / "run", recipe)
    _save(Image.open(DEMO / "run/curves.png"), HERE / "curves.png")
    with _opened(DEMO / "run/training.html") as page:
        _shoot(page, "training.png")
    page_path = DEMO / "evaluation.html"
    cli.main(["evaluate", str(data_set), "--model", str(DEMO / "run"), "--report", str(page_path)])
    with _opened(page_path) as page:
        _shoot(page, "evaluation.png")


@contextlib.contextmanager
def _opened(path: Path) -> Iterator["Page"]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as running:
        browser = running.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1100, "height": 870}, color_scheme="light")
        page.goto(path.as_uri())
        yield page


def _shoot(page: "Page", name: str) -> None:
    page.screenshot(path=DEMO / name)
    _save(Image.open(DEMO / name), HERE / name)


def _augmented(name: str, data: bytes, seed: int):
    ops, _ = preprocess.split(preprocess.preset(name))  # without those that mix the images of a batch
    example = {"image": tf.constant(data), "label": tf.constant(417, tf.int64)}
    return preprocess.apply(ops, example, seed=(seed, 0))["image"].numpy()


def _save(picture: Image.Image, path: Path) -> None:
    """Saves with 256 colours, which is half of the bytes."""
    picture = picture.convert("RGB")
    picture.quantize(palette=picture.quantize(256), dither=Image.Dither.FLOYDSTEINBERG).save(path, optimize=True)
    print(f"{path}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    prepared = ilsvrc_tfds.prepare(demo.draw(DEMO / "archives"), DEMO / "data", config="raw256", allow_incomplete=True)
    draw_contact_sheet(Path(prepared.data_dir))
    draw_augmentations()
    draw_report(Path(prepared.data_dir))
    draw_training(Path(prepared.data_dir))
    shutil.rmtree(DEMO)
