"""Find the images in whatever layout the user has, and read one image's bytes in place.

layout = find_layout([folder])       which archives and folders there are
index = index_images(layout, run)    where every image lies, labelled and checked
Reader().read(members, row)          one image's bytes
"""

from ilsvrc_tfds.sources.index import index_images
from ilsvrc_tfds.sources.layouts import Layout, find_layout
from ilsvrc_tfds.sources.members import Container, Index, Members, join_members
from ilsvrc_tfds.sources.reader import Reader
from ilsvrc_tfds.sources.splits import Place

__all__ = ["Container", "Index", "Layout", "Members", "Place", "Reader", "find_layout", "index_images", "join_members"]
