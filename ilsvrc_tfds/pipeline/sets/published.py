"""The evaluation sets that are known: what each has when it is complete, and where it comes from. A table of facts.

Only these facts are part of this package, and no image or label of the sets: those are read from the user's disk.
"""

import dataclasses

from ilsvrc_tfds import synsets

REAL, V2, A, R, SKETCH, C = "real", "v2", "a", "r", "sketch", "c"

# Class indices of ImageNet-A's 200 folders, as in `thousand_k_to_200` of hendrycks/natural-adv-examples (MIT).
_CLASSES_OF_A = """
6 11 13 15 17 22 23 27 30 37 39 42 47 50 57 70 71 76 79 89 90 94 96 97 99 105 107 108 110 113 124 125 130 132 143 144
150 151 207 234 235 254 277 283 287 291 295 298 301 306 307 308 309 310 311 313 314 315 317 319 323 324 326 327 330 334
335 336 347 361 363 372 378 386 397 400 401 402 404 407 411 416 417 420 425 428 430 437 438 445 456 457 461 462 470 472
483 486 488 492 496 514 516 528 530 539 542 543 549 552 557 561 562 569 572 573 575 579 589 606 607 609 614 626 627 640
641 642 643 658 668 677 682 684 687 701 704 719 736 746 749 752 758 763 765 768 773 774 776 779 780 786 792 797 802 803
804 813 815 820 823 831 833 835 839 845 847 850 859 862 870 879 880 888 890 897 900 907 913 924 932 933 934 937 943 945
947 951 954 956 957 959 971 972 980 981 984 986 987 988
"""
# Class indices of ImageNet-R's 200 folders, as in `imagenet_r_wnids` of hendrycks/imagenet-r (MIT).
_CLASSES_OF_R = """
1 2 4 6 8 9 11 13 22 23 26 29 31 39 47 63 71 76 79 84 90 94 96 97 99 100 105 107 113 122 125 130 132 144 145 147 148
150 151 155 160 161 162 163 171 172 178 187 195 199 203 207 208 219 231 232 234 235 242 245 247 250 251 254 259 260 263
265 267 269 276 277 281 288 289 291 292 293 296 299 301 308 309 310 311 314 315 319 323 327 330 334 335 337 338 340 341
344 347 353 355 361 362 365 366 367 368 372 388 390 393 397 401 407 413 414 425 428 430 435 437 441 447 448 457 462 463
469 470 471 472 476 483 487 515 546 555 558 570 579 583 587 593 594 596 609 613 617 621 629 637 657 658 701 717 724 763
768 774 776 779 780 787 805 812 815 820 824 833 847 852 866 875 883 889 895 907 928 931 932 933 934 936 937 943 945 947
948 949 951 953 954 957 963 965 967 980 981 983 988
"""
_ALL = tuple(range(synsets.NUM_CLASSES))

# The corruptions of ImageNet-C whose mean is published, each with the mean error of AlexNet over the five severities:
# `CORRUPTIONS` and `ALEXNET_ERR` in imagenet.py of google-research/augmix (Apache 2.0), whose authors wrote ImageNet-C.
ALEXNET_ERRORS = {
    "gaussian_noise": 0.886428,
    "shot_noise": 0.894468,
    "impulse_noise": 0.922640,
    "defocus_blur": 0.819880,
    "glass_blur": 0.826268,
    "motion_blur": 0.785948,
    "zoom_blur": 0.798360,
    "snow": 0.866816,
    "frost": 0.826572,
    "fog": 0.819324,
    "brightness": 0.564592,
    "contrast": 0.853204,
    "elastic_transform": 0.646056,
    "pixelate": 0.717840,
    "jpeg_compression": 0.606500,
}
# The four of extra.tar, which are not part of the mean.
EXTRA_CORRUPTIONS = ("gaussian_blur", "saturate", "spatter", "speckle_noise")
SEVERITIES = (1, 2, 3, 4, 5)


@dataclasses.dataclass(frozen=True)
class Published:
    """What an evaluation set has when it is complete.

    Attributes:
      title: Name of the set in papers.
      tfds: Name of the set in TensorFlow Datasets.
      images: Number of images; of ImageNet-C, those of one corruption in one severity.
      classes: Class indices of the set, sorted. Only their logits compete.
      source: Where the set and its licence are described.

    >>> PUBLISHED["a"].title, len(PUBLISHED["a"].classes)
    ('ImageNet-A', 200)
    """

    title: str
    tfds: str
    images: int
    classes: tuple[int, ...]
    source: str


def _indices(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split()))


# By the word that usually names the set in a command.
PUBLISHED = {
    REAL: Published(
        "ImageNet-ReaL", "imagenet2012_real", 50_000, _ALL, "https://github.com/google-research/reassessed-imagenet"
    ),
    V2: Published("ImageNet-V2", "imagenet_v2", 10_000, _ALL, "https://github.com/modestyachts/ImageNetV2"),
    A: Published(
        "ImageNet-A",
        "imagenet_a",
        7_500,
        _indices(_CLASSES_OF_A),
        "https://github.com/hendrycks/natural-adv-examples",
    ),
    R: Published(
        "ImageNet-R", "imagenet_r", 30_000, _indices(_CLASSES_OF_R), "https://github.com/hendrycks/imagenet-r"
    ),
    # The authors round to 50,000; the archive has 50,889, as TFDS counts too.
    SKETCH: Published(
        "ImageNet-Sketch", "imagenet_sketch", 50_889, _ALL, "https://github.com/HaohanWang/ImageNet-Sketch"
    ),
    C: Published("ImageNet-C", "imagenet2012_corrupted", 50_000, _ALL, "https://github.com/hendrycks/robustness"),
}


def kind_named(word: str) -> str | None:
    """Returns the kind of set that a word names, or None if the word is free.

    >>> kind_named("v2"), kind_named("ImageNet-A"), kind_named("mine")
    ('v2', 'a', None)
    """
    short = word.lower().removeprefix("imagenet").strip("-_ ")
    return short if short in PUBLISHED else None
