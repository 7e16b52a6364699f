"""A page about an evaluation: calibration, accuracy by class, confusions and the worst images. It needs no network."""

import base64
import bisect
import collections
import html
import importlib.resources
import io
import itertools
import os
import string
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from PIL import Image

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import counted, shown
from ilsvrc_tfds.formats.example import parse_example
from ilsvrc_tfds.formats.tfrecord import read_record, read_spans
from ilsvrc_tfds.pipeline.split import Split
from ilsvrc_tfds.storage.stand_ins import fetched
from ilsvrc_tfds.training.calibration import BINS, Bin
from ilsvrc_tfds.training.epoch_table import in_percent
from ilsvrc_tfds.training.predictions import Predictions

WORST = 48
_SIDE, _QUALITY = 256, 80  # of the images in the page: 48 of them take 0.6 MB
_STEPS = 10  # of the histogram of accuracies
# The drawings: an area of 100 units with room for the numbers on its left and below.
_LEFT, _TOP, _AREA, _WIDTH, _HEIGHT = 38, 8, 200, 256, 234


def write_report(split: Split, predictions: Predictions, model: str) -> bytes:
    """Returns the page as HTML. All words that come from files are escaped.

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
    b'<!doctype html>'
    """
    names, scores = class_words(split), predictions.classes()

    def with_wnid(label: int) -> str:
        return f"{names(label)[0]} ({names(label)[1]})"

    text = importlib.resources.files(__package__).joinpath("evaluation_report.html").read_text("utf-8")
    heading = f"{model} on {split.name}"
    page = string.Template(text).substitute(
        title=html.escape(heading),
        heading=html.escape(heading),
        facts=html.escape(f"{split.folder}: {counted(split.num_examples, 'image')}, each evaluated once"),
        tiles=_tiles(predictions),
        bins=BINS,
        reliability=_reliability(predictions.bins),
        histogram=_histogram([score.top1 for score in scores]),
        confusions="".join(
            _row(
                with_wnid(pair.label),
                with_wnid(pair.predicted),
                f"{pair.images:,}",
                f"{pair.share:.0%}",
                numbers=(2, 3),
            )
            for pair in predictions.confusions()
        ),
        classes="".join(
            _row(
                with_wnid(score.label),
                f"{score.images:,}",
                f"{score.top1:.1%}",
                f"{score.top5:.1%}",
                "" if score.taken_for is None else with_wnid(score.taken_for),
                numbers=(1, 2, 3),
                meter=score.top1,
            )
            for score in scores
        ),
        sheet="".join(_figures(split, predictions, names)),
    )
    return page.encode()


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


def _figures(split: Split, predictions: Predictions, names: Callable[[int], tuple[str, str]]) -> Iterable[str]:
    worst = predictions.worst(WORST).tolist()
    pictures = _pictures(split, worst)
    for position in worst:
        picture = pictures[position]
        label, predicted = int(predictions.label[position]), int(predictions.predicted[position])
        (word, wnid), (said, _) = names(label), names(predicted)
        word, wnid, said, name = map(html.escape, (word, wnid, said, picture.file_name))
        mark = ' class="wrong"' if label != predicted else ""
        yield (
            f'<figure><img alt="{word}" src="{_thumbnail(picture.image)}"><figcaption><b>{word}</b>'
            f"<span{mark}>{said} {predictions.confidence[position]:.0%}</span> "
            f"<small>loss {predictions.loss[position]:.2f} · {wnid}<br>{name}</small></figcaption></figure>"
        )


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


def _tiles(predictions: Predictions) -> str:
    figures = {
        "top-1": in_percent(predictions.top1),
        "top-5": in_percent(predictions.top5),
        "loss": f"{predictions.mean_loss:.4f}",
        "ECE": f"{predictions.ece:.2%}",
        "images": f"{len(predictions.label):,}",
    }
    return "".join(f"<div><b>{value}</b>{name}</div>" for name, value in figures.items())


def _row(*cells: str, numbers: tuple[int, ...], meter: float | None = None) -> str:
    texts = [html.escape(cell) for cell in cells]
    if meter is not None:
        texts[2] += f' <meter min="0" max="1" value="{meter:.3f}"></meter>'
    marks = (' class="n"' if column in numbers else "" for column in range(len(cells)))
    return f"<tr>{''.join(f'<td{mark}>{text}</td>' for mark, text in zip(marks, texts))}</tr>"


def _reliability(bins: tuple[Bin, ...]) -> str:
    most = max(one.images for one in bins) or 1
    width = _AREA / len(bins)
    bars = []
    for one in bins:
        height = _AREA * one.accuracy
        words = f"{one.low:.0%} to {one.high:.0%}: {counted(one.images, 'image')}"
        words += f", {one.confidence:.1%} sure, {one.accuracy:.1%} correct" if one.images else ""
        # The fewer images, the fainter the bar.
        opacity = 0.25 + 0.75 * one.images / most if one.images else 0
        bars.append(
            f'<rect x="{_LEFT + _AREA * one.low + 0.5:.1f}" y="{_TOP + _AREA - height:.1f}" width="{width - 1:.1f}" '
            f'height="{height:.1f}" fill="var(--accent)" opacity="{opacity:.2f}"><title>{words}</title></rect>'
        )
    line = f'<path d="M{_LEFT} {_TOP + _AREA}l{_AREA} -{_AREA}" stroke="var(--bad)" stroke-dasharray="4 3"/>'
    return _drawing("".join([*bars, line]), "probability", ["0%", "50%", "100%"], ["0%", "50%", "100%"])


def _histogram(accuracies: Sequence[float]) -> str:
    counts = collections.Counter(min(int(accuracy * _STEPS), _STEPS - 1) for accuracy in accuracies)
    most, width = max(counts.values(), default=1), _AREA / _STEPS
    bars = (
        f'<rect x="{_LEFT + step * width + 0.5:.1f}" y="{_TOP + _AREA * (1 - count / most):.1f}" '
        f'width="{width - 1:.1f}" height="{_AREA * count / most:.1f}" fill="var(--accent)">'
        f"<title>{counted(count, 'class', 'classes')}</title></rect>"
        for step, count in sorted(counts.items())
    )
    return _drawing("".join(bars), "top-1 of a class", ["0%", "50%", "100%"], ["0", "", f"{most:,}"])


def _drawing(content: str, title: str, across: Sequence[str], up: Sequence[str]) -> str:
    bottom = _TOP + _AREA
    labels = [
        f'<text x="{_LEFT + _AREA * k / 2:.0f}" y="{bottom + 14}" text-anchor="middle">{text}</text>'
        for k, text in enumerate(across)
    ]
    labels += [
        f'<text x="{_LEFT - 4}" y="{bottom - _AREA * k / 2 + 4:.0f}" text-anchor="end">{text}</text>'
        for k, text in enumerate(up)
    ]
    frame = f'<path d="M{_LEFT} {_TOP}v{_AREA}h{_AREA}" stroke="var(--line)" fill="none"/>'
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT + 8}" role="img" aria-label="{title}">{content}{frame}{"".join(labels)}'
        f'<text x="{_LEFT + _AREA / 2:.0f}" y="{_HEIGHT + 4}" text-anchor="middle">{title}</text></svg>'
    )
