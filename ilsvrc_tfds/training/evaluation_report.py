"""A page about an evaluation: calibration, accuracy by class, confusions and the worst images. It needs no network."""

import base64
import bisect
import collections
import html
import importlib.resources
import io
import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import counted, shown
from ilsvrc_tfds.formats.example import parse_example
from ilsvrc_tfds.formats.tfrecord import read_record, read_spans
from ilsvrc_tfds.pages.elements import Figure, Section, figures, sheet, side_by_side, table, tile
from ilsvrc_tfds.pages.page import heading_now, page
from ilsvrc_tfds.pipeline.split import Split
from ilsvrc_tfds.storage.stand_ins import fetched
from ilsvrc_tfds.training.calibration import BINS
from ilsvrc_tfds.training.epoch_table import in_percent
from ilsvrc_tfds.training.evaluation_charts import histogram, reliability
from ilsvrc_tfds.training.predictions import ClassScore, Predictions

WORST = 48
_SIDE, _QUALITY = 256, 80  # of the images in the page: 48 of them take 0.6 MB

_CALIBRATION = (
    "Where the model is 80% sure, 80% of its answers should be correct, so that the bars end on the line. The fewer "
    f"images a bar has, the paler it is. ECE is the mean distance from the line, over {BINS} intervals of the "
    "confidence, the highest probability of an image, weighted by their images (Guo et al. 2017, arXiv:1706.04599, "
    "equation 3)."
)
_WORST = "The images with the highest losses: the class of the label, and what the model predicts, with its confidence."
_SEARCH = (
    '<form class="tools" id="tools" role="search" hidden><label class="grow">Class or wnid'
    '<input id="search" type="search" placeholder="tench, n01440764, …" autocomplete="off" spellcheck="false"></label>'
    '</form><p class="count" id="count" role="status" aria-live="polite"></p>'
)


def write_report(split: Split, predictions: Predictions, model: str) -> bytes:
    """Returns the page as HTML in UTF-8. All words that come from files are escaped.

    Args:
      split: Split that was evaluated.
      predictions: Predictions for its images.
      model: Name of the model, for the title.

    Raises SourceError if the records of the worst images cannot be read.

    >>> import numpy as np
    >>> from ilsvrc_tfds.pipeline import find_split
    >>> val = find_split("/data/tfds/ilsvrc2012/raw256/1.0.0", "val")
    >>> ones = np.ones(6, int)
    >>> write_report(val, Predictions(ones, ones, ones / 2, ones / 2, 0 * ones), "small")[:15]
    b'<!DOCTYPE html>'
    """
    words = class_words(split)
    scores = predictions.classes()
    charts = {
        "Accuracy by confidence": reliability(predictions.bins),
        "Classes by top-1": histogram([score.top1 for score in scores]),
    }
    worst = sheet(_tiles(split, predictions, words))
    style, script = (
        importlib.resources.files(__package__).joinpath(f"evaluation_page.{kind}").read_text("utf-8")
        for kind in ("css", "js")
    )
    return page(
        heading_now(
            "evaluation",
            f"Evaluation of {counted(split.num_examples, 'image')}, each once",
            f"{model} on {split.name}",
            split.folder,
        ),
        [
            Section("overview", "", _figures(predictions)),
            Section("calibration", "Calibration", f'<p class="lead">{_CALIBRATION}</p>{side_by_side(charts)}'),
            Section("confused", "Most confused", _confusions(predictions, words)),
            Section("worst", "Worst images", f'<p class="lead">{_WORST}</p>{worst}'),
            Section("classes", "Classes", _SEARCH + _classes(scores, words)),
        ],
        style=style,
        script=script,
    )


def _figures(predictions: Predictions) -> str:
    return figures(
        [
            Figure("Top-1", in_percent(predictions.top1)),
            Figure("Top-5", in_percent(predictions.top5)),
            Figure("Loss", f"{predictions.mean_loss:.4f}"),
            Figure("ECE", f"{predictions.ece:.2%}", "expected calibration error"),
            Figure("Images", f"{len(predictions.label):,}"),
            Figure("Classes", f"{len(np.unique(predictions.label)):,}"),
        ]
    )


def _confusions(predictions: Predictions, words: Callable[[int], tuple[str, str]]) -> str:
    rows = [
        [_class(pair.label, words), _class(pair.predicted, words), f"{pair.images:,}", f"{pair.share:.0%}"]
        for pair in predictions.confusions()
    ]
    if not rows:
        return "<p>None: every image is predicted right.</p>"
    return table(["images of", "are taken for", "images", "of the class"], rows, "Most confused classes", (0, 1))


def _classes(scores: Sequence[ClassScore], words: Callable[[int], tuple[str, str]]) -> str:
    rows = [
        [
            _class(score.label, words),
            f"{score.images:,}",
            f'<meter min="0" max="1" value="{score.top1:.3f}"></meter> {score.top1:.1%}',
            f"{score.top5:.1%}",
            "" if score.taken_for is None else _class(score.taken_for, words),
        ]
        for score in scores
    ]
    head = ["class", "images", "top-1", "top-5", "most often taken for"]
    return table(head, rows, "Accuracy of each class", (0, 4), id="classes-rows")


def _class(label: int, words: Callable[[int], tuple[str, str]]) -> str:
    word, wnid = map(html.escape, words(label))
    return f'{word} <span class="faint">{wnid}</span>'


def class_words(split: Split) -> Callable[[int], tuple[str, str]]:
    """Returns a function of a label that returns the first word and the wnid of its class.

    >>> from ilsvrc_tfds.pipeline import find_split
    >>> class_words(find_split("/data/tfds/ilsvrc2012/raw256/1.0.0", "val"))(0)
    ('tench', 'n01440764')
    """
    wnids = synsets.wnids() if split.wnids is None else split.wnids
    words = {synset.wnid: synset.words.partition(",")[0] for synset in synsets.synsets()}
    return lambda label: (words.get(wnids[label], wnids[label]), wnids[label])


class _Picture(NamedTuple):
    file_name: str
    image: bytes


def _tiles(split: Split, predictions: Predictions, words: Callable[[int], tuple[str, str]]) -> Iterator[str]:
    worst = predictions.worst(WORST).tolist()
    pictures = _pictures(split, worst)
    for position in worst:
        picture = pictures[position]
        label, predicted = int(predictions.label[position]), int(predictions.predicted[position])
        word, wnid = words(label)
        said = f"{html.escape(words(predicted)[0])} {predictions.confidence[position]:.0%}"
        said = f'<span class="bad">{said}</span>' if label != predicted else said
        loss = f"loss {predictions.loss[position]:.2f}, {html.escape(wnid)}"
        yield tile(_thumbnail(picture.image), word, word, [said, loss], picture.file_name)


def _pictures(split: Split, positions: Sequence[int]) -> dict[int, _Picture]:
    """Returns the images at some positions of a split. No other record is read."""
    starts, found = list(itertools.accumulate(split.lengths, initial=0)), {}
    by_shard = collections.defaultdict(list)
    for position in positions:
        by_shard[bisect.bisect_right(starts, position) - 1].append(position)
    for shard, own in by_shard.items():
        path = split.paths[shard]
        with fetched(path) as local:  # once, if it is in a bucket
            spans = read_spans(local)
            for position in own:
                offset, size = spans[position - starts[shard]]
                features = parse_example(read_record(local, offset, size), f"{path}: byte {offset:,}")
                name, image = (next(iter(features.get(key, ())), b"") for key in split.fields[:2])
                found[position] = _Picture(shown(os.fsdecode(bytes(name))), bytes(image))
    return found


def _thumbnail(image: bytes) -> str:
    """Returns an image as a URL that has its bytes, or an empty one if it cannot be decoded."""
    try:
        with Image.open(io.BytesIO(image)) as opened:
            opened.draft("RGB", (2 * _SIDE, 2 * _SIDE))
            small = opened.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return "data:,"
    small.thumbnail((_SIDE, _SIDE))
    content = io.BytesIO()
    small.save(content, "JPEG", quality=_QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(content.getvalue()).decode()}"
