"""ImageNet-V2: folders named 0 to 999 by the class index, without padding, so that their order as text is wrong."""

from collections import Counter
from pathlib import Path

from ilsvrc_tfds import synsets
from ilsvrc_tfds.errors import SourceError, counted, first_few, shown
from ilsvrc_tfds.pipeline.sets.class_folders import labelled, missing_of
from ilsvrc_tfds.pipeline.sets.found import EvaluationSet, Part
from ilsvrc_tfds.pipeline.sets.published import PUBLISHED, V2
from ilsvrc_tfds.pipeline.sets.trees import Tree, is_image

IMAGES_PER_CLASS = 10
_VARIANTS = ("matched-frequency", "threshold0.7", "threshold-0.7", "top-images", "topimages")


def find(tree: Tree, path: Path) -> EvaluationSet | None:
    """Returns ImageNet-V2 in a folder of numbered folders with images, or None if the folder has another layout.

    Raises SourceError if a folder or file does not belong there, or if two folders have the same number.
    """
    folders, files = tree.listing()
    numbered = [name for name in folders if name.isascii() and name.isdecimal()]
    if not numbered or not any(folders[name].listing()[1] for name in numbered):
        return None
    others = [name for name in (*folders, *filter(is_image, files)) if name not in numbered]
    wrong = others + [name for name in numbered if int(name) >= synsets.NUM_CLASSES]
    if wrong:
        raise SourceError(
            f"{tree.where} has numbered folders, but also {first_few(map(shown, wrong))}. Expected ImageNet-V2, whose "
            "folders are 0 to 999. Move the others away; if the numbers begin with 1, get the set again."
        )
    twice = [number for number, count in Counter(map(int, numbered)).items() if count > 1]
    if twice:
        raise SourceError(f"{tree.where} has two folders for class {twice[0]}, with and without zeros. Keep one.")
    images = labelled({int(name): folders[name] for name in sorted(numbered, key=int)})
    missing = missing_of(images, PUBLISHED[V2].images, PUBLISHED[V2].classes)
    counts = Counter(images.labels.tolist())
    uneven = [index for index, count in sorted(counts.items()) if count != IMAGES_PER_CLASS]
    if uneven and not missing:
        missing = (
            f"{counted(len(uneven), 'class has', 'classes have')} not {IMAGES_PER_CLASS} images: {first_few(uneven)}"
        )
    part = Part("", len(images), lambda: images)
    return EvaluationSet(V2, titled(tree.where), path, (part,), missing)


def titled(text: str) -> str:
    """Returns the title of ImageNet-V2, with the variant if a path names it.

    >>> titled("/data/imagenetv2-top-images-format-val")
    'ImageNet-V2 (top-images)'
    """
    variant = next((variant for variant in _VARIANTS if variant in text), "")
    return f"{PUBLISHED[V2].title} ({variant})" if variant else PUBLISHED[V2].title
