"""Find the images of a source in any layout, label them, and read one image's bytes without unpacking the source.

    layout = find_layout([folder])       the archives and folders of each split
    index = index_images(layout, run)    the place and the checked label of every image
    Reader().read(members, row)          the bytes of one image

>>> from ilsvrc_tfds.sources import Reader, find_layout, index_images
>>> index = index_images(find_layout(["/data/imagenet"]))
>>> train = index.splits["train"]
>>> train.name.tolist()[0], train.label.tolist()[0]
(b'n01440764_9.JPEG', 0)
>>> with Reader() as reader:
...     image = reader.read(train, 0)
"""

from ilsvrc_tfds.sources.index import index_images
from ilsvrc_tfds.sources.members import Container, Index, Members, join_members
from ilsvrc_tfds.sources.places import Place
from ilsvrc_tfds.sources.reader import Reader
from ilsvrc_tfds.sources.search import Layout, find_layout

__all__ = ["Container", "Index", "Layout", "Members", "Place", "Reader", "find_layout", "index_images", "join_members"]
