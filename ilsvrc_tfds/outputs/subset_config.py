"""The config of a subset: `ilsvrc2012/imagenet100-raw256`, which lies beside the whole data set."""

import dataclasses
import re
from collections.abc import Mapping

from ilsvrc_tfds.errors import OptionError
from ilsvrc_tfds.outputs.builder import Ilsvrc2012
from ilsvrc_tfds.outputs.description import Ilsvrc2012Config
from ilsvrc_tfds.sources.subset import Subset, in_words

# A part of a path, and of `ilsvrc2012/<config>`.
_CONFIG_NAME = re.compile(r"[A-Za-z0-9][\w.-]*", re.A)


def config_of(config: str | Ilsvrc2012Config, subset: Subset, name: str | None) -> str | Ilsvrc2012Config:
    """Returns the config of a subset: another data set needs another name. Without a subset, it is the config itself.

    Args:
      config: Name of one of the builder's configs, or a config.
      subset: Subset to make.
      name: Name of the subset, which comes before that of the config. A config of the user's own needs none.

    Raises OptionError if the subset has no name, or if the name cannot be a folder's name.

    >>> config_of("raw256", Subset(classes=(3, 0)), "two").name
    'two-raw256'
    """
    if subset == Subset():
        if name is not None:
            raise OptionError(
                "name is for a subset: give classes or images too (--classes, --images), or leave it out."
            )
        return config
    own = Ilsvrc2012.builder_configs.get(config) if isinstance(config, str) else config
    if own is None:
        raise OptionError(f"config must be one of {', '.join(Ilsvrc2012.builder_configs)}, got {config!r}.")
    if name is None and own.name in Ilsvrc2012.builder_configs:
        raise OptionError(
            f"A subset needs a name of its own, since ilsvrc2012/{own.name} is all of ILSVRC2012. Give it one with "
            f"--name (name=): --name imagenet100 makes ilsvrc2012/imagenet100-{own.name}."
        )
    if name is not None and not _CONFIG_NAME.fullmatch(name):
        raise OptionError(f"name must be of letters, digits and . _ -, such as imagenet100, got {name!r:.80}.")
    if own.subset != Subset():
        raise OptionError(f"The config {own.name!r} has a subset of its own. Leave out classes, images and relabel.")
    return dataclasses.replace(
        own,
        name=own.name if name is None else f"{name}-{own.name}",
        description=f"{own.description or ''} {in_words(subset.described()).capitalize()}.".strip(),
        classes=subset.classes,
        relabel=subset.relabel,
        images=subset.images,
    )


def options_of_lists(recorded: object, wanted: Subset) -> dict[str, tuple[object, object]]:
    """Returns for each option of a subset what a data set was made with and what is wanted now, by its name in words.

    >>> options_of_lists({"classes": {"listed": 3, "xxh3_128": "00"}}, Subset())["list of classes"]
    ('3 with xxh3_128 00', None)

    Args:
      recorded: Description of the subset that the data set records, or None.
      wanted: Subset that is wanted.
    """
    made, asked = recorded if isinstance(recorded, Mapping) else {}, wanted.described()
    lists = {
        f"list of {what}": (_in_words(made.get(what)), _in_words(asked.get(what))) for what in ("classes", "images")
    }
    return {**lists, "relabel": (bool(made.get("relabelled")), wanted.relabel)}


def _in_words(entry: object) -> str | None:
    return f"{entry.get('listed')} with xxh3_128 {entry.get('xxh3_128')}" if isinstance(entry, Mapping) else None
